//! How many messages wait in each queue, asked of the broker once for all who look.
//!
//! Only the broker knows, and it tells of one queue at a time: ten thousand take it a while. A page must not wait for that, nor may ten
//! people who look ask ten times.

use crate::publishing::Look;
use forebay_broker::{BrokerError, Depth, Queue};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is younger is not asked for again, and so much longer as asking for all took: who looks makes no load worth the name.
const FRESH: Duration = Duration::from_secs(2);
const REST: u32 = 10;
/// A queue that is not there yet holds nothing, and the broker logs an error each time that it is asked for one.
const MISSING_FRESH: Duration = Duration::from_secs(60);
/// What is older is not told any more.
const STALE: Duration = Duration::from_secs(300);
/// Queues that are asked for together; what they say is told before the next ones are, after a pause of so many times what that took.
const TOGETHER: usize = 250;
const INTERVAL_FACTOR: u32 = 3;

/// What the broker said last. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Depths {
    known: Arc<Mutex<Known>>,
    /// Held by whoever asks: the others wait for that answer.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    depths: HashMap<Queue, Told>,
    /// How long asking took last.
    took: Duration,
}

#[derive(Clone, Copy)]
struct Told {
    at: Instant,
    /// `None`: there is no such queue.
    depth: Option<Depth>,
}

impl Depths {
    /// How these queues stand, as far as the broker tells within `patience`; asking goes on after that, for who looks next. A queue that
    /// does not exist yet holds nothing.
    pub(crate) async fn of(&self, look: Look, queues: &[Queue], patience: Duration) -> HashMap<Queue, Depth> {
        let (depths, wanted) = (self.clone(), queues.to_vec());
        let asking = tokio::spawn(async move { depths.ask(&look, wanted).await });
        // Either way it is told what is known by then.
        let _ = tokio::time::timeout(patience, asking).await;
        let mut known = self.known();
        known.depths.retain(|_, told| told.at.elapsed() < STALE);
        let nothing = Depth { ready: 0, consumers: 0 };
        queues.iter().filter_map(|queue| Some((*queue, known.depths.get(queue)?.depth.unwrap_or(nothing)))).collect()
    }

    async fn ask(&self, look: &Look, mut queues: Vec<Queue>) {
        let _turn = self.asking.lock().await;
        {
            let known = self.known();
            queues.retain(|queue| known.depths.get(queue).is_none_or(|told| !told.is_fresh(known.took)));
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
                    let told = found.into_iter().map(|depth| Told { at: Instant::now(), depth });
                    self.known().depths.extend(some.iter().copied().zip(told));
                }
                Err(error) => return self.forget(&error),
            }
            if chunks.peek().is_some() {
                tokio::time::sleep(began.elapsed() * INTERVAL_FACTOR).await;
            }
        }
        self.known().took = began.elapsed();
    }

    fn forget(&self, error: &BrokerError) {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::debug!(%error, cause, "the broker does not tell how many messages wait");
        self.known().depths.clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}

impl Told {
    fn is_fresh(self, took: Duration) -> bool {
        let least = if self.depth.is_none() { MISSING_FRESH } else { FRESH };
        self.at.elapsed() < least.max(took * REST).min(STALE / 2)
    }
}
