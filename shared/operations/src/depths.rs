//! How many messages wait in each queue, asked of the broker once for all who look.
//!
//! Only the broker knows, and it tells of one queue at a time: ten thousand take it a while. A page must not wait for that, nor may ten
//! people who look ask ten times.

use forebay_broker::{Depth, Inspector, Queue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is younger is not asked for again.
const FRESH: Duration = Duration::from_secs(2);
/// What is older is not told any more.
const STALE: Duration = Duration::from_secs(60);
/// Queues that are asked for together; what they say is told before the next ones are.
const TOGETHER: usize = 500;

/// What the broker said last. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Depths {
    known: Arc<Mutex<HashMap<Queue, (Instant, Depth)>>>,
    /// Held by whoever asks: the others wait for that answer.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Depths {
    /// How these queues stand, as far as the broker tells within `patience`; asking goes on after that, for who looks next. A queue that
    /// does not exist yet holds nothing.
    pub(crate) async fn of(&self, inspector: &Inspector, queues: &[Queue], patience: Duration) -> HashMap<Queue, Depth> {
        let (depths, inspector, wanted) = (self.clone(), inspector.clone(), queues.to_vec());
        let asking = tokio::spawn(async move { depths.ask(&inspector, wanted).await });
        // Either way it is told what is known by then.
        let _ = tokio::time::timeout(patience, asking).await;
        self.told(queues)
    }

    fn told(&self, queues: &[Queue]) -> HashMap<Queue, Depth> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < STALE);
        queues.iter().filter_map(|queue| Some((*queue, known.get(queue)?.1))).collect()
    }

    async fn ask(&self, inspector: &Inspector, mut queues: Vec<Queue>) {
        let _turn = self.asking.lock().await;
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            queues.retain(|queue| known.get(queue).is_none_or(|(at, _)| at.elapsed() >= FRESH));
        }
        for some in queues.chunks(TOGETHER) {
            match inspector.depths(some).await {
                Ok(found) => {
                    let nothing = Depth { ready: 0, consumers: 0 };
                    let found = some.iter().zip(found).map(|(queue, depth)| (*queue, (Instant::now(), depth.unwrap_or(nothing))));
                    self.known.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                }
                Err(error) => {
                    tracing::debug!(%error, "the broker does not tell how many messages wait");
                    return self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
            }
        }
    }
}
