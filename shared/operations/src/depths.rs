//! Numbers of messages in queues, queried from the broker once for all readers.
//!
//! Only the broker knows them, and a query is for one queue: ten thousand take some time. A page must not wait for all of them, and ten
//! readers must not query ten times.

use crate::publishing::DepthReader;
use forebay_broker::{BrokerError, Depth, Queue};
use forebay_contract::with_causes;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Age below which a number is not queried again.
const FRESH: Duration = Duration::from_secs(2);
/// Age below which a number is not queried again, as a multiple of the duration of the last round, so that readers cause little load.
const ROUND_FACTOR: u32 = 10;
/// Age below which a missing queue is not queried again. It has no messages, and the broker logs an error for each query.
const MISSING_FRESH: Duration = Duration::from_secs(60);
/// Age above which a number is not returned any more.
const STALE: Duration = Duration::from_secs(300);
/// Queues of one query. Their numbers are available before the next query.
const QUEUES_PER_QUERY: usize = 250;
/// Pause before the next query, as a multiple of the duration of the last one.
const INTERVAL_FACTOR: u32 = 3;

/// The last numbers of the broker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Depths {
    cache: Arc<Mutex<Cache>>,
    /// Held by the task that queries: the others wait for its result.
    query_lock: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Cache {
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
    /// Returns the numbers of these queues that the broker returns within `timeout`; the query continues after that, for later readers. A
    /// queue that does not exist yet has no messages.
    pub(crate) async fn of(&self, reader: DepthReader, queues: &[Queue], timeout: Duration) -> HashMap<Queue, Depth> {
        let (depths, requested) = (self.clone(), queues.to_vec());
        let query = tokio::spawn(async move { depths.query(&reader, requested).await });
        // After a timeout the cached numbers are returned.
        let _ = tokio::time::timeout(timeout, query).await;
        let mut cache = self.cache();
        cache.depths.retain(|_, entry| entry.at.elapsed() < STALE);
        let empty = Depth { ready: 0, consumers: 0 };
        queues.iter().filter_map(|queue| Some((*queue, cache.depths.get(queue)?.depth.unwrap_or(empty)))).collect()
    }

    async fn query(&self, reader: &DepthReader, mut queues: Vec<Queue>) {
        let _query = self.query_lock.lock().await;
        {
            let cache = self.cache();
            queues.retain(|queue| cache.depths.get(queue).is_none_or(|entry| !entry.is_fresh(cache.duration)));
        }
        if queues.is_empty() {
            return;
        }
        let round_started = Instant::now();
        if let Err(error) = reader.verify().await {
            return self.clear(&error);
        }
        let mut chunks = queues.chunks(QUEUES_PER_QUERY).peekable();
        while let Some(some) = chunks.next() {
            let started = Instant::now();
            match reader.depths(some).await {
                Ok(found) => {
                    let entry = found.into_iter().map(|depth| Entry { at: Instant::now(), depth });
                    self.cache().depths.extend(some.iter().copied().zip(entry));
                }
                Err(error) => return self.clear(&error),
            }
            if chunks.peek().is_some() {
                tokio::time::sleep(started.elapsed() * INTERVAL_FACTOR).await;
            }
        }
        self.cache().duration = round_started.elapsed();
    }

    fn clear(&self, error: &BrokerError) {
        tracing::debug!(error = with_causes(error), "the numbers of queued messages cannot be read from the broker");
        self.cache().depths.clear();
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock()
    }
}

impl Entry {
    fn is_fresh(self, duration: Duration) -> bool {
        let fresh = if self.depth.is_none() { MISSING_FRESH } else { FRESH };
        self.at.elapsed() < fresh.max(duration * ROUND_FACTOR).min(STALE / 2)
    }
}
