//! From an envelope to a confirmed message, and from a reply to an outcome. Handlers use the broker only through this module.

use crate::backlog::LongQueues;
use forebay_broker::{Broker, PublishError, Publisher, Replies};
use forebay_contract::ExecutionId;
use forebay_contract::definition::{DispatchPolicy, OnTimeout};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Ending;
use forebay_store::{SnapshotHandle, Store, TenantQueueOpener};
use futures_util::future::LocalBoxFuture;
use std::time::Duration;
use uuid::Uuid;

/// Publishes calls to the workers, and returns their outcomes.
pub(crate) trait Dispatch {
    /// Publishes a call whose caller does not wait. `Ok`: the broker has confirmed it.
    async fn publish(&self, envelope: &Envelope, policy: &DispatchPolicy) -> Result<(), NotAccepted>;

    /// Publishes a call whose caller waits. `Ok`: the broker has confirmed it.
    async fn publish_awaited(&self, envelope: Envelope, policy: &DispatchPolicy, wait: Wait) -> Result<Pending<'_>, NotAccepted>;
}

/// The outcome of a published call, or its timeout.
pub(crate) type Pending<'d> = LocalBoxFuture<'d, Answer>;

/// The timeout of a waiting caller, and the action after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) max: Duration,
    pub(crate) on_timeout: OnTimeout,
}

/// The result of waiting for an execution.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The execution ended in time.
    Ended(Ending),
    /// The execution did not end in time.
    TimedOut,
}

/// The reason for which a call was not accepted.
#[derive(Debug)]
pub(crate) struct NotAccepted {
    /// A clause for the caller.
    pub(crate) reason: String,
    /// True if the message may be delivered all the same.
    pub(crate) may_be_delivered: bool,
    /// Maximum bytes of a body that the broker accepts, if this body is larger.
    pub(crate) max_bytes: Option<usize>,
    /// The time after which the caller may call again.
    pub(crate) retry_after: Duration,
}

impl From<PublishError> for NotAccepted {
    fn from(error: PublishError) -> Self {
        let max_bytes = if let PublishError::TooLarge { limit, .. } = error { Some(limit) } else { None };
        Self { reason: error.to_string(), may_be_delivered: error.may_be_delivered(), max_bytes, retry_after: error.retry_after() }
    }
}

/// Dispatches calls over RabbitMQ.
#[derive(Clone)]
pub(crate) struct BrokerDispatch {
    pub(crate) publisher: Publisher,
    pub(crate) replies: Replies,
    pub(crate) broker: Broker,
    pub(crate) store: Store,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) long_queues: LongQueues,
    pub(crate) opener: TenantQueueOpener,
}

impl Dispatch for BrokerDispatch {
    async fn publish(&self, envelope: &Envelope, policy: &DispatchPolicy) -> Result<(), NotAccepted> {
        Ok(self.confirmed(envelope, policy).await?)
    }

    async fn publish_awaited(&self, mut envelope: Envelope, policy: &DispatchPolicy, wait: Wait) -> Result<Pending<'_>, NotAccepted> {
        let end = tokio::time::Instant::now() + wait.max;
        let mut waiting = self.replies.expect(envelope.execution_id).map_err(|_| self.publisher.no_connection())?;
        envelope.reply_to = Some(waiting.reply_to().to_owned());
        if wait.on_timeout == OnTimeout::Error {
            envelope.deadline = Some(envelope.received_at.to_millis() + wait.max);
        }
        self.confirmed(&envelope, policy).await?;
        Ok(Box::pin(async move {
            let recorded = self.recorded(envelope.integration_id, envelope.execution_id, waiting.lost());
            tokio::select! {
                reply = waiting.reply() => Answer::Ended(reply.ending),
                ending = recorded => Answer::Ended(ending),
                () = tokio::time::sleep_until(end) => Answer::TimedOut,
            }
        }))
    }
}

impl BrokerDispatch {
    /// Reads the outcome from the store once the reply can no longer arrive.
    async fn recorded(&self, integration: Uuid, id: ExecutionId, lost: impl Future<Output = ()>) -> Ending {
        lost.await;
        self.store.ending(integration, &id).await
    }

    async fn confirmed(&self, envelope: &Envelope, policy: &DispatchPolicy) -> Result<(), PublishError> {
        let started = std::time::Instant::now();
        let (tenant, snapshot, topology) = (&envelope.tenant, self.snapshot.current(), self.broker.topology());
        let first = topology.policy_of(envelope, policy, snapshot.tenant_queue(tenant.as_str()));
        let mut result = self.publisher.publish(envelope, first).await;
        let is_full = result == Err(PublishError::QueueFull);
        if (is_full || self.long_queues.contains(first.queue))
            && topology.shared_queues().any(|shared| shared == first.queue)
            && !topology.is_alone(tenant.as_str(), snapshot.tenants())
        {
            if !is_full {
                self.opener.ask(tenant);
            } else if let Some(own) = self.opener.open(tenant).await {
                result = self.publisher.publish(envelope, topology.policy_of(envelope, policy, Some(own))).await;
            }
        }
        crate::measure::publish(&result, started.elapsed());
        result
    }
}
