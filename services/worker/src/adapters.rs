//! The real store and the real broker behind the traits of [`crate::execution::ports`].

use crate::execution::ports::{Batch, CallReply, ExecutionBroker, ExecutionStore, NotRecorded, PortFuture, Recorded, Target, Urgency};
use crate::measure;
use crate::recording::Recorder;
use crate::store_health::StoreHealth;
use forebay_broker::{Broker, PublishError, PublishPolicy, Publisher, Queue, Replies, Reply};
use forebay_contract::definition::{Definition, DispatchPolicy};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Checkpoint, Ending, ExecutionError};
use forebay_contract::{ExecutionId, Name};
use forebay_store::{FinishedExecution, Record, SnapshotHandle, Store, StoreError};
use std::time::Duration;
use uuid::Uuid;

/// Pause before the connection for replies is tried again; the timeout of the step bounds the total wait.
const REPLIES_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum wait for an answer of the store. If it does not answer before a step, the execution continues without the checkpoints; when it
/// is delivered again, it repeats the remote call of that step with the same `Idempotency-Key`.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The PostgreSQL store; it writes records in batches.
pub(crate) struct StoredExecutions {
    pub(crate) store: Store,
    pub(crate) health: StoreHealth,
    pub(crate) recorder: Recorder,
}

impl StoredExecutions {
    fn ask<'a, T: 'a>(
        &'a self,
        question: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> PortFuture<'a, Result<T, StoreError>> {
        Box::pin(self.health.ask(&self.store, STORE_TIMEOUT, question))
    }
}

impl ExecutionStore for StoredExecutions {
    fn claim<'a>(&'a self, id: &'a ExecutionId, token: i64) -> PortFuture<'a, Result<bool, StoreError>> {
        self.ask(self.store.claim_execution(id, token))
    }

    fn finished<'a>(&'a self, id: &'a ExecutionId) -> PortFuture<'a, Result<Option<FinishedExecution>, StoreError>> {
        self.ask(async {
            let unique = id.unique();
            Ok(self.store.finished(&[unique]).await?.remove(&unique))
        })
    }

    fn ending<'a>(&'a self, integration: Uuid, id: &'a ExecutionId) -> PortFuture<'a, Result<Option<Ending>, StoreError>> {
        self.ask(async move { Ok(self.store.execution(integration, id).await?.and_then(|outcome| outcome.ending())) })
    }

    fn checkpoints<'a>(&'a self, id: &'a ExecutionId) -> PortFuture<'a, Result<(Vec<Checkpoint>, u32), StoreError>> {
        self.ask(self.store.checkpoints(id))
    }

    fn add_checkpoints<'a>(&'a self, batch: Batch<'a>) -> PortFuture<'a, Result<(), StoreError>> {
        let Batch { id, integration, number, steps, is_sealed } = batch;
        self.ask(self.store.add_checkpoints(id, integration, number, steps, is_sealed))
    }

    fn can_seal(&self) -> bool {
        self.store.can_seal()
    }

    fn has_begun<'a>(&'a self, id: &'a ExecutionId) -> PortFuture<'a, Result<bool, StoreError>> {
        self.ask(self.store.has_begun(id))
    }

    fn record<'a>(&'a self, tenant: &'a Name, record: Record, urgency: Urgency) -> PortFuture<'a, Result<Recorded, NotRecorded>> {
        Box::pin(self.recorder.record(tenant, record, urgency))
    }

    fn halt<'a>(&'a self, integration: Uuid, id: &'a ExecutionId, error: &'a ExecutionError) -> PortFuture<'a, Result<bool, StoreError>> {
        self.ask(self.store.halt_trigger(integration, id, error))
    }

    fn clear_halt(&self, integration: Uuid, execution: Uuid) -> PortFuture<'_, Result<(), StoreError>> {
        self.ask(self.store.clear_halt(integration, execution))
    }

    fn definition(&self, integration: Uuid, version: i32) -> PortFuture<'_, Result<Option<Definition>, StoreError>> {
        self.ask(self.store.definition(integration, version))
    }
}

/// The RabbitMQ broker.
pub(crate) struct PublishedExecutions {
    pub(crate) publisher: Publisher,
    pub(crate) replies: Replies,
    pub(crate) broker: Broker,
    pub(crate) snapshot: SnapshotHandle,
}

impl PublishedExecutions {
    fn policy_of(&self, envelope: &Envelope, dispatch: &DispatchPolicy) -> PublishPolicy {
        let tenant_queue = self.snapshot.current().tenant_queue(envelope.tenant.as_str());
        self.broker.topology().policy_of(envelope, dispatch, tenant_queue)
    }
}

impl ExecutionBroker for PublishedExecutions {
    fn publish<'a>(&'a self, envelope: &'a Envelope, target: Target<'a>) -> PortFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            let policy = match target {
                Target::Integration(dispatch) => self.policy_of(envelope, dispatch),
                Target::Delayed { shared_queue, delay } => PublishPolicy::on(Queue::Delayed { shared_queue, delay: delay * 1000 }),
            };
            self.publisher.publish(envelope, policy).await
        })
    }

    fn call<'a>(&'a self, mut envelope: Envelope, policy: &'a DispatchPolicy) -> PortFuture<'a, Result<CallReply, PublishError>> {
        Box::pin(async move {
            let mut waiting = loop {
                match self.replies.expect(envelope.execution_id) {
                    Ok(waiting) => break waiting,
                    Err(_) => tokio::time::sleep(REPLIES_INTERVAL).await,
                }
            };
            envelope.reply_to = Some(waiting.reply_to().to_owned());
            self.publisher.publish(&envelope, self.policy_of(&envelope, policy)).await?;
            let lost = waiting.lost();
            tokio::select! {
                reply = waiting.reply() => Ok(CallReply::Ended(reply.ending)),
                () = lost => Ok(CallReply::Lost),
            }
        })
    }

    fn reply(&self, reply_to: &str, id: ExecutionId, ending: &Ending) {
        self.publisher.reply(reply_to, &Reply { execution_id: id, ending: ending.clone() });
        measure::replied();
    }
}
