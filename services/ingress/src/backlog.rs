//! Shared queues in which many messages wait: calls of a tenant that uses such a queue go to the tenant's own queue.

use forebay_broker::{Broker, Queue};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Maximum messages in a shared queue before new calls would wait noticeably.
const LONG: u32 = 500;
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The shared queues that are long now. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LongQueues {
    /// True if there are long queues; nearly always false, and read for each call.
    are_there: Arc<AtomicBool>,
    queues: Arc<Mutex<HashSet<Queue>>>,
}

impl LongQueues {
    /// Returns true if many messages waited in the queue at the last check.
    pub(crate) fn contains(&self, queue: Queue) -> bool {
        self.are_there.load(Ordering::Relaxed) && self.queues.lock().contains(&queue)
    }

    /// Checks the queues that tenants share, until shutdown.
    pub(crate) async fn watch(self, broker: Broker, shutdown: CancellationToken) {
        let queues: Vec<Queue> = broker.topology().shared_queues().collect();
        let inspector = broker.inspector("ingress (depths)");
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await.is_some() {
            match inspector.depths(&queues).await {
                Ok(depths) => {
                    let is_long = |(_, depth): &(&Queue, Option<forebay_broker::Depth>)| depth.is_some_and(|depth| depth.ready > LONG);
                    let long: HashSet<Queue> = queues.iter().zip(depths).filter(is_long).map(|(queue, _)| *queue).collect();
                    self.are_there.store(!long.is_empty(), Ordering::Relaxed);
                    *self.queues.lock() = long;
                }
                Err(error) => tracing::debug!(%error, "the depth of the shared queues is not known at the moment"),
            }
        }
    }
}
