//! LISTEN and NOTIFY, by which a change reaches every process at once.

use crate::database::endpoint::{Server, TIMEOUT};
use crate::database::pool::Store;
use crate::error::StoreError;
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;

/// A part of the snapshot has changed.
pub(crate) const CHANGED: &str = "forebay_changed";
/// A worker has joined, left, or taken other queues.
pub(crate) const WORKERS: &str = "forebay_workers";
/// Executions were recorded; the payload names them.
pub(crate) const OUTCOMES: &str = "forebay_outcomes";
/// The capacity for channels whose notifications say only that something is new: while one waits, further ones add nothing.
pub(crate) const ONE_WAKE: usize = 1;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// Interval at which a silent connection is checked.
pub(crate) const LIVENESS: Duration = Duration::from_secs(10);

/// A connection of its own that listens to one channel.
pub(crate) struct Listener {
    client: Client,
    payloads: mpsc::Receiver<String>,
    /// True if a notification was dropped since [`Listener::has_missed`] was called last.
    missed: Arc<AtomicBool>,
    connection: JoinHandle<()>,
}

impl Listener {
    /// Opens a connection that listens. `waiting`: maximum notifications that wait to be read; further ones are dropped.
    pub(crate) async fn open(server: &Server, channel: &'static str, waiting: usize) -> Result<Self, StoreError> {
        let operation = "listen";
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Unavailable { operation, source };
        let connect = timeout(TIMEOUT, server.connect()).await.map_err(|elapsed| unavailable(Box::new(elapsed)))?;
        let (client, mut connection) = connect.map_err(|error| unavailable(Box::new(error)))?;
        let (wake, payloads) = mpsc::channel(waiting);
        let missed = Arc::new(AtomicBool::new(false));
        let misses = missed.clone();
        let connection = tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message
                    && wake.try_send(notification.payload().to_owned()).is_err()
                {
                    misses.store(true, Ordering::Relaxed);
                }
            }
        });
        let listener = Self { client, payloads, missed, connection };
        listener.client.batch_execute(&format!("listen {channel}")).await.map_err(StoreError::during(operation))?;
        Ok(listener)
    }

    /// Waits for a notification; `false`: the connection is lost, and notifications with it.
    pub(crate) async fn notified(&mut self) -> bool {
        self.payloads.recv().await.is_some()
    }

    /// The payload of the next notification; `None`: the connection is lost.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.payloads.recv().await
    }

    /// Returns true if a notification was dropped since the last time.
    pub(crate) fn has_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }

    /// Returns true if the server still answers on this connection.
    pub(crate) async fn is_alive(&self) -> bool {
        matches!(timeout(TIMEOUT, self.client.simple_query("")).await, Ok(Ok(_)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Pauses between attempts, from 50 ms to 1 s.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST_BACKOFF)
    }

    pub(crate) async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(MAX_BACKOFF);
    }
}

/// Notifies when the set of workers, or their queues, may have changed.
#[derive(Debug, Clone)]
pub struct WorkerWatch {
    changes: watch::Receiver<u64>,
}

impl WorkerWatch {
    /// Waits until something has changed since the last call. Also returns after a lost connection was replaced, since a change may have
    /// been missed; never returns after shutdown.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Store {
    /// Watches workers join and leave, over a connection of its own, until shutdown.
    #[must_use]
    pub fn watch_workers(&self, shutdown: CancellationToken) -> WorkerWatch {
        let (sender, changes) = watch::channel(0);
        let server = self.server.clone();
        tokio::spawn(async move {
            shutdown.run_until_cancelled(follow_workers(&server, &sender)).await;
        });
        WorkerWatch { changes }
    }
}

async fn follow_workers(server: &Server, changes: &watch::Sender<u64>) {
    let mut backoff = Backoff::new();
    loop {
        let Ok(mut listener) = Listener::open(server, WORKERS, ONE_WAKE).await else {
            backoff.pause().await;
            continue;
        };
        backoff = Backoff::new();
        changes.send_modify(|count| *count += 1);
        loop {
            match timeout(LIVENESS, listener.notified()).await {
                Ok(true) => changes.send_modify(|count| *count += 1),
                Ok(false) => break,
                Err(_) if listener.is_alive().await => {}
                Err(_) => break,
            }
        }
        // No tight loop with a server that accepts and drops connections.
        backoff.pause().await;
    }
}
