//! A pair of connections until it is lost: one publishes messages, and one declares queues and reads their depths.

use crate::broker::Broker;
use crate::codec::Message;
use crate::connection::{CONNECT_TIMEOUT, Node};
use crate::error::{BrokerError, PublishError, chain};
use crate::lock::locked;
use crate::publish_connection::{Confirm, PublishConnection};
use crate::topology::{Declared, Destination, Queue};
use lapin::Connection;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Time after our declaration in which a queue may not have started. RabbitMQ reports a queue as declared as soon as its declaration has
/// begun, and refuses messages until it has started (3.10.8: `rabbit_fifo_client` finds no server to register at).
const STARTING: Duration = Duration::from_secs(3);
/// Time for which the length of a queue is reused, so that not every call to a full queue requests it.
const FULLNESS_TTL: Duration = Duration::from_millis(500);
const FULLNESS_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time between two refusals of the same trouble.
const TROUBLE_GAP: Duration = Duration::from_secs(30);
/// Time of refusals after which the connections are opened again.
const TROUBLE_BEFORE_RENEWAL: Duration = Duration::from_secs(10);

pub(super) struct Session {
    pub(super) publishing: PublishConnection,
    /// Declares queues.
    pub(super) connection: Connection,
    broker: Broker,
    opened: Instant,
    /// Queues that were declared over this connection.
    declared: Mutex<HashMap<Queue, Declaration>>,
    /// The last answers about queues that refused messages.
    fullness: Mutex<HashMap<Queue, Arc<CachedFullness>>>,
    /// Queues that refuse messages though they are not full.
    troubles: Mutex<HashMap<Queue, Trouble>>,
    /// Notified when the connections should be opened again.
    pub(super) renewal: Notify,
    /// Cancelled when a connection fails; the supervisor then opens new ones.
    pub(super) lost: CancellationToken,
}

/// The time and result of the last request. Locked during a request, so that one request serves all who wait.
type CachedFullness = tokio::sync::Mutex<Option<(Instant, Fullness)>>;

#[derive(Clone, Copy)]
struct Declaration {
    at: Instant,
    declared: Declared,
}

/// The first and the last refusal of a queue.
struct Trouble {
    first: Instant,
    last: Instant,
}

/// The relation of a queue that refused a message to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fullness {
    Full,
    NotFull,
    /// It may be full: the broker gives the number of its messages, not their bytes; or it was declared with other limits.
    Unclear,
}

impl Session {
    /// `name` is the publishing connection's; `connection` declares queues.
    pub(super) async fn open(
        broker: &Broker,
        name: &str,
        channels: NonZeroU8,
        connection: Connection,
        node: Node,
    ) -> Result<Self, BrokerError> {
        broker.check(&connection).await?;
        let lost = CancellationToken::new();
        let Node { uri, shown: address } = node;
        let opening = PublishConnection::open(uri, name, channels, lost.clone());
        let publishing = match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(opened) => opened.map_err(|source| BrokerError::Publishing { address, source: Box::new(source) })?,
            Err(_) => return Err(BrokerError::Timeout { address, after: CONNECT_TIMEOUT }),
        };
        let session = Self {
            publishing,
            connection,
            broker: broker.clone(),
            opened: Instant::now(),
            declared: Mutex::default(),
            fullness: Mutex::default(),
            troubles: Mutex::default(),
            renewal: Notify::new(),
            lost,
        };
        // The shared queues and their dead-letter queue are declared before the first call.
        for queue in [Queue::Dead].into_iter().chain(session.broker.topology().shared_queues()) {
            session.ensure_declared(queue).await.map_err(|source| BrokerError::Lost { doing: "declaring queues", source })?;
        }
        Ok(session)
    }

    async fn ensure_declared(&self, queue: Queue) -> Result<(), lapin::Error> {
        if locked(&self.declared).contains_key(&queue) {
            return Ok(());
        }
        let declared = self.broker.topology().declare(&self.connection, queue).await?;
        locked(&self.declared).insert(queue, Declaration { at: Instant::now(), declared });
        Ok(())
    }

    /// Declares the queue unless this connection has done so.
    pub(super) async fn declare(&self, queue: Queue) -> Result<(), PublishError> {
        self.ensure_declared(queue).await.map_err(|error| {
            tracing::warn!(messaging.destination.name = self.broker.topology().name(queue), error = %chain(&error), "a queue could not be declared");
            PublishError::Unavailable
        })
    }

    /// Notes that the queue is gone: the next message declares it.
    pub(super) fn forget(&self, queue: Queue) {
        locked(&self.declared).remove(&queue);
    }

    /// Returns whether the queue may refuse messages because it has not started.
    pub(super) fn may_be_starting(&self, queue: Queue) -> bool {
        locked(&self.declared).get(&queue).is_some_and(|declaration| declaration.at.elapsed() < STARTING)
    }

    /// Gives the message to the connection. The returned confirm resolves with the broker's answer.
    pub(super) async fn hand_over(
        &self,
        order: Option<u64>,
        destination: &Destination,
        message: &Message,
    ) -> Result<Confirm, PublishError> {
        if let Destination::Queue(queue) = destination {
            self.declare(*queue).await?;
        }
        self.publishing.send(order, &self.name_of(destination), message).await
    }

    pub(super) fn post(&self, destination: &Destination, message: &Message) {
        if !self.publishing.post(&self.name_of(destination), message) {
            tracing::warn!(messaging.message.id = message.id(), "a reply was not sent: the broker does not take those before it");
        }
    }

    fn name_of(&self, destination: &Destination) -> String {
        match destination {
            Destination::Queue(queue) => self.broker.topology().name(*queue),
            Destination::Named(name) => name.clone(),
        }
    }

    /// Finds out if a queue that refused a message is at its limit.
    pub(super) async fn fullness(&self, queue: Queue) -> Fullness {
        let cell = locked(&self.fullness).entry(queue).or_default().clone();
        let mut cached = cell.lock().await;
        if let Some((at, fullness)) = *cached
            && at.elapsed() < FULLNESS_TTL
        {
            return fullness;
        }
        let fullness = match tokio::time::timeout(FULLNESS_TIMEOUT, self.broker.topology().ready(&self.connection, queue)).await {
            Ok(Ok(messages)) => self.judge(queue, messages),
            // The length of a queue without a leader may not be known either.
            Ok(Err(_)) | Err(_) => Fullness::NotFull,
        };
        *cached = Some((Instant::now(), fullness));
        fullness
    }

    fn judge(&self, queue: Queue, messages: u64) -> Fullness {
        match locked(&self.declared).get(&queue).map(|declaration| declaration.declared) {
            Some(Declared::OtherArguments) => Fullness::Unclear,
            Some(Declared::AsWanted) | None => {
                Fullness::of(messages, self.publishing.largest_body() as u64, self.broker.topology().limits())
            }
        }
    }

    /// Notes that a queue refuses messages though it is not full. If that lasts, other connections may know its leader.
    pub(super) fn note_trouble(&self, queue: Queue) {
        let now = Instant::now();
        let mut troubles = locked(&self.troubles);
        let trouble = troubles.entry(queue).or_insert(Trouble { first: now, last: now });
        if trouble.last.elapsed() > TROUBLE_GAP {
            trouble.first = now;
        }
        trouble.last = now;
        if trouble.first.elapsed() >= TROUBLE_BEFORE_RENEWAL && self.opened.elapsed() >= TROUBLE_BEFORE_RENEWAL {
            self.renewal.notify_one();
        }
    }

    pub(super) fn end_trouble(&self, queue: Queue) {
        locked(&self.troubles).remove(&queue);
    }
}

impl Fullness {
    /// RabbitMQ refuses messages from a queue's limit on until 80 % of it are left (`rabbit_fifo`, `LOW_LIMIT`).
    fn of(messages: u64, largest_body: u64, limits: crate::topology::Limits) -> Self {
        let low = |limit: u64| limit.saturating_mul(8) / 10;
        match () {
            () if messages > 0 && messages >= low(limits.max_length) => Self::Full,
            () if messages.saturating_mul(largest_body) >= low(limits.max_bytes) => Self::Unclear,
            () => Self::NotFull,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fullness::{Full, NotFull, Unclear};
    use super::*;
    use crate::topology::Limits;

    #[test]
    fn a_queue_is_full_near_its_length_and_may_be_full_by_bytes_only_where_they_may_be_so_many() {
        let limits = Limits { max_length: 1000, max_bytes: 1 << 30 };
        let cases = [(0, NotFull), (1, NotFull), (799, NotFull), (800, Full), (1000, Full), (5000, Full)];
        for (messages, expected) in cases {
            assert_eq!(Fullness::of(messages, 32 * 1024, limits), expected, "{messages}");
        }
        for (messages, expected) in [(100, NotFull), (102, NotFull), (103, Unclear), (799, Unclear), (800, Full)] {
            assert_eq!(Fullness::of(messages, 8 << 20, limits), expected, "{messages}");
        }
        assert_eq!(Fullness::of(3, 1, Limits { max_length: 3, ..limits }), Full);
        assert_eq!(Fullness::of(0, 1, Limits { max_length: 1, ..limits }), NotFull, "an empty queue is not full");
    }
}
