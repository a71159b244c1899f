//! Shared queues in which many messages wait: calls of a tenant that shares one go to a queue of its own.

use forebay_broker::{Inspector, Queue, Topology};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Messages in a shared queue above which a new call would wait noticeably.
const LONG: u32 = 500;
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The shared queues that are long at the moment. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LongQueues {
    /// Nearly always false, and asked at each call.
    are_there: Arc<AtomicBool>,
    queues: Arc<Mutex<HashSet<Queue>>>,
}

impl LongQueues {
    /// Returns whether many messages waited in the queue at the last check.
    pub(crate) fn contains(&self, queue: Queue) -> bool {
        self.are_there.load(Ordering::Relaxed) && self.queues.lock().contains(&queue)
    }

    /// Looks at the queues that tenants share, until shutdown.
    pub(crate) async fn watch(self, inspector: Inspector, topology: Topology, shutdown: CancellationToken) {
        let queues: Vec<Queue> = topology.shared_queues().collect();
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
