//! From an envelope to a confirmed message, and from a reply to an outcome. Handlers see no broker beyond this.

use crate::backlog::LongQueues;
use forebay_broker::{Destination, MessageKey, PublishError, Publisher, Queue, Replies, Topology, encode_envelope, order_of};
use forebay_contract::ExecutionId;
use forebay_contract::definition::{Delivery, OnTimeout};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Ending;
use forebay_store::{SnapshotHandle, Store, TenantQueueOpener};
use std::time::Duration;
use uuid::Uuid;

/// Hands calls to the workers.
#[derive(Clone)]
pub(crate) struct Dispatch {
    pub(crate) publisher: Publisher,
    pub(crate) replies: Replies,
    pub(crate) topology: Topology,
    pub(crate) store: Store,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) long_queues: LongQueues,
    pub(crate) opener: TenantQueueOpener,
    pub(crate) key: MessageKey,
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
        self.publish(envelope, delivery).await
    }

    /// Publishes a call and waits for its outcome.
    pub(crate) async fn call(&self, mut envelope: Envelope, delivery: &Delivery, wait: Wait) -> Result<Answer, PublishError> {
        let started = tokio::time::Instant::now();
        let mut waiting = self.replies.expect(envelope.execution_id).map_err(|_| self.publisher.no_connection())?;
        envelope.reply_to = Some(waiting.reply_to().to_owned());
        if wait.on_timeout == OnTimeout::Error {
            envelope.deadline = Some(envelope.received_at / 1000 + i64::try_from(wait.longest.as_millis()).unwrap_or(i64::MAX));
        }
        self.publish(&envelope, delivery).await?;
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

    async fn publish(&self, envelope: &Envelope, delivery: &Delivery) -> Result<(), PublishError> {
        let started = std::time::Instant::now();
        let (tenant, snapshot) = (&envelope.tenant, self.snapshot.current());
        let queue = self.topology.queue_of(envelope, delivery, snapshot.tenant_queue(tenant.as_str()));
        let mut result = self.publish_on(queue, envelope, delivery).await;
        let is_full = result == Err(PublishError::QueueFull);
        if (is_full || self.long_queues.contains(queue))
            && self.topology.lanes().any(|shared| shared == queue)
            && !self.topology.is_alone(tenant.as_str(), snapshot.tenants())
        {
            if !is_full {
                self.opener.ask(tenant);
            } else if let Some(own) = self.opener.open(tenant).await {
                result = self.publish_on(self.topology.queue_of(envelope, delivery, Some(own)), envelope, delivery).await;
            }
        }
        crate::measure::publish(&result, started.elapsed());
        result
    }

    async fn publish_on(&self, queue: Queue, envelope: &Envelope, delivery: &Delivery) -> Result<(), PublishError> {
        let message = encode_envelope(envelope, queue.expiry_of(envelope), &self.key);
        self.publisher.publish(order_of(envelope, delivery), Destination::Queue(queue), message).await
    }
}
