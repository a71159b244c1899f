//! Replies: one exclusive queue a connection, and the callers who wait on it by correlation id.

use crate::codec::{Arrival, Reply, decode_arrival};
use crate::connection::{chain, connect_patiently};
use crate::error::BrokerError;
use crate::lock::locked;
use crate::topology::{Topology, short, stable_hash};
use forebay_contract::ExecutionId;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, Consumer};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Locks are held for one map operation; this many of them keep threads out of each other's way.
const SHARDS: usize = 16;

/// The replies of one ingress process.
#[derive(Clone)]
pub struct Replies {
    waiters: Arc<Waiters>,
    /// The current reply queue; `None` while there is no connection.
    address: watch::Receiver<Option<Arc<str>>>,
}

#[derive(Default)]
struct Waiters {
    shards: [Mutex<HashMap<ExecutionId, Waiter>>; SHARDS],
}

/// The message to a caller's place.
struct Waiter {
    reply: oneshot::Sender<Reply>,
    /// The outcome is in the store, and nowhere else.
    recorded: CancellationToken,
}

impl Waiters {
    fn shard(&self, id: &ExecutionId) -> parking_lot::MutexGuard<'_, HashMap<ExecutionId, Waiter>> {
        let index = stable_hash(id.unique().as_bytes()) as usize % SHARDS;
        locked(&self.shards[index])
    }
}

/// One caller's place. Dropping it, by an answer, a timeout or a caller who hangs up, leaves nothing behind.
pub struct Waiting {
    id: ExecutionId,
    waiters: Arc<Waiters>,
    reply: oneshot::Receiver<Reply>,
    recorded: CancellationToken,
    reply_to: Arc<str>,
    address: watch::Receiver<Option<Arc<str>>>,
}

impl Waiting {
    /// The queue to name in `reply_to`.
    #[must_use]
    pub fn reply_to(&self) -> &str {
        &self.reply_to
    }

    /// The reply. Never ends when none comes: the caller has a deadline.
    pub async fn reply(&mut self) -> Reply {
        match (&mut self.reply).await {
            Ok(reply) => reply,
            // The sender is dropped with this waiter's own map entry, or when the outcome is to be had from the store only: see `lost`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the outcome is only in the store: the queue is gone to which the reply would come, or the reply is too large for the
    /// broker.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut address, reply_to, recorded) = (self.address.clone(), self.reply_to.clone(), self.recorded.clone());
        async move {
            tokio::select! {
                () = recorded.cancelled() => {}
                // The sender's end is the end of the process's broker connections.
                _ = address.wait_for(|current| current.as_ref() != Some(&reply_to)) => {}
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.shard(&self.id).remove(&self.id);
    }
}

impl Replies {
    /// Starts to listen, again after each loss of the connection, until `shutdown`. `instance` names the process in the queue's name.
    #[must_use]
    pub fn start(url: String, instance: String, topology: Topology, shutdown: CancellationToken) -> Self {
        let waiters = Arc::new(Waiters::default());
        let (address_sender, address) = watch::channel(None);
        tokio::spawn(listen(url, instance, topology, waiters.clone(), address_sender, shutdown));
        Self { waiters, address }
    }

    /// Reserves a place for the reply to an execution that is about to be published.
    ///
    /// # Errors
    /// [`BrokerError::NotConnected`] when no reply could arrive.
    pub fn expect(&self, id: ExecutionId) -> Result<Waiting, BrokerError> {
        let reply_to = self.address.borrow().clone().ok_or(BrokerError::NotConnected)?;
        let (sender, reply) = oneshot::channel();
        let recorded = CancellationToken::new();
        self.waiters.shard(&id).insert(id, Waiter { reply: sender, recorded: recorded.clone() });
        Ok(Waiting { id, waiters: self.waiters.clone(), reply, recorded, reply_to, address: self.address.clone() })
    }

    /// Callers who wait right now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiters.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    /// Waits until replies can arrive.
    pub async fn ready(&self) {
        // The sender's end is the end of the process's broker connections, which the caller sees elsewhere.
        let _ = self.address.clone().wait_for(Option::is_some).await;
    }

    /// Returns true if replies can arrive right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.address.borrow().is_some()
    }
}

async fn listen(
    url: String,
    instance: String,
    topology: Topology,
    waiters: Arc<Waiters>,
    address: watch::Sender<Option<Arc<str>>>,
    shutdown: CancellationToken,
) {
    let name = format!("{instance} replies");
    while let Some((connection, _)) = connect_patiently(&url, &name, &shutdown).await {
        // A new name each time: the broker may hold the old connection's exclusive queue until it notices the loss.
        let queue = topology.reply_name(&instance);
        match open(&connection, &queue).await {
            Ok(mut consumer) => {
                address.send_replace(Some(queue.into()));
                tokio::select! {
                    () = deliver(&mut consumer, &waiters) => {}
                    () = shutdown.cancelled() => {}
                }
                address.send_replace(None);
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the reply queue could not be opened; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), connection.close(200, "done".into())).await;
    }
}

async fn open(connection: &Connection, queue: &str) -> Result<Consumer, lapin::Error> {
    let channel = connection.create_channel().await?;
    let declare = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(short(queue), declare, FieldTable::default()).await?;
    let consume = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(short(queue), short(""), consume, FieldTable::default()).await
}

/// Hands replies to their waiters until the connection is lost.
async fn deliver(consumer: &mut Consumer, waiters: &Waiters) {
    while let Some(next) = consumer.next().await {
        let delivery = match next {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the reply connection was lost; replies under way are found in the store");
                return;
            }
        };
        // Nobody waits any more after a timeout; the outcome is in the store.
        match decode_arrival(&delivery.properties, delivery.data.into()) {
            Ok(Arrival::Reply(reply)) => {
                let waiter = waiters.shard(&reply.execution_id).remove(&reply.execution_id);
                if let Some(waiter) = waiter {
                    let _ = waiter.reply.send(reply);
                }
            }
            Ok(Arrival::Recorded(id)) => {
                let waiter = waiters.shard(&id).remove(&id);
                if let Some(waiter) = waiter {
                    waiter.recorded.cancel();
                }
            }
            Err(error) => tracing::warn!(%error, "a message on the reply queue is not a reply"),
        }
    }
}
