//! Confirmed, mandatory publishing over several channels of one connection.
//!
//! Messages with the same `order` (those of one ordered trigger) take the same channel and keep their order. The connection task resolves
//! the confirm of each message, so a caller may go away at any time.
//!
//! ```text
//! publish(): queue declared -> place in flight -> publish connection -> result -> publish()
//! ```
//!
//! A message that the connection task has not taken was not sent. So callers learn whether a message was not accepted or may be delivered.
//!
//! A queue that refuses a message is full, or has no leader that this channel knows. So the publisher requests the number of its messages.
//! If the queue is not full, it tries the message on another channel, and after a while on another connection.

mod session;
mod supervise;

use crate::broker::Broker;
use crate::codec::{Message, Reply, encode_envelope, encode_record, encode_reply};
use crate::consumer::Delivery;
use crate::error::PublishError;
use crate::signature::MessageKey;
use crate::topology::{Destination, PublishPolicy, Queue, stable_hash};
use forebay_contract::envelope::Envelope;
use forebay_contract::{ExecutionId, SharedQueueNumber};
use session::{Fullness, Session};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use supervise::Supervisor;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Maximum wait for a connection of a message that needs no confirm.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time of the attempts with a queue that refuses a message though it is not full: another leader is elected within seconds.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);
const FIRST_REFUSAL_DELAY: Duration = Duration::from_millis(50);
const MAX_REFUSAL_DELAY: Duration = Duration::from_millis(400);

/// State of the connections by which messages are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublisherState {
    /// Connected.
    Ready,
    /// Connected, but the broker accepts no messages.
    Blocked,
    /// No connection.
    Away,
    /// The broker that is there is not known to be the installation's.
    NotOfInstallation,
}

/// A handle to the publishing connection, which ends when the shutdown token of [`Broker::publisher`] is cancelled.
#[derive(Clone)]
pub struct Publisher {
    session: watch::Receiver<Option<Arc<Session>>>,
    /// True when the last connection led to another broker than the installation's.
    is_foreign: Arc<AtomicBool>,
    broker: Broker,
    key: MessageKey,
}

impl Broker {
    /// Starts to connect in the background, again after each loss, until `shutdown`. `purpose` names the connection for RabbitMQ's own
    /// tools; each of `channels` keeps an order of its own.
    #[must_use]
    pub fn publisher(&self, purpose: &str, channels: NonZeroU8, key: MessageKey, shutdown: CancellationToken) -> Publisher {
        let (session_sender, session) = watch::channel(None);
        let is_foreign = Arc::new(AtomicBool::new(false));
        let supervisor = Supervisor {
            broker: self.clone(),
            name: self.connection_name(purpose),
            channels,
            sessions: session_sender,
            is_foreign: is_foreign.clone(),
            shutdown,
        };
        tokio::spawn(supervisor.run());
        Publisher { session, is_foreign, broker: self.clone(), key }
    }
}

impl Publisher {
    /// Returns the queue's name at the broker.
    #[must_use]
    pub fn name_of(&self, queue: Queue) -> String {
        self.broker.topology().name(queue)
    }

    /// Returns whether messages can be published right now.
    #[must_use]
    pub fn state(&self) -> PublisherState {
        match &*self.session.borrow() {
            None if self.is_refused() => PublisherState::NotOfInstallation,
            None => PublisherState::Away,
            Some(session) if session.publishing.is_blocked() => PublisherState::Blocked,
            Some(_) => PublisherState::Ready,
        }
    }

    fn is_refused(&self) -> bool {
        self.is_foreign.load(Ordering::Relaxed) || self.broker.installation().refusal().is_some()
    }

    /// Returns the error for a publish without a connection.
    #[must_use]
    pub fn no_connection(&self) -> PublishError {
        if self.is_refused() { PublishError::NotOfInstallation } else { PublishError::Unavailable }
    }

    /// Waits until there is a connection.
    pub async fn ready(&self) {
        // The sender lives as long as the supervisor; it ends at shutdown, of which the caller has its own signal.
        let _ = self.session.clone().wait_for(Option::is_some).await;
    }

    /// Declares both shared queues of a number, so that they can be consumed. `false`: there is no connection, or the broker refuses.
    pub async fn declare_shared(self, number: SharedQueueNumber) -> bool {
        self.declare([Queue::Call(number), Queue::Work(number)]).await
    }

    /// Declares both queues for calls of an integration while it is paused. `false`: there is no connection, or the broker refuses.
    pub async fn declare_paused(self, integration: Uuid) -> bool {
        self.declare([true, false].map(|is_awaited| Queue::Paused { integration, is_awaited })).await
    }

    async fn declare(&self, queues: [Queue; 2]) -> bool {
        let Some(session) = self.session.borrow().clone() else { return false };
        for queue in queues {
            if session.declare(queue).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Publishes a call and waits for the broker's confirm. Dropping the future before the message is sent takes it back.
    ///
    /// # Errors
    /// [`PublishError`]; only `Unconfirmed` leaves open whether the message is delivered.
    pub async fn publish(&self, envelope: &Envelope, policy: PublishPolicy) -> Result<(), PublishError> {
        let PublishPolicy { queue, order } = policy;
        let message = encode_envelope(envelope, queue.expiry_of(envelope), &self.key);
        self.send(order, Destination::Queue(queue), message).await
    }

    /// Publishes an outcome to the `outcomes` queue, on its way to the store.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_record(&self, id: &ExecutionId, body: Vec<u8>) -> Result<(), PublishError> {
        let order = stable_hash(id.unique().as_bytes());
        self.send(Some(order), Destination::Queue(Queue::Outcomes), encode_record(id, body, &self.key)).await
    }

    /// Moves an outcome that the store refuses to the `unreadable` queue, as if it came from `outcomes`.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_unreadable_record(&self, id: &ExecutionId, body: Vec<u8>, reason: &str) -> Result<(), PublishError> {
        let unreadable = encode_record(id, body, &self.key).as_unreadable(&self.name_of(Queue::Outcomes), reason);
        self.send(None, Destination::Queue(Queue::Unreadable), unreadable).await
    }

    /// Publishes a delivery that cannot be read to the `unreadable` queue. The caller acknowledges it there after.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_unreadable(&self, delivery: &Delivery, reason: &str) -> Result<(), PublishError> {
        self.send(None, Destination::Queue(Queue::Unreadable), delivery.as_unreadable(reason)).await
    }

    /// Sends a reply to the queue on which its caller waits, without waiting for a confirm.
    pub fn reply(&self, reply_to: &str, reply: &Reply) {
        self.post(Destination::Named(reply_to.to_owned()), encode_reply(reply));
    }

    /// Publishes a message as it is and waits for the broker's confirm. Messages of the same `order` keep their order.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn send(&self, order: Option<u64>, destination: Destination, message: Message) -> Result<(), PublishError> {
        let mut result = self.publish_once(order, &destination, &message).await;
        let Destination::Queue(queue) = destination else { return result };
        if result == Err(PublishError::Unroutable) {
            // The queue was deleted under us: it is declared again.
            result = self.publish_once(order, &destination, &message).await;
        }
        if result == Err(PublishError::NotAccepting) { self.after_refusal(order, queue, &message).await } else { result }
    }

    /// Finds the reason for which the queue has refused the message, and tries again if that may help.
    async fn after_refusal(&self, order: Option<u64>, queue: Queue, message: &Message) -> Result<(), PublishError> {
        let deadline = Instant::now() + REFUSAL_TIMEOUT.min(self.broker.confirm_timeout());
        let mut pause = FIRST_REFUSAL_DELAY;
        let mut is_tried_elsewhere = false;
        loop {
            let Some(session) = self.session.borrow().clone() else { return Err(self.no_connection()) };
            let (fullness, is_over) = (session.fullness(queue).await, Instant::now() >= deadline);
            match fullness {
                Fullness::Full => return Err(PublishError::QueueFull),
                Fullness::Unclear if is_tried_elsewhere || is_over => return Err(PublishError::QueueFull),
                Fullness::NotFull if is_over => {
                    session.note_trouble(queue);
                    return Err(PublishError::NotAccepting);
                }
                Fullness::Unclear | Fullness::NotFull => {}
            }
            if !session.may_be_starting(queue) {
                session.publishing.renew(order, message);
                is_tried_elsewhere = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_REFUSAL_DELAY);
            let result = self.publish_once(order, &Destination::Queue(queue), message).await;
            if result != Err(PublishError::NotAccepting) {
                session.end_trouble(queue);
                return result;
            }
        }
    }

    async fn publish_once(&self, order: Option<u64>, destination: &Destination, message: &Message) -> Result<(), PublishError> {
        let session = self.session.borrow().clone().ok_or_else(|| self.no_connection())?;
        if session.publishing.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let mut handed_over = false;
        let settled = tokio::time::timeout(self.broker.confirm_timeout(), async {
            let settled = session.hand_over(order, destination, message).await?;
            handed_over = true;
            settled.await
        });
        let result = match settled.await {
            Ok(result) => result,
            Err(_) if handed_over => Err(PublishError::Unconfirmed),
            Err(_) => Err(PublishError::Busy),
        };
        if let (Err(PublishError::Unroutable), Destination::Queue(queue)) = (&result, destination) {
            session.forget(*queue);
        }
        result
    }

    /// Sends a message without waiting for a confirm: for replies, whose loss the caller's own deadline covers. While there is no
    /// connection it waits for one in the background.
    pub fn post(&self, destination: Destination, message: Message) {
        if let Some(session) = &*self.session.borrow() {
            session.post(&destination, &message);
            return;
        }
        let mut sessions = self.session.clone();
        tokio::spawn(async move {
            let connected = tokio::time::timeout(POST_TIMEOUT, sessions.wait_for(Option::is_some)).await;
            match connected {
                Ok(Ok(session)) => {
                    if let Some(session) = &*session {
                        session.post(&destination, &message);
                    }
                }
                _ => tracing::warn!(messaging.message.id = message.id(), "a reply could not be sent: no connection to the broker"),
            }
        });
    }
}
