//! The queues: their names, their arguments, and the queue of each call.
//!
//! Arguments are the same on every version of RabbitMQ from 3.10 to 4.x.

use forebay_contract::SharedQueueNumber;
use forebay_contract::definition::DispatchPolicy;
use forebay_contract::envelope::Envelope;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection};
use std::num::NonZeroU16;
use std::time::Duration;
use uuid::Uuid;

/// A queue that Forebay declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Shared queue of calls without a waiting caller.
    Work(SharedQueueNumber),
    /// Shared queue of calls whose callers wait.
    Call(SharedQueueNumber),
    /// A trigger's own queue, with a single active consumer.
    Trigger(Uuid),
    /// Calls of a paused integration that were in shared queues.
    Paused {
        /// The integration.
        integration: Uuid,
        /// True if the callers wait.
        is_awaited: bool,
    },
    /// Messages that expired in a shared queue or were redelivered too often.
    Dead,
    /// Outcomes that could not be stored while the database was away.
    Outcomes,
    /// Messages that are no envelope of a version that is understood.
    Unreadable,
    /// Deferred executions: messages return to their shared queue of work after this many milliseconds.
    Delayed {
        /// The shared queue of work to which messages return.
        shared_queue: SharedQueueNumber,
        /// Milliseconds.
        delay: u32,
    },
}

impl Queue {
    /// Returns the time after which the broker drops a message from the queue: calls need not begin after their deadline. A trigger's own
    /// queue keeps its order, so its worker records the calls that are too late.
    pub(crate) fn expiry_of(self, envelope: &Envelope) -> Option<Duration> {
        match self {
            Self::Call(_) | Self::Paused { is_awaited: true, .. } => envelope.time_to_begin(),
            Self::Work(_)
            | Self::Paused { is_awaited: false, .. }
            | Self::Trigger(_)
            | Self::Dead
            | Self::Outcomes
            | Self::Unreadable
            | Self::Delayed { .. } => None,
        }
    }
}

/// The way of an envelope to its workers. Everything else is the same for each: it is persistent and mandatory, is confirmed, is signed,
/// and expires at its deadline in a queue of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishPolicy {
    /// The queue.
    pub queue: Queue,
    /// Key of the publishing order; `None`: it needs no order.
    pub order: Option<u64>,
}

impl PublishPolicy {
    /// Returns the policy of a message to this queue that needs no order.
    #[must_use]
    pub fn on(queue: Queue) -> Self {
        Self { queue, order: None }
    }

    /// Returns the same policy with the order of the envelope's trigger.
    #[must_use]
    pub fn in_order(self, envelope: &Envelope) -> Self {
        Self { order: Some(stable_hash(envelope.integration_id.as_bytes())), ..self }
    }
}

/// The destination of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A queue of the topology: declared first when this connection has not done so.
    Queue(Queue),
    /// A queue that another process declares, such as a caller's reply queue.
    Named(String),
}

/// Upper bounds of every queue; the broker refuses what would exceed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Messages.
    pub(crate) max_length: u64,
    /// Bytes of message bodies.
    pub(crate) max_bytes: u64,
}

/// The result of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    /// With the arguments that it should have.
    AsWanted,
    /// With others, such as earlier limits.
    OtherArguments,
}

/// The names and arguments of one installation's queues.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
    shared_queue_count: NonZeroU16,
    limits: Limits,
}

/// Seconds of the delayed queues of each shared queue of work: each is a queue of its own at the broker.
pub const RETRY_DELAYS: [u32; 11] = [1, 2, 5, 10, 30, 60, 120, 300, 3600, 21_600, 86_400];

/// Past this many redeliveries a quorum queue drops or dead-letters a message. An exclusive queue must do neither,
/// and `-1` drops at the first nack on RabbitMQ 3.x, so the count is set out of reach.
const NEVER: i64 = 1_000_000_000;
const SHARED_QUEUE_DELIVERY_LIMIT: i64 = 20;

impl Topology {
    /// `prefix` keeps several stacks on one broker apart; `shared_queue_count` is the number of shared queues of each kind.
    pub(crate) fn new(prefix: &str, shared_queue_count: NonZeroU16, limits: Limits) -> Self {
        Self { prefix: prefix.to_owned(), shared_queue_count, limits }
    }

    /// Returns the text before the name of every queue.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the number of shared queues of each kind.
    #[must_use]
    pub fn shared_queue_count(&self) -> NonZeroU16 {
        self.shared_queue_count
    }

    /// The limits of every queue that is declared as it should be.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the queue's name at the broker.
    #[must_use]
    pub fn name(&self, queue: Queue) -> String {
        let prefix = &self.prefix;
        match queue {
            Queue::Work(number) => format!("{prefix}work.{number}"),
            Queue::Call(number) => format!("{prefix}call.{number}"),
            Queue::Trigger(id) => format!("{prefix}trigger.{id}"),
            Queue::Paused { integration, is_awaited: false } => format!("{prefix}paused.work.{integration}"),
            Queue::Paused { integration, is_awaited: true } => format!("{prefix}paused.call.{integration}"),
            Queue::Dead => format!("{prefix}dead"),
            Queue::Outcomes => format!("{prefix}outcomes"),
            Queue::Unreadable => format!("{prefix}unreadable"),
            Queue::Delayed { shared_queue, delay } => format!("{prefix}retry.{delay}.{shared_queue}"),
        }
    }

    /// A new name for a reply queue of this process.
    pub(crate) fn reply_name(&self, instance: &str) -> String {
        format!("{}reply.{instance}.{}", self.prefix, Uuid::new_v4())
    }

    /// Returns the shared queue of a tenant: always the same one, so that a tenant's flood fills one queue and not all.
    #[must_use]
    pub fn shared_queue_of(&self, tenant: &str) -> SharedQueueNumber {
        SharedQueueNumber::new((stable_hash(tenant.as_bytes()) % u64::from(self.shared_queue_count.get())) as u16)
    }

    /// Returns whether no other of these tenants shares the tenant's queue.
    #[must_use]
    pub fn is_alone<'a>(&self, tenant: &str, mut tenants: impl Iterator<Item = &'a str>) -> bool {
        let shared_queue = self.shared_queue_of(tenant);
        tenants.all(|other| other == tenant || self.shared_queue_of(other) != shared_queue)
    }

    /// Returns the policy of a call: the trigger's own queue if its dispatch policy needs one, else the tenant's shared queue; and an order
    /// for the calls of one ordered trigger. `tenant_queue`: the shared queue that belongs to the tenant alone, if it has one.
    #[must_use]
    pub fn policy_of(&self, envelope: &Envelope, dispatch: &DispatchPolicy, tenant_queue: Option<SharedQueueNumber>) -> PublishPolicy {
        let policy = PublishPolicy::on(self.queue_of(envelope, dispatch, tenant_queue));
        if dispatch.is_ordered() { policy.in_order(envelope) } else { policy }
    }

    fn queue_of(&self, envelope: &Envelope, policy: &DispatchPolicy, tenant_queue: Option<SharedQueueNumber>) -> Queue {
        let number = tenant_queue.unwrap_or_else(|| self.shared_queue_of(envelope.tenant.as_str()));
        match (policy.is_exclusive(), envelope.reply_to.is_some()) {
            (true, _) => Queue::Trigger(envelope.integration_id),
            (false, true) => Queue::Call(number),
            (false, false) => Queue::Work(number),
        }
    }

    /// Returns the numbers of the shared queues that tenants share: each is the number of a queue of calls and of a queue of work.
    pub fn shared_queue_numbers(&self) -> impl Iterator<Item = SharedQueueNumber> + Clone + use<> {
        SharedQueueNumber::range(0, self.shared_queue_count.get())
    }

    /// Returns every queue that tenants share, calls first.
    pub fn shared_queues(&self) -> impl Iterator<Item = Queue> + use<> {
        let numbers = self.shared_queue_numbers();
        numbers.clone().map(Queue::Call).chain(numbers.map(Queue::Work))
    }

    fn arguments(&self, queue: Queue) -> FieldTable {
        let mut arguments = FieldTable::default();
        let mut set = |name: &str, value: AMQPValue| _ = arguments.insert(name.into(), value);
        set("x-queue-type", text("quorum"));
        set("x-overflow", text("reject-publish"));
        set("x-queue-leader-locator", text("balanced"));
        set("x-max-length", AMQPValue::LongLongInt(clamp(self.limits.max_length)));
        set("x-max-length-bytes", AMQPValue::LongLongInt(clamp(self.limits.max_bytes)));
        match queue {
            Queue::Work(_) | Queue::Call(_) | Queue::Paused { .. } => {
                set("x-delivery-limit", AMQPValue::LongLongInt(SHARED_QUEUE_DELIVERY_LIMIT));
                set("x-dead-letter-exchange", text(""));
                set("x-dead-letter-routing-key", text(&self.name(Queue::Dead)));
                set("x-dead-letter-strategy", text("at-least-once"));
            }
            Queue::Trigger(_) => {
                set("x-single-active-consumer", AMQPValue::Boolean(true));
                set("x-delivery-limit", AMQPValue::LongLongInt(NEVER));
            }
            Queue::Dead | Queue::Outcomes | Queue::Unreadable => {
                set("x-delivery-limit", AMQPValue::LongLongInt(NEVER));
            }
            Queue::Delayed { shared_queue, delay } => {
                set("x-message-ttl", AMQPValue::LongLongInt(i64::from(delay)));
                set("x-delivery-limit", AMQPValue::LongLongInt(NEVER));
                set("x-dead-letter-exchange", text(""));
                set("x-dead-letter-routing-key", text(&self.name(Queue::Work(shared_queue))));
                set("x-dead-letter-strategy", text("at-least-once"));
            }
        }
        arguments
    }

    /// Declares the queue on a channel of its own, since a refused declaration closes its channel.
    ///
    /// A queue that exists with other arguments (limits that were changed since) is used as it is, with a line in the log.
    pub(crate) async fn declare(&self, connection: &Connection, queue: Queue) -> Result<Declared, lapin::Error> {
        let name = self.name(queue);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let channel = connection.create_channel().await?;
        let declared = channel.queue_declare(name.as_str().into(), durable, self.arguments(queue)).await;
        match declared {
            Ok(_) => {
                close(&channel).await;
                Ok(Declared::AsWanted)
            }
            Err(error) if is_precondition_failed(&error) => {
                let channel = connection.create_channel().await?;
                self.found(&channel, queue).await?;
                tracing::warn!(queue.name = %name, %error, "the queue exists with other arguments and is used as it is; delete it when it is empty to apply new limits");
                close(&channel).await;
                Ok(Declared::OtherArguments)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the number of messages in the queue that no consumer has in hand: those count for its limit.
    pub(crate) async fn ready(&self, connection: &Connection, queue: Queue) -> Result<u64, lapin::Error> {
        let channel = connection.create_channel().await?;
        let found = self.found(&channel, queue).await?;
        close(&channel).await;
        Ok(u64::from(found.message_count()))
    }

    /// Returns the queue as it is at the broker. The broker closes the channel if the queue does not exist.
    pub(crate) async fn found(&self, channel: &Channel, queue: Queue) -> Result<lapin::Queue, lapin::Error> {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(short(&self.name(queue)), passive, FieldTable::default()).await
    }
}

/// Closes a channel; its unacknowledged messages return. If that fails, the connection is gone, and its next use fails.
pub(crate) async fn close(channel: &Channel) {
    let _ = channel.close(200, "done".into()).await;
}

fn is_precondition_failed(error: &lapin::Error) -> bool {
    const PRECONDITION_FAILED: u16 = 406;
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(error) if error.get_id() == PRECONDITION_FAILED)
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn short(name: &str) -> ShortString {
    name.into()
}

/// Returns milliseconds for the `expiration` property: at least 1, since 0 expires a message for which no consumer waits.
pub(crate) fn expiration(remaining: Duration) -> ShortString {
    remaining.as_millis().max(1).to_string().into()
}

/// Returns the FNV-1a hash: the same in every process, version and machine, unlike the standard library's hashers.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology::new("acme.", NonZeroU16::new(4).unwrap(), Limits { max_length: 10, max_bytes: 1000 })
    }

    #[test]
    fn names_carry_the_prefix() {
        let topology = topology();
        assert_eq!(topology.name(Queue::Work(SharedQueueNumber::new(3))), "acme.work.3");
        assert_eq!(topology.name(Queue::Call(SharedQueueNumber::new(0))), "acme.call.0");
        assert_eq!(topology.name(Queue::Trigger(Uuid::nil())), "acme.trigger.00000000-0000-0000-0000-000000000000");
        assert_eq!(topology.name(Queue::Dead), "acme.dead");
    }

    #[test]
    fn a_tenants_shared_queue_is_fixed_and_tenants_spread_over_all_shared_queues() {
        let topology = topology();
        assert_eq!(topology.shared_queue_of("t37ed"), topology.shared_queue_of("t37ed"));
        let used: std::collections::HashSet<SharedQueueNumber> =
            (0..100).map(|n| topology.shared_queue_of(&format!("tenant-{n}"))).collect();
        assert_eq!(used.len(), 4);
    }

    #[test]
    fn an_exclusive_queue_never_drops_and_has_one_active_consumer() {
        let arguments = topology().arguments(Queue::Trigger(Uuid::nil()));
        let get = |name: &str| arguments.inner().get(name).cloned();
        assert_eq!(get("x-single-active-consumer"), Some(AMQPValue::Boolean(true)));
        assert_eq!(get("x-delivery-limit"), Some(AMQPValue::LongLongInt(1_000_000_000)));
        assert_eq!(get("x-overflow"), Some(text("reject-publish")));
        assert_eq!(get("x-dead-letter-exchange"), None);
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // Test vectors of the FNV authors: http://www.isthe.com/chongo/src/fnv/test_fnv.c
        assert_eq!(stable_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
