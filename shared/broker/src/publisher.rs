//! Confirmed, mandatory publishing over several channels of one connection.
//!
//! A message is chosen its channel by `order`: those with the same `order` (one trigger) keep their order. lapin numbers a
//! message and queues its frames when a publish is first polled, so that poll is made in turns, one caller at a time a
//! channel (confirms of callers that do not take turns can swap). What follows it, being sent and being confirmed, is
//! awaited by the channel's confirm task, so a caller that goes away disturbs nothing.
//!
//! ```text
//! publish(): place in flight -> queue declared -> turn: first poll -> confirm task -> result -> publish()
//! ```
//!
//! Until the first poll a message has not been sent: the difference between "not accepted" and "may be delivered" that
//! callers are told.

use crate::codec::Message;
use crate::connection::{chain, connect_patiently};
use crate::error::PublishError;
use crate::topology::{Queue, Topology, short};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection, Event, PublisherConfirm};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
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

/// Most messages sent and not confirmed on one channel. More does not make RabbitMQ faster, and all of them are in doubt when the connection breaks.
const IN_FLIGHT: usize = 1000;
/// Longest wait of a message that nobody asks after for a connection.
const POST_PATIENCE: Duration = Duration::from_secs(10);

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
}

/// A handle to the publishing connection, which ends when the shutdown token of [`Publisher::start`] is cancelled.
#[derive(Clone)]
pub struct Publisher {
    session: watch::Receiver<Option<Arc<Session>>>,
    confirm_timeout: Duration,
    topology: Topology,
}

/// One connection's life.
struct Session {
    connection: Connection,
    channels: Vec<ConfirmChannel>,
    /// For messages whose fate nobody asks for: without confirms, which would cost as much as the message.
    plain: Channel,
    topology: Topology,
    declared: Arc<Mutex<HashSet<Queue>>>,
    /// Cancelled when anything fails on the connection; the supervisor then makes a new one.
    lost: CancellationToken,
}

struct ConfirmChannel {
    channel: Channel,
    turn: Mutex<()>,
    in_flight: Arc<Semaphore>,
    sent: mpsc::UnboundedSender<Sent>,
}

/// A message that was handed to lapin.
struct Sent {
    id: String,
    queue: Option<Queue>,
    publishing: BoxFuture<'static, lapin::Result<PublisherConfirm>>,
    result: oneshot::Sender<Result<(), PublishError>>,
    _place: OwnedSemaphorePermit,
}

impl Publisher {
    /// Starts to connect in the background, again after each loss, until `shutdown`.
    #[must_use]
    pub fn start(config: PublisherConfig, topology: Topology, shutdown: CancellationToken) -> Self {
        let (session_sender, session) = watch::channel(None);
        let confirm_timeout = config.confirm_timeout;
        tokio::spawn(supervise(config, topology.clone(), session_sender, shutdown));
        Self { session, confirm_timeout, topology }
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
            None => PublisherState::Away,
            Some(session) if session.connection.status().blocked() => PublisherState::Blocked,
            Some(_) => PublisherState::Ready,
        }
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
    pub async fn publish(&self, order: u64, destination: Destination, message: Message) -> Result<(), PublishError> {
        match self.publish_once(order, &destination, message.clone()).await {
            // The queue was deleted under us. It is declared again by the next try, since the return made us forget it.
            Err(PublishError::Unroutable) if matches!(destination, Destination::Queue(_)) => {
                self.publish_once(order, &destination, message).await
            }
            result => result,
        }
    }

    async fn publish_once(&self, order: u64, destination: &Destination, message: Message) -> Result<(), PublishError> {
        let session = self.session.borrow().clone().ok_or(PublishError::Unavailable)?;
        if session.connection.status().blocked() {
            return Err(PublishError::Blocked);
        }
        let until = Instant::now() + self.confirm_timeout;
        let handed_over = tokio::time::timeout_at(until, session.hand_over(order, destination, message)).await;
        let settled = handed_over.map_err(|_| PublishError::Busy)??;
        match tokio::time::timeout_at(until, settled).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(PublishError::Unconfirmed),
        }
    }

    /// Hands a message over and does not wait for a confirm: for replies, whose loss the caller's own deadline covers.
    /// While there is no connection it waits for one, since its caller waits as well.
    pub fn post(&self, destination: Destination, message: Message) {
        if let Some(session) = &*self.session.borrow() {
            session.post(&destination, message);
            return;
        }
        let mut sessions = self.session.clone();
        tokio::spawn(async move {
            let connected = tokio::time::timeout(POST_PATIENCE, sessions.wait_for(Option::is_some)).await;
            match connected {
                Ok(Ok(session)) => {
                    if let Some(session) = &*session {
                        session.post(&destination, message);
                    }
                }
                _ => tracing::warn!(messaging.message.id = message.id(), "a reply could not be sent: no connection to the broker"),
            }
        });
    }
}

impl Session {
    async fn open(connection: Connection, channels: usize, topology: Topology) -> Result<Self, lapin::Error> {
        let lost = CancellationToken::new();
        let declared = Arc::default();
        let mut opened = Vec::with_capacity(channels);
        for _ in 0..channels {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let (sent, to_settle) = mpsc::unbounded_channel();
            tokio::spawn(settle_confirms(to_settle, Arc::clone(&declared), lost.clone()));
            opened.push(ConfirmChannel { channel, turn: Mutex::default(), in_flight: Arc::new(Semaphore::new(IN_FLIGHT)), sent });
        }
        let plain = connection.create_channel().await?;
        let session = Self { connection, channels: opened, plain, topology, declared, lost };
        // The lanes and what they dead-letter to are there before the first call is.
        session.ensure_declared(Queue::Dead).await?;
        for queue in session.topology.lanes() {
            session.ensure_declared(queue).await?;
        }
        Ok(session)
    }

    async fn ensure_declared(&self, queue: Queue) -> Result<(), lapin::Error> {
        if locked(&self.declared).contains(&queue) {
            return Ok(());
        }
        self.topology.declare(&self.connection, queue).await?;
        locked(&self.declared).insert(queue);
        Ok(())
    }

    /// Gives the message to lapin; what is returned resolves once the broker has spoken.
    async fn hand_over(
        &self,
        order: u64,
        destination: &Destination,
        message: Message,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        let channel = &self.channels[(order % self.channels.len() as u64) as usize];
        let place = tokio::select! {
            place = channel.in_flight.clone().acquire_owned() => place.map_err(|_| PublishError::Unavailable)?,
            () = self.lost.cancelled() => return Err(PublishError::Unavailable),
        };
        let queue = match destination {
            Destination::Queue(queue) => Some(*queue),
            Destination::Named(_) => None,
        };
        if let Some(queue) = queue
            && let Err(error) = self.ensure_declared(queue).await
        {
            tracing::warn!(messaging.destination.name = self.topology.name(queue), error = %chain(&error), "a queue could not be declared");
            return Err(PublishError::Unavailable);
        }
        let id = message.id().to_owned();
        let mut publishing = publishing(channel.channel.clone(), self.name_of(destination), message, true);
        let (result, settled) = oneshot::channel();
        let turn = locked(&channel.turn);
        match (&mut publishing).now_or_never() {
            // Refused before anything was sent.
            Some(Err(error)) => {
                tracing::warn!(error = %chain(&error), "a message could not be sent");
                self.lost.cancel();
                return Err(PublishError::Unavailable);
            }
            Some(Ok(confirm)) => publishing = std::future::ready(Ok(confirm)).boxed(),
            None => {}
        }
        let sent = Sent { id, queue, publishing, result, _place: place };
        // The confirm task lives as long as this session.
        let _ = channel.sent.send(sent);
        drop(turn);
        Ok(settled)
    }

    fn post(&self, destination: &Destination, message: Message) {
        // The first poll queues the frames; nobody waits for them to be sent. Not mandatory: a return would be kept by lapin for ever.
        let _ = publishing(self.plain.clone(), self.name_of(destination), message, false).now_or_never();
    }

    fn name_of(&self, destination: &Destination) -> String {
        match destination {
            Destination::Queue(queue) => self.topology.name(*queue),
            Destination::Named(name) => name.clone(),
        }
    }
}

fn publishing(channel: Channel, queue: String, message: Message, mandatory: bool) -> BoxFuture<'static, lapin::Result<PublisherConfirm>> {
    let options = BasicPublishOptions { mandatory, immediate: false };
    async move { channel.basic_publish(short(""), short(&queue), options, &message.body, message.properties).await }.boxed()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a connection until shutdown.
async fn supervise(
    config: PublisherConfig,
    topology: Topology,
    sessions: watch::Sender<Option<Arc<Session>>>,
    shutdown: CancellationToken,
) {
    while let Some(connection) = connect_patiently(&config.url, &config.name, &shutdown).await {
        let mut events = connection.events_listener().boxed();
        let session = match Session::open(connection, config.channels.max(1), topology.clone()).await {
            Ok(session) => Arc::new(session),
            Err(error) => {
                tracing::warn!(connection.name = config.name, error = %chain(&error), "the publishing channels could not be opened; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        tracing::info!(connection.name = config.name, "publishing to the broker");
        sessions.send_replace(Some(session.clone()));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => {
                    sessions.send_replace(None);
                    let _ = session.connection.close(200, "shutdown".into()).await;
                    return;
                }
                () = session.lost.cancelled() => break,
                event = events.next() => match event {
                    Some(Event::Error(error)) => {
                        tracing::warn!(connection.name = config.name, error = %chain(&error), "the publishing connection was lost");
                        break;
                    }
                    Some(Event::ConnectionBlocked(reason)) => tracing::warn!(connection.name = config.name, reason, "the broker accepts no messages"),
                    Some(Event::ConnectionUnblocked) => tracing::info!(connection.name = config.name, "the broker accepts messages again"),
                    Some(_) => {}
                    None => break,
                },
            }
        }
        session.lost.cancel();
        sessions.send_replace(None);
        // Channels may have failed on a connection that lives: close it, without waiting for a broker that is gone.
        tokio::spawn(async move { session.connection.close(200, "starting over".into()).await });
    }
}

/// Tells each publisher what became of its message.
///
/// lapin attaches a returned message to whichever confirm resolves next, so returns are matched by message id. A message's
/// own return resolves with its own confirm or with an earlier one: all confirms that are ready are taken before any is told.
async fn settle_confirms(mut sent: mpsc::UnboundedReceiver<Sent>, declared: Arc<Mutex<HashSet<Queue>>>, lost: CancellationToken) {
    let mut pending = FuturesUnordered::new();
    let mut returned: HashSet<String> = HashSet::new();
    let mut ready = Vec::new();
    loop {
        tokio::select! {
            next = sent.recv() => match next {
                Some(sent) => pending.push(confirmed(sent)),
                None if pending.is_empty() => return,
                None => ready.extend(pending.next().await),
            },
            Some(done) = pending.next(), if !pending.is_empty() => ready.push(done),
        }
        while let Ok(next) = sent.try_recv() {
            pending.push(confirmed(next));
        }
        while let Some(Some(done)) = pending.next().now_or_never() {
            ready.push(done);
        }
        for settled in &ready {
            if let Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) = &settled.confirmation {
                returned.extend(message.properties.message_id().as_ref().map(|id| id.as_str().to_owned()));
            }
        }
        for settled in ready.drain(..) {
            let was_returned = !returned.is_empty() && returned.remove(&settled.id);
            let result = match settled.confirmation {
                Ok(_) if was_returned => {
                    if let Some(queue) = settled.queue {
                        locked(&declared).remove(&queue);
                    }
                    Err(PublishError::Unroutable)
                }
                Ok(Confirmation::Ack(_) | Confirmation::NotRequested) => Ok(()),
                Ok(Confirmation::Nack(_)) => Err(PublishError::QueueFull),
                Err(_) => {
                    lost.cancel();
                    Err(PublishError::Unconfirmed)
                }
            };
            let _ = settled.result.send(result);
        }
    }
}

struct Settled {
    id: String,
    queue: Option<Queue>,
    confirmation: lapin::Result<Confirmation>,
    result: oneshot::Sender<Result<(), PublishError>>,
}

async fn confirmed(sent: Sent) -> Settled {
    let Sent { id, queue, publishing, result, _place } = sent;
    let confirmation = match publishing.await {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    Settled { id, queue, confirmation, result }
}
