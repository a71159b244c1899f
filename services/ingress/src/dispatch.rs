//! From an envelope to a confirmed message, and from a reply to an outcome. Handlers see no broker beyond this.

use forebay_broker::{Destination, Message, PublishError, Publisher, Queue, Replies, Topology, encode_envelope, order_of};
use forebay_contract::ExecutionId;
use forebay_contract::definition::{Delivery, OnTimeout};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Ending;
use forebay_store::Store;
use std::time::Duration;
use uuid::Uuid;

/// Hands calls to the workers.
#[derive(Clone)]
pub(crate) struct Dispatch {
    pub(crate) publisher: Publisher,
    pub(crate) replies: Replies,
    pub(crate) topology: Topology,
    pub(crate) store: Store,
}

/// How long a caller waits, and what then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) longest: Duration,
    pub(crate) on_timeout: OnTimeout,
}

/// What became of a call whose caller waited.
pub(crate) enum Answer {
    /// The execution ended in time.
    Ended(Ending),
    /// It did not.
    TimedOut,
}

impl Dispatch {
    /// Publishes a call that nobody waits for; `Ok` means confirmed by the broker.
    pub(crate) async fn accept(&self, envelope: &Envelope, delivery: &Delivery) -> Result<(), PublishError> {
        let queue = self.topology.queue_of(envelope, delivery, false);
        self.publish(order_of(envelope, delivery), queue, encode_envelope(envelope, None)).await
    }

    /// Publishes a call and waits for its outcome.
    pub(crate) async fn call(&self, mut envelope: Envelope, delivery: &Delivery, wait: Wait) -> Result<Answer, PublishError> {
        let started = tokio::time::Instant::now();
        let mut waiting = self.replies.expect(envelope.execution_id).map_err(|_| self.publisher.no_connection())?;
        envelope.reply_to = Some(waiting.reply_to().to_owned());
        let queue = self.topology.queue_of(&envelope, delivery, true);
        let mut expires_in = None;
        if wait.on_timeout == OnTimeout::Error {
            envelope.deadline = Some(envelope.received_at / 1000 + i64::try_from(wait.longest.as_millis()).unwrap_or(i64::MAX));
            // A trigger's own queue keeps its order and is never expired by the broker; its worker records what is too late.
            expires_in = matches!(queue, Queue::Call(_)).then_some(wait.longest);
        }
        let message = encode_envelope(&envelope, expires_in);
        self.publish(order_of(&envelope, delivery), queue, message).await?;
        let recorded = self.recorded(envelope.integration_id, envelope.execution_id, waiting.lost());
        tokio::select! {
            reply = waiting.reply() => Ok(Answer::Ended(reply.ending)),
            ending = recorded => Ok(Answer::Ended(ending)),
            () = tokio::time::sleep_until(started + wait.longest) => Ok(Answer::TimedOut),
        }
    }

    /// The outcome out of the store, asked for once the reply can no longer arrive.
    async fn recorded(&self, integration: Uuid, id: ExecutionId, lost: impl Future<Output = ()>) -> Ending {
        lost.await;
        self.store.ending(integration, &id).await
    }

    async fn publish(&self, order: Option<u64>, queue: Queue, message: Message) -> Result<(), PublishError> {
        let started = std::time::Instant::now();
        let result = self.publisher.publish(order, Destination::Queue(queue), message).await;
        crate::measure::publish(&result, started.elapsed());
        result
    }
}
