//! Replies: one exclusive queue a connection, and the callers who wait on it by correlation id.

use crate::broker::Broker;
use crate::codec::{Arrival, Reply, decode_arrival};
use crate::error::{BrokerError, chain};
use crate::lock::locked;
use crate::topology::{short, stable_hash};
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

/// Number of locks, each held for one map operation, so that threads seldom wait for one another.
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

/// The entry of a caller who waits.
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

/// One caller who waits. Dropping it removes its entry: after a reply, a timeout or when the caller hangs up.
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

    /// Returns the reply. Does not return when none comes: the caller has a deadline.
    pub async fn reply(&mut self) -> Reply {
        match (&mut self.reply).await {
            Ok(reply) => reply,
            // The sender is dropped with this waiter's own map entry, or when only the store has the outcome: see `lost`.
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

impl Broker {
    /// Starts to receive replies, again after each loss of the connection, until `shutdown`.
    #[must_use]
    pub fn replies(&self, shutdown: CancellationToken) -> Replies {
        let waiters = Arc::new(Waiters::default());
        let (address_sender, address) = watch::channel(None);
        tokio::spawn(listen(self.clone(), waiters.clone(), address_sender, shutdown));
        Replies { waiters, address }
    }
}

impl Replies {
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

    /// Returns the number of callers who wait.
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

async fn listen(broker: Broker, waiters: Arc<Waiters>, address: watch::Sender<Option<Arc<str>>>, shutdown: CancellationToken) {
    let name = broker.connection_name("replies");
    while let Some((connection, _)) = broker.connect_patiently(&name, &shutdown).await {
        // A new name each time: the broker may hold the old connection's exclusive queue until it notices the loss.
        let queue = broker.reply_name();
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
        // After a timeout no caller waits; the outcome is in the store.
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
