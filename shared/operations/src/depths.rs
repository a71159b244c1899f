//! Numbers of messages in queues, queried from the broker once for all readers.
//!
//! Only the broker knows them, and a query is for one queue: ten thousand take some time. A page must not wait for all of them, and ten
//! readers must not query ten times.

use crate::publishing::Look;
use forebay_broker::{BrokerError, Depth, Queue};
use forebay_contract::with_causes;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Age below which a number is not queried again; increased by the duration of the last round, so that readers cause little load.
const FRESH: Duration = Duration::from_secs(2);
const REST: u32 = 10;
/// Age below which a missing queue is not queried again. It has no messages, and the broker logs an error for each query.
const MISSING_FRESH: Duration = Duration::from_secs(60);
/// Age above which a number is not returned any more.
const STALE: Duration = Duration::from_secs(300);
/// Queues that are queried together; their numbers are available before the next ones are queried, after a pause of this multiple of the
/// duration.
const TOGETHER: usize = 250;
const INTERVAL_FACTOR: u32 = 3;

/// The last numbers of the broker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Depths {
    known: Arc<Mutex<Known>>,
    /// Held by the task that queries: the others wait for its result.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    depths: HashMap<Queue, Entry>,
    /// The duration of the last round.
    duration: Duration,
}

#[derive(Clone, Copy)]
struct Entry {
    at: Instant,
    /// `None`: the queue does not exist.
    depth: Option<Depth>,
}

impl Depths {
    /// Returns the numbers of these queues that the broker returns within `patience`; the query continues after that, for later readers. A
    /// queue that does not exist yet has no messages.
    pub(crate) async fn of(&self, look: Look, queues: &[Queue], patience: Duration) -> HashMap<Queue, Depth> {
        let (depths, wanted) = (self.clone(), queues.to_vec());
        let asking = tokio::spawn(async move { depths.ask(&look, wanted).await });
        // In either case the numbers known by then are returned.
        let _ = tokio::time::timeout(patience, asking).await;
        let mut known = self.known();
        known.depths.retain(|_, entry| entry.at.elapsed() < STALE);
        let nothing = Depth { ready: 0, consumers: 0 };
        queues.iter().filter_map(|queue| Some((*queue, known.depths.get(queue)?.depth.unwrap_or(nothing)))).collect()
    }

    async fn ask(&self, look: &Look, mut queues: Vec<Queue>) {
        let _turn = self.asking.lock().await;
        {
            let known = self.known();
            queues.retain(|queue| known.depths.get(queue).is_none_or(|entry| !entry.is_fresh(known.duration)));
        }
        if queues.is_empty() {
            return;
        }
        let began = Instant::now();
        if let Err(error) = look.verify().await {
            return self.forget(&error);
        }
        let mut chunks = queues.chunks(TOGETHER).peekable();
        while let Some(some) = chunks.next() {
            let began = Instant::now();
            match look.depths(some).await {
                Ok(found) => {
                    let entry = found.into_iter().map(|depth| Entry { at: Instant::now(), depth });
                    self.known().depths.extend(some.iter().copied().zip(entry));
                }
                Err(error) => return self.forget(&error),
            }
            if chunks.peek().is_some() {
                tokio::time::sleep(began.elapsed() * INTERVAL_FACTOR).await;
            }
        }
        self.known().duration = began.elapsed();
    }

    fn forget(&self, error: &BrokerError) {
        tracing::debug!(error = with_causes(error), "the broker does not tell how many messages wait");
        self.known().depths.clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}

impl Entry {
    fn is_fresh(self, duration: Duration) -> bool {
        let least = if self.depth.is_none() { MISSING_FRESH } else { FRESH };
        self.at.elapsed() < least.max(duration * REST).min(STALE / 2)
    }
}
