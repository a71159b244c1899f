//! What this worker has in hand of each queue: queues are first in, first out, so the oldest of it is the oldest of the queue. Shared
//! lanes hold messages of many integrations, so the oldest of each integration is known as well.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The messages of one queue.
type Messages = Arc<Mutex<QueueMessages>>;

#[derive(Default)]
struct QueueMessages {
    /// Acceptance in microseconds of Unix time, and a number of their own.
    accepted: BTreeSet<(i64, u64)>,
    /// By integration: since when they are under way.
    under_way: HashMap<Uuid, BTreeSet<(i64, u64)>>,
}

/// All queues that this worker consumes, by their names at the broker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct InHand(Arc<Mutex<HashMap<String, Messages>>>);

/// One queue.
#[derive(Clone)]
pub(crate) struct QueueInHand(Messages);

/// One message; it is in hand until this is dropped.
pub(crate) struct Held {
    messages: Messages,
    integration: Uuid,
    accepted: (i64, u64),
    under_way: (i64, u64),
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
            let first = messages.lock().unwrap_or_else(PoisonError::into_inner).accepted.first().copied();
            oldest.extend(first.map(|(accepted_at, _)| (name.clone(), accepted_at)));
            // Queues come and go with integrations: one that nobody serves any more is forgotten.
            first.is_some() || Arc::strong_count(messages) > 1
        });
        oldest.sort_unstable();
        oldest
    }

    /// Of each integration of which something is in hand, since when the oldest of it is under way.
    pub(crate) fn oldest_of(&self) -> Vec<(Uuid, i64)> {
        let mut oldest: HashMap<Uuid, i64> = HashMap::new();
        for messages in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            for (integration, under_way) in &messages.lock().unwrap_or_else(PoisonError::into_inner).under_way {
                let Some((since, _)) = under_way.first() else { continue };
                oldest.entry(*integration).and_modify(|known| *known = (*known).min(*since)).or_insert(*since);
            }
        }
        let mut oldest: Vec<(Uuid, i64)> = oldest.into_iter().collect();
        oldest.sort_unstable();
        oldest
    }
}

impl QueueInHand {
    /// `number`: another one for each message of the queue. Times are microseconds of Unix time.
    pub(crate) fn hold(&self, accepted_at: i64, number: u64, integration: Uuid, under_way_since: i64) -> Held {
        let (accepted, under_way) = ((accepted_at, number), (under_way_since, number));
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.accepted.insert(accepted);
        messages.under_way.entry(integration).or_default().insert(under_way);
        Held { messages: self.0.clone(), integration, accepted, under_way }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.accepted.remove(&self.accepted);
        if let Some(under_way) = messages.under_way.get_mut(&self.integration) {
            under_way.remove(&self.under_way);
            if under_way.is_empty() {
                messages.under_way.remove(&self.integration);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_in_hand_is_told_by_queue_until_it_is_let_go() {
        let (hands, of) = (InHand::default(), Uuid::new_v4());
        let (work, call) = (hands.queue("work.0"), hands.queue("call.0"));
        let (newer, older) = (work.hold(20, 1, of, 20), work.hold(10, 2, of, 10));
        let _call = call.hold(30, 1, of, 30);
        assert_eq!(hands.oldest(), [("call.0".to_owned(), 30), ("work.0".to_owned(), 10)]);
        drop(older);
        assert_eq!(hands.oldest()[1], ("work.0".to_owned(), 20));
        drop((newer, work));
        assert_eq!(hands.oldest(), [("call.0".to_owned(), 30)]);
    }

    #[test]
    fn the_oldest_of_an_integration_is_told_over_all_queues_whatever_others_have_in_them() {
        let (hands, a, b) = (InHand::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let (work, call) = (hands.queue("work.0"), hands.queue("call.0"));
        let (first, _second) = (work.hold(10, 1, a, 10), work.hold(20, 2, b, 20));
        // Accepted long ago, and put off until now.
        let _resumed = work.hold(5, 3, b, 40);
        let _call = call.hold(30, 1, a, 30);
        assert_eq!(hands.oldest_of(), [(a, 10), (b, 20)]);
        drop(first);
        assert_eq!(hands.oldest_of(), [(a, 30), (b, 20)]);
    }
}
