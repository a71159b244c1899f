//! The task that keeps the connections open until shutdown.

use super::session::Session;
use crate::broker::Broker;
use crate::connection::Node;
use crate::error::{BrokerError, chain};
use futures_util::stream::{BoxStream, StreamExt};
use lapin::{Connection, Event};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Interval at which a broker of another installation is checked again.
const FOREIGN_INTERVAL: Duration = Duration::from_secs(3);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Minimum time between two renewals of connections that work.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);
/// Interval at which a connection that is being left is checked.
const LEAVING_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Supervisor {
    pub(super) broker: Broker,
    /// The connection's name, for RabbitMQ's own tools.
    pub(super) name: String,
    pub(super) channels: NonZeroU8,
    pub(super) sessions: watch::Sender<Option<Arc<Session>>>,
    /// True when the last connection led to another broker than the installation's.
    pub(super) is_foreign: Arc<AtomicBool>,
    pub(super) shutdown: CancellationToken,
}

/// A session, and the events of the connection that declares queues.
struct Opened {
    session: Arc<Session>,
    events: BoxStream<'static, Event>,
}

impl Supervisor {
    pub(super) async fn run(self) {
        let shutdown = self.shutdown.clone();
        loop {
            if shutdown.run_until_cancelled(self.broker.installation().ready()).await.is_none() {
                return;
            }
            // Before the connection is made, so that no later change is missed; the one that ended the wait is no reason to connect again.
            let mut changes = self.broker.installation().changes();
            let Some((connection, node)) = self.broker.connect_patiently(&self.declaring(), &shutdown).await else { return };
            let events = connection.events_listener().boxed();
            let opened = match self.open(connection, node).await {
                Ok(session) => Opened { session: Arc::new(session), events },
                Err(error) => {
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = changes.next() => {}
                        () = tokio::time::sleep(self.failed(&error)) => {}
                    }
                    continue;
                }
            };
            self.is_foreign.store(false, Ordering::Relaxed);
            tracing::info!(connection.name = self.name, "publishing to the broker");
            self.sessions.send_replace(Some(opened.session.clone()));
            let session = self.follow(opened, &mut changes).await;
            self.sessions.send_replace(None);
            session.publishing.close();
            if shutdown.is_cancelled() {
                session.lost.cancelled().await;
                let _ = session.connection.close(200, "shutdown".into()).await;
                return;
            }
            // Without waiting for a broker that is gone.
            tokio::spawn(async move { session.connection.close(200, "starting over".into()).await });
        }
    }

    async fn open(&self, connection: Connection, node: Node) -> Result<Session, BrokerError> {
        Session::open(&self.broker, &self.name, self.channels, connection, node).await
    }

    fn declaring(&self) -> String {
        format!("{} (queues)", self.name)
    }

    /// Logs the reason for which there is no session, and returns the pause before the next attempt.
    fn failed(&self, error: &BrokerError) -> Duration {
        if let BrokerError::NotOfInstallation(_) = error {
            if !self.is_foreign.swap(true, Ordering::Relaxed) {
                tracing::error!(connection.name = self.name, %error, "nothing is published to this broker");
            }
            return FOREIGN_INTERVAL;
        }
        tracing::warn!(connection.name = self.name, error = %chain(error), "nothing can be published yet; trying again");
        RETRY_INTERVAL
    }

    /// Waits until the connections are lost or must not be used any longer, and returns the session that is open by then.
    async fn follow(&self, mut opened: Opened, changes: &mut crate::installation::Changes) -> Arc<Session> {
        let mut renewed: Option<Instant> = None;
        loop {
            let Opened { session, events } = &mut opened;
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = session.lost.cancelled() => break,
                // The next connection is compared with what is known by then.
                () = changes.next() => break,
                () = session.renewal.notified() => {
                    // If the trouble lasts, it is logged again.
                    if renewed.is_some_and(|at| at.elapsed() < RENEWAL_INTERVAL) {
                        continue;
                    }
                    renewed = Some(Instant::now());
                    let next = tokio::select! {
                        next = self.open_beside() => next,
                        () = session.lost.cancelled() => break,
                        () = self.shutdown.cancelled() => break,
                    };
                    if let Some(next) = next {
                        self.sessions.send_replace(Some(next.session.clone()));
                        let before = std::mem::replace(&mut opened, next);
                        tokio::spawn(leave(before.session, self.broker.confirm_timeout()));
                    }
                }
                event = events.next() => match event {
                    // lapin also reports a channel that the broker closed, such as over a queue that exists with other arguments.
                    Some(Event::Error(_)) if session.connection.status().connected() => {}
                    Some(Event::Error(error)) => {
                        tracing::warn!(connection.name = self.declaring(), error = %chain(&error), "the connection that declares queues was lost");
                        break;
                    }
                    Some(_) => {}
                    None => break,
                },
            }
        }
        opened.session
    }

    /// Opens other connections while the present ones still work.
    async fn open_beside(&self) -> Option<Opened> {
        tracing::warn!(connection.name = self.name, "a queue that is not full still refuses messages; connecting again");
        let opened = async {
            let (connection, node) = self.broker.connect(&self.declaring()).await?;
            let events = connection.events_listener().boxed();
            let session = Arc::new(self.open(connection, node).await?);
            Ok::<_, BrokerError>(Opened { session, events })
        };
        match opened.await {
            Ok(opened) => Some(opened),
            Err(error) => {
                tracing::warn!(connection.name = self.name, error = %chain(&error), "no other connection could be made");
                None
            }
        }
    }
}

/// Closes connections that take no new messages, once all their messages are resolved.
async fn leave(session: Arc<Session>, timeout: Duration) {
    let begun = Instant::now();
    while !session.publishing.is_idle() && begun.elapsed() < timeout {
        tokio::time::sleep(LEAVING_INTERVAL).await;
    }
    session.publishing.close();
    session.lost.cancelled().await;
    // If closing fails, the connection is gone already.
    let _ = session.connection.close(200, "replaced".into()).await;
}
