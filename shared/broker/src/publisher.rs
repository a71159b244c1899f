//! Confirmed, mandatory publishing over several channels of one connection.
//!
//! Messages with the same `order` (those of one ordered trigger) take the same channel and keep their order. What became of one
//! is told by the connection's task, so a caller that goes away disturbs nothing.
//!
//! ```text
//! publish(): queue declared -> place in flight -> wire -> result -> publish()
//! ```
//!
//! Until the connection's task takes a message it has not been sent: the difference between "not accepted" and "may be
//! delivered" that callers are told.

use crate::codec::Message;
use crate::connection::{CONNECT_TIMEOUT, chain, connect_patiently, read_url};
use crate::error::{BrokerError, PublishError};
use crate::lock::locked;
use crate::topology::{Queue, Topology};
use crate::wire::{Settled, Wire};
use futures_util::stream::StreamExt;
use lapin::{Connection, Event};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How to publish.
#[derive(Debug, Clone)]
pub struct PublisherConfig {
    /// The broker's URL.
    pub url: String,
    /// The connection's name, for RabbitMQ's own tools.
    pub name: String,
    /// Channels, each with its own order; at least 1.
    pub channels: usize,
    /// Longest wait for a confirm.
    pub confirm_timeout: Duration,
}

/// Longest wait of a message that nobody asks after for a connection.
const POST_PATIENCE: Duration = Duration::from_secs(10);

/// Pause before a broker that is another installation's is looked at again; it logs each look as an error.
const FOREIGN_PAUSE: Duration = Duration::from_secs(3);

/// RabbitMQ says that a queue is there as soon as somebody has begun to declare it, and refuses what is published to it until it has
/// started (3.10.8: `rabbit_fifo_client` finds no server to register at). So long after our declaration it is asked again.
const STARTING: Duration = Duration::from_secs(3);
const STARTING_PAUSE: Duration = Duration::from_millis(50);

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A queue of the topology: declared first when this connection has not done so.
    Queue(Queue),
    /// A queue that somebody else keeps, such as a caller's reply queue.
    Named(String),
}

/// Whether messages can be published right now.
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

/// A handle to the publishing connection, which ends when the shutdown token of [`Publisher::start`] is cancelled.
#[derive(Clone)]
pub struct Publisher {
    session: watch::Receiver<Option<Arc<Session>>>,
    /// Whether the last connection led to another broker than the installation's.
    is_foreign: Arc<AtomicBool>,
    confirm_timeout: Duration,
    topology: Topology,
}

/// One life of the connections.
struct Session {
    wire: Wire,
    /// For declaring queues.
    connection: Connection,
    topology: Topology,
    /// Queues that were declared over this connection, and when.
    declared: Mutex<HashMap<Queue, Instant>>,
    /// Cancelled when anything fails on the connections; the supervisor then makes new ones.
    lost: CancellationToken,
}

impl Publisher {
    /// Starts to connect in the background, again after each loss, until `shutdown`.
    #[must_use]
    pub fn start(config: PublisherConfig, topology: Topology, shutdown: CancellationToken) -> Self {
        let (session_sender, session) = watch::channel(None);
        let confirm_timeout = config.confirm_timeout;
        let is_foreign = Arc::new(AtomicBool::new(false));
        tokio::spawn(supervise(config, topology.clone(), session_sender, is_foreign.clone(), shutdown));
        Self { session, is_foreign, confirm_timeout, topology }
    }

    /// The queue's name at the broker.
    #[must_use]
    pub fn name_of(&self, queue: Queue) -> String {
        self.topology.name(queue)
    }

    /// Whether messages can be published right now.
    #[must_use]
    pub fn state(&self) -> PublisherState {
        match &*self.session.borrow() {
            None if self.is_refused() => PublisherState::NotOfInstallation,
            None => PublisherState::Away,
            Some(session) if session.wire.is_blocked() => PublisherState::Blocked,
            Some(_) => PublisherState::Ready,
        }
    }

    fn is_refused(&self) -> bool {
        self.is_foreign.load(Ordering::Relaxed) || self.topology.installation().refusal().is_some()
    }

    /// Why nothing can be published where there is no connection.
    #[must_use]
    pub fn no_connection(&self) -> PublishError {
        if self.is_refused() { PublishError::NotOfInstallation } else { PublishError::Unavailable }
    }

    /// Waits until there is a connection.
    pub async fn ready(&self) {
        // The sender lives as long as the supervisor; its end means shutdown, which the caller sees elsewhere.
        let _ = self.session.clone().wait_for(Option::is_some).await;
    }

    /// Publishes and waits for the broker's confirm. Dropping the future before the message is sent takes it back.
    ///
    /// # Errors
    /// [`PublishError`]; only `Unconfirmed` leaves open whether the message is delivered.
    pub async fn publish(&self, order: Option<u64>, destination: Destination, message: Message) -> Result<(), PublishError> {
        let mut result = self.publish_once(order, &destination, &message).await;
        let Destination::Queue(queue) = destination else { return result };
        if result == Err(PublishError::Unroutable) {
            // The queue was deleted under us: it is declared again.
            result = self.publish_once(order, &destination, &message).await;
        }
        while result == Err(PublishError::QueueFull) && self.may_be_starting(queue) {
            tokio::time::sleep(STARTING_PAUSE).await;
            result = self.publish_once(order, &destination, &message).await;
        }
        result
    }

    /// Whether the queue may have been refusing messages because it had not started.
    fn may_be_starting(&self, queue: Queue) -> bool {
        let session = self.session.borrow();
        let declared = session.as_ref().and_then(|session| locked(&session.declared).get(&queue).copied());
        declared.is_some_and(|at| at.elapsed() < STARTING)
    }

    async fn publish_once(&self, order: Option<u64>, destination: &Destination, message: &Message) -> Result<(), PublishError> {
        let session = self.session.borrow().clone().ok_or_else(|| self.no_connection())?;
        if session.wire.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let mut handed_over = false;
        let settled = tokio::time::timeout(self.confirm_timeout, async {
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
            locked(&session.declared).remove(queue);
        }
        result
    }

    /// Hands a message over and does not wait for a confirm: for replies, whose loss the caller's own deadline covers.
    /// While there is no connection it waits for one, since its caller waits as well.
    pub fn post(&self, destination: Destination, message: Message) {
        if let Some(session) = &*self.session.borrow() {
            session.post(&destination, &message);
            return;
        }
        let mut sessions = self.session.clone();
        tokio::spawn(async move {
            let connected = tokio::time::timeout(POST_PATIENCE, sessions.wait_for(Option::is_some)).await;
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

impl Session {
    async fn open(config: &PublisherConfig, connection: Connection, topology: Topology) -> Result<Self, BrokerError> {
        topology.installation().verify(&connection, &config.url).await?;
        let lost = CancellationToken::new();
        let (uri, address) = read_url(&config.url)?;
        let channels = u16::try_from(config.channels.max(1)).unwrap_or(u16::MAX - 1);
        let wire = match tokio::time::timeout(CONNECT_TIMEOUT, Wire::open(uri, &config.name, channels, lost.clone())).await {
            Ok(opened) => opened.map_err(|source| BrokerError::Publishing { address, source: Box::new(source) })?,
            Err(_) => return Err(BrokerError::Timeout { address, after: CONNECT_TIMEOUT }),
        };
        let session = Self { wire, connection, topology, declared: Mutex::default(), lost };
        // The lanes and what they dead-letter to are there before the first call is.
        for queue in [Queue::Dead].into_iter().chain(session.topology.lanes()) {
            session.ensure_declared(queue).await.map_err(|source| BrokerError::Lost { doing: "declaring queues", source })?;
        }
        Ok(session)
    }

    async fn ensure_declared(&self, queue: Queue) -> Result<(), lapin::Error> {
        if locked(&self.declared).contains_key(&queue) {
            return Ok(());
        }
        self.topology.declare(&self.connection, queue).await?;
        locked(&self.declared).insert(queue, Instant::now());
        Ok(())
    }

    /// Gives the message to the connection; what is returned resolves once the broker has spoken.
    async fn hand_over(&self, order: Option<u64>, destination: &Destination, message: &Message) -> Result<Settled, PublishError> {
        if let Destination::Queue(queue) = destination
            && let Err(error) = self.ensure_declared(*queue).await
        {
            tracing::warn!(messaging.destination.name = self.topology.name(*queue), error = %chain(&error), "a queue could not be declared");
            return Err(PublishError::Unavailable);
        }
        self.wire.send(order, &self.name_of(destination), message).await
    }

    fn post(&self, destination: &Destination, message: &Message) {
        if !self.wire.post(&self.name_of(destination), message) {
            tracing::warn!(messaging.message.id = message.id(), "a reply was not sent: the broker does not take those before it");
        }
    }

    fn name_of(&self, destination: &Destination) -> String {
        match destination {
            Destination::Queue(queue) => self.topology.name(*queue),
            Destination::Named(name) => name.clone(),
        }
    }
}

/// Keeps the connections until shutdown.
async fn supervise(
    config: PublisherConfig,
    topology: Topology,
    sessions: watch::Sender<Option<Arc<Session>>>,
    is_foreign: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    let declaring = format!("{} (queues)", config.name);
    loop {
        if shutdown.run_until_cancelled(topology.installation().known()).await.is_none() {
            return;
        }
        // Before the connection is made, so that no later change is missed; the one that ended the wait is no reason to connect again.
        let mut changes = topology.installation().changes();
        let Some(connection) = connect_patiently(&config.url, &declaring, &shutdown).await else { return };
        let mut events = connection.events_listener().boxed();
        let session = match Session::open(&config, connection, topology.clone()).await {
            Ok(session) => Arc::new(session),
            Err(error @ BrokerError::NotOfInstallation(_)) => {
                if !is_foreign.swap(true, Ordering::Relaxed) {
                    tracing::error!(connection.name = config.name, %error, "nothing is published to this broker");
                }
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = changes.next() => {}
                    () = tokio::time::sleep(FOREIGN_PAUSE) => {}
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(connection.name = config.name, error = %chain(&error), "nothing can be published yet; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        is_foreign.store(false, Ordering::Relaxed);
        tracing::info!(connection.name = config.name, "publishing to the broker");
        sessions.send_replace(Some(session.clone()));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = session.lost.cancelled() => break,
                // The next connection is compared with what is known by then.
                () = changes.next() => break,
                event = events.next() => match event {
                    Some(Event::Error(error)) => {
                        tracing::warn!(connection.name = declaring, error = %chain(&error), "the connection that declares queues was lost");
                        break;
                    }
                    Some(_) => {}
                    None => break,
                },
            }
        }
        sessions.send_replace(None);
        session.wire.close();
        if shutdown.is_cancelled() {
            session.lost.cancelled().await;
            let _ = session.connection.close(200, "shutdown".into()).await;
            return;
        }
        // Without waiting for a broker that is gone.
        tokio::spawn(async move { session.connection.close(200, "starting over".into()).await });
    }
}
