//! What this worker has in hand of each queue: queues are first in, first out, so the oldest of it is the oldest of the queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The messages of one queue: acceptance in microseconds of Unix time, and a number of their own.
type Messages = Arc<Mutex<BTreeSet<(i64, u64)>>>;

/// All queues that this worker consumes, by their names at the broker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct InHand(Arc<Mutex<HashMap<String, Messages>>>);

/// One queue.
#[derive(Clone)]
pub(crate) struct QueueInHand(Messages);

/// One message; it is in hand until this is dropped.
pub(crate) struct Held {
    messages: Messages,
    message: (i64, u64),
}

impl InHand {
    pub(crate) fn queue(&self, name: &str) -> QueueInHand {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        QueueInHand(queues.entry(name.to_owned()).or_default().clone())
    }

    /// Of each queue of which something is in hand, the acceptance of the oldest.
    pub(crate) fn oldest(&self) -> Vec<(String, i64)> {
        let mut oldest = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, messages| {
            let first = messages.lock().unwrap_or_else(PoisonError::into_inner).first().copied();
            oldest.extend(first.map(|(accepted_at, _)| (name.clone(), accepted_at)));
            // Queues come and go with integrations: one that nobody serves any more is forgotten.
            first.is_some() || Arc::strong_count(messages) > 1
        });
        oldest.sort_unstable();
        oldest
    }
}

impl QueueInHand {
    /// `number`: another one for each message of the queue.
    pub(crate) fn hold(&self, accepted_at: i64, number: u64) -> Held {
        let message = (accepted_at, number);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(message);
        Held { messages: self.0.clone(), message }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_in_hand_is_told_by_queue_until_it_is_let_go() {
        let hands = InHand::default();
        let (work, call) = (hands.queue("work.0"), hands.queue("call.0"));
        let (newer, older) = (work.hold(20, 1), work.hold(10, 2));
        let _call = call.hold(30, 1);
        assert_eq!(hands.oldest(), [("call.0".to_owned(), 30), ("work.0".to_owned(), 10)]);
        drop(older);
        assert_eq!(hands.oldest()[1], ("work.0".to_owned(), 20));
        drop((newer, work));
        assert_eq!(hands.oldest(), [("call.0".to_owned(), 30)]);
    }
}
