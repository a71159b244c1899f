//! Keeps the connections until shutdown.

use super::PublisherConfig;
use super::session::Session;
use crate::connection::{chain, connect, connect_patiently};
use crate::error::BrokerError;
use crate::topology::Topology;
use futures_util::stream::{BoxStream, StreamExt};
use lapin::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Interval at which a broker that is another installation's is checked again; each check is logged as an error.
const FOREIGN_INTERVAL: Duration = Duration::from_secs(3);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Connections that work are made anew at most this often.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between looks at a connection that is being left.
const LEAVING_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Supervisor {
    pub(super) config: PublisherConfig,
    pub(super) topology: Topology,
    pub(super) sessions: watch::Sender<Option<Arc<Session>>>,
    /// True when the last connection led to another broker than the installation's.
    pub(super) is_foreign: Arc<AtomicBool>,
    pub(super) shutdown: CancellationToken,
}

/// A session and what the connection for declaring queues says.
struct Opened {
    session: Arc<Session>,
    events: BoxStream<'static, Event>,
}

impl Supervisor {
    pub(super) async fn run(self) {
        let shutdown = self.shutdown.clone();
        loop {
            if shutdown.run_until_cancelled(self.topology.installation().known()).await.is_none() {
                return;
            }
            // Before the connection is made, so that no later change is missed; the one that ended the wait is no reason to connect again.
            let mut changes = self.topology.installation().changes();
            let Some((connection, address)) = connect_patiently(&self.config.url, &self.declaring(), &shutdown).await else { return };
            let events = connection.events_listener().boxed();
            let opened = match Session::open(&self.config, connection, address, self.topology.clone()).await {
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
            tracing::info!(connection.name = self.config.name, "publishing to the broker");
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

    fn declaring(&self) -> String {
        format!("{} (queues)", self.config.name)
    }

    /// Says why there is no session; the pause before the next attempt.
    fn failed(&self, error: &BrokerError) -> Duration {
        if let BrokerError::NotOfInstallation(_) = error {
            if !self.is_foreign.swap(true, Ordering::Relaxed) {
                tracing::error!(connection.name = self.config.name, %error, "nothing is published to this broker");
            }
            return FOREIGN_INTERVAL;
        }
        tracing::warn!(connection.name = self.config.name, error = %chain(error), "nothing can be published yet; trying again");
        RETRY_INTERVAL
    }

    /// Until the connections are lost, or must not be used any longer; the session that was open by then.
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
                        tokio::spawn(leave(before.session, self.config.confirm_timeout));
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

    /// Other connections, while those at hand still work.
    async fn open_beside(&self) -> Option<Opened> {
        tracing::warn!(connection.name = self.config.name, "a queue that is not full still refuses messages; connecting again");
        let opened = async {
            let (connection, address) = connect(&self.config.url, &self.declaring()).await?;
            let events = connection.events_listener().boxed();
            let session = Arc::new(Session::open(&self.config, connection, address, self.topology.clone()).await?);
            Ok::<_, BrokerError>(Opened { session, events })
        };
        match opened.await {
            Ok(opened) => Some(opened),
            Err(error) => {
                tracing::warn!(connection.name = self.config.name, error = %chain(&error), "no other connection could be made");
                None
            }
        }
    }
}

/// Closes connections that take no new messages, once the broker has spoken about those that they took.
async fn leave(session: Arc<Session>, patience: Duration) {
    let begun = Instant::now();
    while !session.publishing.is_idle() && begun.elapsed() < patience {
        tokio::time::sleep(LEAVING_INTERVAL).await;
    }
    session.publishing.close();
    session.lost.cancelled().await;
    // If closing fails, the connection is gone already.
    let _ = session.connection.close(200, "replaced".into()).await;
}
