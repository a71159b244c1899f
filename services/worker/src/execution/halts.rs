//! Halts: an ordered trigger whose execution failed stops until a person resumes or skips it.

use super::delivered::{Delivered, Source};
use super::outcome::Disposition;
use super::ports::ExecutionStore;
use super::store_retry::ASK_AGAIN_INTERVAL;
use crate::measure;
use forebay_contract::definition::{DispatchPolicy, OnFailure};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_store::{Decision, SnapshotHandle, TriggerState};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The halts of triggers.
#[derive(Clone)]
pub(crate) struct Halts {
    store: Arc<dyn ExecutionStore>,
    snapshot: SnapshotHandle,
}

impl Halts {
    pub(crate) fn new(store: Arc<dyn ExecutionStore>, snapshot: SnapshotHandle) -> Self {
        Self { store, snapshot }
    }

    /// Returns true if the current definition halts its trigger on a failure.
    pub(crate) fn halts_on_failure(&self, envelope: &Envelope) -> bool {
        let snapshot = self.snapshot.current();
        snapshot.integration_by_id(envelope.integration_id).is_some_and(|integration| integration.definition.on_failure == OnFailure::Halt)
    }

    /// Returns the decision of a person about the halt at this execution.
    pub(crate) fn decision(&self, envelope: &Envelope) -> Option<Decision> {
        self.halt_at(envelope).and_then(|state| state.decision)
    }

    /// Returns the error that halted the trigger at this execution.
    pub(crate) fn error(&self, envelope: &Envelope) -> Option<ExecutionError> {
        self.snapshot.current().trigger_state(envelope.integration_id).and_then(|state| state.error.clone())
    }

    fn halt_at(&self, envelope: &Envelope) -> Option<TriggerState> {
        let snapshot = self.snapshot.current();
        let state = snapshot.trigger_state(envelope.integration_id)?;
        (state.execution_id == Some(envelope.execution_id.unique())).then(|| state.clone())
    }

    /// Ends a halt at this execution, if there is one. A worker that was frozen may have written it for its attempt of a message that was
    /// redelivered since, and the snapshot may not have it yet.
    pub(crate) async fn release(&self, delivered: &Delivered) {
        let envelope = &delivered.envelope;
        if self.halt_at(envelope).is_some() || (delivered.redelivered && self.halts_on_failure(envelope)) {
            self.clear(envelope, envelope.execution_id.unique()).await;
        }
    }

    /// Ends a halt about which a person has decided and whose execution is no longer in the trigger's queue (the queue was purged, or the
    /// message was acknowledged meanwhile). A strictly ordered queue delivers that execution before all others; so the delivery of another
    /// one proves that it is gone.
    pub(crate) async fn clear_passed(&self, delivered: &Delivered) {
        let envelope = &delivered.envelope;
        if delivered.source != (Source::ExclusiveQueue { is_ordered: true }) {
            return;
        }
        let Some(execution) = self.passed_halt(envelope) else { return };
        tracing::warn!(forebay.tenant = %envelope.tenant, forebay.integration = %envelope.integration, "the execution at which the trigger was halted is not in its queue; the halt is over");
        self.clear(envelope, execution).await;
    }

    fn passed_halt(&self, envelope: &Envelope) -> Option<Uuid> {
        let snapshot = self.snapshot.current();
        let halt = snapshot.trigger_state(envelope.integration_id)?;
        let is_strict = *snapshot.integration_by_id(envelope.integration_id)?.definition.trigger.policy() == DispatchPolicy::Ordered;
        let execution = halt.execution_id?;
        (is_strict && halt.decision.is_some() && execution != envelope.execution_id.unique()).then_some(execution)
    }

    async fn clear(&self, envelope: &Envelope, execution: Uuid) {
        measure::halted(envelope, false);
        if let Err(error) = self.store.clear_halt(envelope.integration_id, execution).await {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "the trigger's halt could not be cleared");
        }
    }

    /// Keeps the trigger halted at an execution that halted it before. Its worker may have stopped between the two writes, so the halt is
    /// written if the snapshot has none.
    pub(crate) async fn stay(&self, envelope: &Envelope, lost: &CancellationToken) -> Halted {
        if self.snapshot.current().trigger_state(envelope.integration_id).is_some() {
            return Halted::Yes;
        }
        let message = "the execution failed; its worker went away before it could say why the trigger is halted".to_owned();
        self.halt(envelope, &ExecutionError::permanent(ErrorCode::Crashed, message), lost).await
    }

    /// Writes the halt, for as long as the database is away: the trigger must not continue without it.
    pub(crate) async fn halt(&self, envelope: &Envelope, error: &ExecutionError, lost: &CancellationToken) -> Halted {
        loop {
            match self.store.halt(envelope.integration_id, &envelope.execution_id, error).await {
                Ok(true) => {
                    measure::halted(envelope, true);
                    tracing::warn!(forebay.tenant = %envelope.tenant, forebay.integration = %envelope.integration, forebay.execution.id = %envelope.execution_id, "the trigger is halted until a person resumes or skips");
                    return Halted::Yes;
                }
                Ok(false) => return Halted::HasSucceeded,
                Err(cause) => {
                    tracing::warn!(forebay.execution.id = %envelope.execution_id, error = %cause, "the halt could not be written down; trying again");
                }
            }
            if lost.is_cancelled() {
                return Halted::Lost;
            }
            tokio::time::sleep(ASK_AGAIN_INTERVAL).await;
        }
    }
}

/// The result of halting a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halted {
    /// The halt is stored.
    Yes,
    /// The execution succeeded in another worker: no decision is needed.
    HasSucceeded,
    /// The delivery was lost before the store answered: the worker that has it now decides.
    Lost,
}

impl Halted {
    /// Returns the disposition of the delivery.
    pub(crate) fn disposition(self) -> Disposition {
        match self {
            Self::Yes => Disposition::Halt,
            Self::HasSucceeded => Disposition::Acknowledge,
            Self::Lost => Disposition::Leave,
        }
    }
}
