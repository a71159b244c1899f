//! Confirmed, mandatory publishing over several channels of one connection.
//!
//! Each channel has one owner task, so that what is handed over in order is sent in order (confirms of tasks that share
//! a channel can swap), and one confirm task. A supervisor keeps the connection. A message is chosen its channel by
//! `order`: those with the same `order` (one trigger) keep their order.
//!
//! ```text
//! publish() -> jobs of channel N -> owner: claim, declare, send -> confirm task -> result -> publish()
//! ```
//!
//! A job is claimed before it is sent. A caller who gives up first has un-claimed it, and it is never sent:
//! the difference between "not accepted" and "may be delivered" that the caller is told.

use crate::codec::Message;
use crate::connection::{chain, connect_patiently};
use crate::error::PublishError;
use crate::topology::{Queue, Topology, short};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection, Event};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
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
/// Most messages that wait for their channel; past it publishers are told that the broker is slow.
const WAITING: usize = 1024;

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

/// A handle to the publishing tasks. They end, after what they hold is settled, when the shutdown token of [`Publisher::start`] is cancelled.
#[derive(Clone)]
pub struct Publisher {
    channels: Arc<Vec<mpsc::Sender<Job>>>,
    session: watch::Receiver<Option<Arc<Session>>>,
    confirm_timeout: Duration,
}

/// One connection's life.
struct Session {
    connection: Connection,
    channels: Vec<Channel>,
    topology: Topology,
    declared: Mutex<HashSet<Queue>>,
    /// Cancelled when anything fails on the connection; the supervisor then makes a new one.
    lost: CancellationToken,
}

struct Job {
    destination: Destination,
    message: Message,
    claim: Claim,
    /// Absent for messages whose fate nobody asks for.
    result: Option<oneshot::Sender<Result<(), PublishError>>>,
}

/// Who has a job: the caller until the owner task claims it for sending.
#[derive(Clone, Default)]
struct Claim(Arc<AtomicU8>);

impl Claim {
    const WAITING: u8 = 0;
    const SENDING: u8 = 1;
    const ABANDONED: u8 = 2;

    fn take(&self, to: u8) -> bool {
        self.0.compare_exchange(Self::WAITING, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Publisher {
    /// Starts the tasks; connects in the background, again after each loss, until `shutdown`.
    #[must_use]
    pub fn start(config: PublisherConfig, topology: Topology, shutdown: CancellationToken) -> Self {
        let (session_sender, session) = watch::channel(None);
        let count = config.channels.max(1);
        let mut channels = Vec::with_capacity(count);
        for index in 0..count {
            let (jobs, owner_jobs) = mpsc::channel(WAITING);
            let (confirms, confirm_jobs) = mpsc::unbounded_channel();
            tokio::spawn(own_channel(index, owner_jobs, session.clone(), confirms));
            tokio::spawn(settle_confirms(confirm_jobs));
            channels.push(jobs);
        }
        let confirm_timeout = config.confirm_timeout;
        tokio::spawn(supervise(config, count, topology, session_sender, shutdown));
        Self { channels: Arc::new(channels), session, confirm_timeout }
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
        match self.publish_once(order, destination.clone(), message.clone()).await {
            // The queue was deleted under us. It is declared again by the next try, since the return made us forget it.
            Err(PublishError::Unroutable) if matches!(destination, Destination::Queue(_)) => {
                self.publish_once(order, destination, message).await
            }
            result => result,
        }
    }

    async fn publish_once(&self, order: u64, destination: Destination, message: Message) -> Result<(), PublishError> {
        match self.state() {
            PublisherState::Ready => {}
            PublisherState::Blocked => return Err(PublishError::Blocked),
            PublisherState::Away => return Err(PublishError::Unavailable),
        }
        let (result, settled) = oneshot::channel();
        let claim = Claim::default();
        let job = Job { destination, message, claim: claim.clone(), result: Some(result) };
        self.channel(order).try_send(job).map_err(refused)?;
        match tokio::time::timeout(self.confirm_timeout, settled).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) if claim.take(Claim::ABANDONED) => Err(PublishError::Busy),
            Ok(Err(_)) | Err(_) => Err(PublishError::Unconfirmed),
        }
    }

    /// Hands a message over and does not wait: for replies, whose loss the caller's own deadline covers.
    ///
    /// # Errors
    /// When it cannot even be handed over.
    pub fn post(&self, order: u64, destination: Destination, message: Message) -> Result<(), PublishError> {
        let job = Job { destination, message, claim: Claim::default(), result: None };
        self.channel(order).try_send(job).map_err(refused)
    }

    fn channel(&self, order: u64) -> &mpsc::Sender<Job> {
        &self.channels[(order % self.channels.len() as u64) as usize]
    }
}

fn refused(error: mpsc::error::TrySendError<Job>) -> PublishError {
    match error {
        mpsc::error::TrySendError::Full(_) => PublishError::Busy,
        mpsc::error::TrySendError::Closed(_) => PublishError::Unavailable,
    }
}

impl Job {
    fn settle(self, result: Result<(), PublishError>) {
        match self.result {
            Some(sender) => _ = sender.send(result),
            None => {
                if let Err(error) = result {
                    tracing::debug!(messaging.message.id = self.message.id(), %error, "a message that nobody waits for was not delivered");
                }
            }
        }
    }

    fn is_given_up(&self) -> bool {
        self.result.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

impl Session {
    async fn open(connection: Connection, channels: usize, topology: Topology) -> Result<Self, lapin::Error> {
        let mut opened = Vec::with_capacity(channels);
        for _ in 0..channels {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            opened.push(channel);
        }
        let session = Self { connection, channels: opened, topology, declared: Mutex::default(), lost: CancellationToken::new() };
        // The lanes and what they dead-letter to are there before the first call is.
        session.ensure_declared(Queue::Dead).await?;
        for queue in session.topology.lanes() {
            session.ensure_declared(queue).await?;
        }
        Ok(session)
    }

    async fn ensure_declared(&self, queue: Queue) -> Result<(), lapin::Error> {
        if self.declared().contains(&queue) {
            return Ok(());
        }
        self.topology.declare(&self.connection, queue).await?;
        self.declared().insert(queue);
        Ok(())
    }

    fn declared(&self) -> std::sync::MutexGuard<'_, HashSet<Queue>> {
        self.declared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn name_of(&self, destination: &Destination) -> String {
        match destination {
            Destination::Queue(queue) => self.topology.name(*queue),
            Destination::Named(name) => name.clone(),
        }
    }
}

/// Keeps a connection until shutdown.
async fn supervise(
    config: PublisherConfig,
    channels: usize,
    topology: Topology,
    sessions: watch::Sender<Option<Arc<Session>>>,
    shutdown: CancellationToken,
) {
    while let Some(connection) = connect_patiently(&config.url, &config.name, &shutdown).await {
        let mut events = connection.events_listener().boxed();
        let session = match Session::open(connection, channels, topology.clone()).await {
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

struct Sent {
    job: Job,
    session: Arc<Session>,
    _in_flight: OwnedSemaphorePermit,
}

/// Sends the jobs of one channel in their order.
async fn own_channel(
    index: usize,
    mut jobs: mpsc::Receiver<Job>,
    mut sessions: watch::Receiver<Option<Arc<Session>>>,
    confirms: mpsc::UnboundedSender<(lapin::PublisherConfirm, Sent)>,
) {
    let mut current: Option<(Arc<Session>, Arc<Semaphore>)> = None;
    while let Some(job) = jobs.recv().await {
        // A reply that was handed over while there is no connection waits for the next one: its caller waits as well.
        if job.result.is_none() {
            let _ = tokio::time::timeout(POST_PATIENCE, sessions.wait_for(Option::is_some)).await;
        }
        let newest = sessions.borrow().clone();
        let Some(session) = newest else {
            current = None;
            job.settle(Err(PublishError::Unavailable));
            continue;
        };
        // Each session counts its own messages: what an old one left in doubt must not use up the new one's share.
        let in_flight = match &current {
            Some((known, in_flight)) if Arc::ptr_eq(known, &session) => in_flight.clone(),
            _ => current.insert((session.clone(), Arc::new(Semaphore::new(IN_FLIGHT)))).1.clone(),
        };
        if session.connection.status().blocked() {
            job.settle(Err(PublishError::Blocked));
            continue;
        }
        let permit = tokio::select! {
            permit = in_flight.acquire_owned() => permit.ok(),
            () = session.lost.cancelled() => None,
        };
        let Some(permit) = permit else {
            job.settle(Err(PublishError::Unavailable));
            continue;
        };
        if let Destination::Queue(queue) = job.destination
            && let Err(error) = session.ensure_declared(queue).await
        {
            tracing::warn!(messaging.destination.name = session.topology.name(queue), error = %chain(&error), "a queue could not be declared");
            job.settle(Err(PublishError::Unavailable));
            continue;
        }
        if job.is_given_up() || !job.claim.take(Claim::SENDING) {
            continue;
        }
        let name = session.name_of(&job.destination);
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = job.message.properties.clone();
        match session.channels[index].basic_publish(short(""), short(&name), options, &job.message.body, properties).await {
            Ok(confirm) => _ = confirms.send((confirm, Sent { job, session, _in_flight: permit })),
            Err(error) => {
                tracing::warn!(messaging.destination.name = name, error = %chain(&error), "a message could not be sent");
                job.settle(Err(PublishError::Unconfirmed));
                session.lost.cancel();
            }
        }
    }
}

/// Tells each publisher what became of its message.
///
/// lapin attaches a returned message to whichever confirm resolves next, so returns are matched by message id. A message's
/// own return resolves with its own confirm or with an earlier one: all confirms that are ready are taken before any is told.
async fn settle_confirms(mut sent: mpsc::UnboundedReceiver<(lapin::PublisherConfirm, Sent)>) {
    let mut pending = FuturesUnordered::new();
    let mut returned: HashSet<String> = HashSet::new();
    let mut ready = Vec::new();
    loop {
        tokio::select! {
            next = sent.recv() => match next {
                Some((confirm, sent)) => pending.push(async move { (confirm.await, sent) }),
                None if pending.is_empty() => return,
                None => ready.extend(pending.next().await),
            },
            Some(done) = pending.next(), if !pending.is_empty() => ready.push(done),
        }
        while let Some(Some(done)) = pending.next().now_or_never() {
            ready.push(done);
        }
        for (confirmation, _) in &ready {
            if let Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) = confirmation {
                returned.extend(message.properties.message_id().as_ref().map(|id| id.as_str().to_owned()));
            }
        }
        for (confirmation, sent) in ready.drain(..) {
            let Sent { job, session, .. } = sent;
            let was_returned = !returned.is_empty() && returned.remove(job.message.id());
            let result = match confirmation {
                Ok(_) if was_returned => {
                    if let Destination::Queue(queue) = job.destination {
                        session.declared().remove(&queue);
                    }
                    Err(PublishError::Unroutable)
                }
                Ok(Confirmation::Ack(_) | Confirmation::NotRequested) => Ok(()),
                Ok(Confirmation::Nack(_)) => Err(PublishError::QueueFull),
                Err(_) => {
                    session.lost.cancel();
                    Err(PublishError::Unconfirmed)
                }
            };
            job.settle(result);
        }
    }
}
