//! Traits of the store and the broker for executions: small enough for unit tests to implement them in memory.

use forebay_broker::PublishError;
use forebay_contract::definition::{Definition, DispatchPolicy};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Checkpoint, Ending, ExecutionError};
use forebay_contract::{ExecutionId, Name, SharedQueueNumber};
use forebay_store::{FinishedExecution, Record, StoreError};
use std::pin::Pin;
use uuid::Uuid;

/// The answer of a port.
pub(crate) type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Claims, checkpoints, records and halts of executions. Every method but `record` ends within seconds, with an error if the store does not
/// answer.
pub(crate) trait ExecutionStore: Send + Sync {
    /// Claims an execution for the message with this claim token. Returns `false` if another message has it.
    fn claim<'a>(&'a self, id: &'a ExecutionId, token: i64) -> PortFuture<'a, Result<bool, StoreError>>;

    /// Returns the recorded end of an execution; `None`: no end is recorded.
    fn finished<'a>(&'a self, id: &'a ExecutionId) -> PortFuture<'a, Result<Option<FinishedExecution>, StoreError>>;

    /// Returns the end of an execution with its response; `None`: it has not ended, or its response is not stored.
    fn ending<'a>(&'a self, integration: Uuid, id: &'a ExecutionId) -> PortFuture<'a, Result<Option<Ending>, StoreError>>;

    /// Returns the checkpoints of an execution, and the number of its next batch.
    fn checkpoints<'a>(&'a self, id: &'a ExecutionId) -> PortFuture<'a, Result<(Vec<Checkpoint>, u32), StoreError>>;

    /// Stores a batch of checkpoints.
    fn add_checkpoints<'a>(&'a self, batch: Batch<'a>) -> PortFuture<'a, Result<(), StoreError>>;

    /// Returns true if there is a key to encrypt with.
    fn can_seal(&self) -> bool;

    /// Returns true if an attempt of the execution is recorded as begun.
    fn has_begun<'a>(&'a self, id: &'a ExecutionId) -> PortFuture<'a, Result<bool, StoreError>>;

    /// Records a state of an execution. Returns once the record is durable, or superseded.
    fn record<'a>(&'a self, tenant: &'a Name, record: Record, urgency: Urgency) -> PortFuture<'a, Result<Recorded, NotRecorded>>;

    /// Stores a halt of a trigger at this execution. Returns `false` if it did not: the execution has succeeded meanwhile.
    fn halt<'a>(&'a self, integration: Uuid, id: &'a ExecutionId, error: &'a ExecutionError) -> PortFuture<'a, Result<bool, StoreError>>;

    /// Ends the halt of a trigger at an execution (given by the unique part of its id), if it is halted there.
    fn clear_halt(&self, integration: Uuid, execution: Uuid) -> PortFuture<'_, Result<(), StoreError>>;

    /// Returns one version of a definition; `None`: it was never stored.
    fn definition(&self, integration: Uuid, version: i32) -> PortFuture<'_, Result<Option<Definition>, StoreError>>;
}

/// A batch of checkpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// The execution.
    pub(crate) id: &'a ExecutionId,
    /// Its integration.
    pub(crate) integration: Uuid,
    /// The number of the batch.
    pub(crate) number: u32,
    /// The outputs.
    pub(crate) steps: &'a [Checkpoint],
    /// True if they are encrypted.
    pub(crate) is_sealed: bool,
}

/// The urgency of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A caller or the next execution waits for the record.
    Now,
    /// The record may wait a few milliseconds for others: a batch costs the database little more than one record.
    Batched,
}

/// Neither the store nor the broker accepted the record: the delivery stays unacknowledged and is redelivered.
#[derive(Debug, thiserror::Error)]
#[error("the outcome could be written neither to the store nor to the broker")]
pub(crate) struct NotRecorded;

/// The result of recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// The record is in the store.
    Stored,
    /// The record is discarded: the store has a record that takes precedence, such as a success of another worker.
    Superseded,
    /// The record is on a queue of the broker until the database is back.
    Spooled,
}

/// Publishing of envelopes and replies.
pub(crate) trait ExecutionBroker: Send + Sync {
    /// Publishes an envelope. Returns once the broker has confirmed it.
    fn publish<'a>(&'a self, envelope: &'a Envelope, target: Target<'a>) -> PortFuture<'a, Result<(), PublishError>>;

    /// Publishes the envelope on the queue of its integration and waits for the reply.
    fn call<'a>(&'a self, envelope: Envelope, policy: &'a DispatchPolicy) -> PortFuture<'a, Result<CallReply, PublishError>>;

    /// Sends an outcome to the queue on which the caller waits. If it does not arrive, the store has it.
    fn reply(&self, reply_to: &str, id: ExecutionId, ending: &Ending);
}

/// The destination of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// The queue of its integration, for a call without a waiting caller.
    Integration(&'a DispatchPolicy),
    /// A delayed queue that returns the message to this shared queue.
    Delayed {
        /// Number of the shared queue.
        shared_queue: SharedQueueNumber,
        /// The delay in seconds.
        delay: u32,
    },
}

/// The reply to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallReply {
    /// The called execution ended.
    Ended(Ending),
    /// The connection for replies was lost: the reply will not arrive.
    Lost,
}
