//! LISTEN and NOTIFY: how a change reaches every process at once.

use crate::connection::{Store, TIMEOUT};
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use futures_util::{StreamExt, stream};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_util::sync::CancellationToken;

/// Definitions, keys or trigger states have changed.
pub(crate) const CHANGED: &str = "forebay_changed";
/// A worker has joined, left, or taken other queues.
pub(crate) const WORKERS: &str = "forebay_workers";
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// How often a silent connection is asked whether it still is one.
const LIVENESS: Duration = Duration::from_secs(10);

/// What a snapshot consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Integrations,
    Keys,
    Triggers,
    Tenants,
    Connections,
}

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Integrations => "integrations",
            Self::Keys => "keys",
            Self::Triggers => "triggers",
            Self::Tenants => "tenants",
            Self::Connections => "connections",
        }
    }
}

/// The generation that the transaction's changes to the part belong to. Other writers of the part wait until the transaction ends, so
/// generations become visible in their order; a writer takes at most one part, so writers can't wait for one another in a circle.
pub(crate) async fn next_generation(transaction: &Transaction<'_>, part: Part) -> Result<i64, StoreError> {
    let sql = "update snapshot_generations set generation = generation + 1 where part = $1 returning generation";
    let row = transaction.query_one(sql, &[&part.as_str()]).await.map_err(StoreError::during("take a generation"))?;
    Ok(row.get(0))
}

/// Wakes every snapshot when the transaction commits.
pub(crate) async fn announce_change(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.batch_execute("notify forebay_changed").await.map_err(StoreError::during("announce a change"))
}

/// A connection of its own that listens to one channel.
pub(crate) struct Listener {
    client: Client,
    wakes: mpsc::Receiver<()>,
    connection: JoinHandle<()>,
}

impl Listener {
    pub(crate) async fn open(config: &Config, channel: &'static str) -> Result<Self, StoreError> {
        let operation = "listen";
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Unavailable { operation, source };
        let connect = timeout(TIMEOUT, config.connect(NoTls)).await.map_err(|elapsed| unavailable(Box::new(elapsed)))?;
        let (client, mut connection) = connect.map_err(|error| unavailable(Box::new(error)))?;
        // One place: while a wake waits to be taken, further ones add nothing.
        let (wake, wakes) = mpsc::channel(1);
        let connection = tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(_) = message {
                    let _ = wake.try_send(());
                }
            }
        });
        let listener = Self { client, wakes, connection };
        listener.client.batch_execute(&format!("listen {channel}")).await.map_err(StoreError::during(operation))?;
        Ok(listener)
    }

    /// Waits for a notification; `false`: the connection is lost, and notifications with it.
    pub(crate) async fn notified(&mut self) -> bool {
        self.wakes.recv().await.is_some()
    }

    /// Whether the server still answers on this connection.
    pub(crate) async fn is_alive(&self) -> bool {
        matches!(timeout(TIMEOUT, self.client.simple_query("")).await, Ok(Ok(_)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Pauses between attempts: short at first, a second at most.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST_BACKOFF)
    }

    pub(crate) async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_BACKOFF);
    }
}

/// Tells when the set of workers, or what they hold, may have changed.
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
        let config = self.config.clone();
        tokio::spawn(async move {
            shutdown.run_until_cancelled(follow_workers(&config, &sender)).await;
        });
        WorkerWatch { changes }
    }
}

async fn follow_workers(config: &Config, changes: &watch::Sender<u64>) {
    let mut backoff = Backoff::new();
    loop {
        let Ok(mut listener) = Listener::open(config, WORKERS).await else {
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
        // A server that accepts and drops connections must not be asked in a tight loop.
        backoff.pause().await;
    }
}
