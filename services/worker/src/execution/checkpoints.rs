//! Checkpoints: durable outputs of steps. A later attempt of the execution does not repeat these steps.

use super::delivered::Delivered;
use super::ports::{Batch, ExecutionStore};
use super::store_retry::{ask_until_answered, log_unavailable};
use forebay_contract::ExecutionId;
use forebay_contract::outcome::Checkpoint;
use forebay_workflow::Program;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The checkpoints of one execution.
pub(crate) struct Checkpoints {
    store: Arc<dyn ExecutionStore>,
    id: ExecutionId,
    integration: Uuid,
    is_sealed: bool,
    next_batch: AtomicU32,
    steps: Mutex<Vec<Checkpoint>>,
}

impl Checkpoints {
    /// Loads the checkpoints of earlier deliveries; `None`: the delivery was lost before the store answered.
    pub(crate) async fn load(store: &Arc<dyn ExecutionStore>, delivered: &Delivered, program: &Program) -> Option<Self> {
        let envelope = &delivered.envelope;
        let (steps, next_batch) = match delivered.is_repeated() && program.uses_checkpoints() {
            true => {
                let ask = || async { log_unavailable(envelope, store.checkpoints(&envelope.execution_id).await) };
                ask_until_answered(&delivered.lost, ask).await?
            }
            false => (Vec::new(), 0),
        };
        Some(Self {
            store: store.clone(),
            id: envelope.execution_id,
            integration: envelope.integration_id,
            is_sealed: !program.definition().diagnostics.redact.is_empty(),
            next_batch: next_batch.into(),
            steps: Mutex::new(steps),
        })
    }

    /// Returns all durable outputs.
    pub(crate) fn steps(&self) -> Vec<Checkpoint> {
        self.steps.lock().clone()
    }

    /// Returns the number of the next batch; 0: nothing was stored.
    pub(crate) fn next_batch(&self) -> u32 {
        self.next_batch.load(Ordering::Relaxed)
    }

    /// Returns true if fields of the execution are hidden, so that its checkpoints are encrypted.
    pub(crate) fn are_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Stores outputs; returns `false` if the store did not take them in time.
    pub(crate) async fn add(&self, steps: &[Checkpoint]) -> bool {
        // Taken before the write, since branches store in parallel. The number of a failed write stays unused.
        let number = self.next_batch.fetch_add(1, Ordering::Relaxed);
        let batch = Batch { id: &self.id, integration: self.integration, number, steps, is_sealed: self.is_sealed };
        match self.store.add_checkpoints(batch).await {
            Ok(()) => {
                self.steps.lock().extend_from_slice(steps);
                true
            }
            Err(error) => {
                tracing::warn!(forebay.execution.id = %self.id, %error, "outputs of steps were not stored; a repetition would run these steps again");
                false
            }
        }
    }

    /// Stores outputs, for as long as the store is away. Returns `false` if the delivery was lost meanwhile.
    pub(crate) async fn add_durably(&self, steps: &[Checkpoint], lost: &CancellationToken) -> bool {
        steps.is_empty() || ask_until_answered(lost, || async { self.add(steps).await.then_some(()) }).await.is_some()
    }
}
