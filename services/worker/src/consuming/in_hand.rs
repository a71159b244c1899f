//! The messages that this worker holds, by queue. Queues are first in, first out, so the oldest message in hand is the oldest of its queue.
//! Shared queues have messages of many integrations, so the oldest message of each integration is recorded too.

use forebay_contract::UnixMicros;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// The messages in hand of one queue. The subscriptions of the queue share it.
#[derive(Default)]
struct QueueState {
    messages: Mutex<QueueMessages>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct QueueMessages {
    last_number: u64,
    /// The time of receipt and a unique number of each message.
    accepted: BTreeSet<(UnixMicros, u64)>,
    /// The time since which each message is under way, by integration.
    under_way: HashMap<Uuid, BTreeSet<(UnixMicros, u64)>>,
    /// The bytes of all bodies.
    bytes: usize,
}

/// All queues that this worker consumes, by their names at the broker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct InHand(Arc<Mutex<HashMap<String, Arc<QueueState>>>>);

/// The messages in hand of one queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct QueueInHand(Arc<QueueState>);

/// A message in hand, until this is dropped.
pub(crate) struct Held {
    queue: QueueInHand,
    integration: Uuid,
    accepted: (UnixMicros, u64),
    under_way: (UnixMicros, u64),
    bytes: usize,
}

impl InHand {
    pub(crate) fn queue(&self, name: &str) -> QueueInHand {
        let mut queues = self.0.lock();
        QueueInHand(queues.entry(name.to_owned()).or_default().clone())
    }

    /// Returns the time of receipt of the oldest message in hand, by queue.
    pub(crate) fn oldest(&self) -> Vec<(String, UnixMicros)> {
        let mut oldest = Vec::new();
        self.0.lock().retain(|name, queue| {
            let first = queue.messages().accepted.first().copied();
            oldest.extend(first.map(|(accepted_at, _)| (name.clone(), accepted_at)));
            // Integrations are created and deleted, and their queues with them: a queue without a consumer is removed.
            first.is_some() || Arc::strong_count(queue) > 1
        });
        oldest.sort_unstable();
        oldest
    }

    /// Returns the time since which the oldest message in hand is under way, by integration.
    pub(crate) fn oldest_of(&self) -> Vec<(Uuid, UnixMicros)> {
        let mut oldest: HashMap<Uuid, UnixMicros> = HashMap::new();
        for queue in self.0.lock().values() {
            for (integration, under_way) in &queue.messages().under_way {
                let Some((since, _)) = under_way.first() else { continue };
                oldest.entry(*integration).and_modify(|oldest| *oldest = (*oldest).min(*since)).or_insert(*since);
            }
        }
        let mut oldest: Vec<(Uuid, UnixMicros)> = oldest.into_iter().collect();
        oldest.sort_unstable();
        oldest
    }
}

impl QueueState {
    fn messages(&self) -> MutexGuard<'_, QueueMessages> {
        self.messages.lock()
    }
}

impl QueueInHand {
    /// Adds a message in hand. `bytes` is the size of its body.
    pub(crate) fn hold(&self, accepted_at: UnixMicros, integration: Uuid, under_way_since: UnixMicros, bytes: usize) -> Held {
        let mut messages = self.0.messages();
        messages.last_number += 1;
        let number = messages.last_number;
        let (accepted, under_way) = ((accepted_at, number), (under_way_since, number));
        messages.accepted.insert(accepted);
        messages.under_way.entry(integration).or_default().insert(under_way);
        messages.bytes += bytes;
        self.0.count.send_replace(messages.accepted.len());
        Held { queue: self.clone(), integration, accepted, under_way, bytes }
    }

    /// Returns the number of messages.
    pub(crate) fn count(&self) -> usize {
        *self.0.count.borrow()
    }

    /// Returns the average bytes of a body; 0 when there are no messages.
    pub(crate) fn average_bytes(&self) -> usize {
        let messages = self.0.messages();
        messages.bytes.checked_div(messages.accepted.len()).unwrap_or_default()
    }

    /// Returns as soon as this number of messages is in hand.
    pub(crate) async fn reaches(&self, count: usize) {
        // The sender lives as long as `self`.
        let _ = self.0.count.subscribe().wait_for(|now| *now >= count).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let queue = &self.queue.0;
        let mut messages = queue.messages();
        messages.accepted.remove(&self.accepted);
        messages.bytes -= self.bytes;
        queue.count.send_replace(messages.accepted.len());
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

    fn at(micros: i64) -> UnixMicros {
        UnixMicros::new(micros)
    }

    #[test]
    fn the_oldest_message_in_hand_is_known_by_queue_until_it_is_released() {
        let (hands, of) = (InHand::default(), Uuid::new_v4());
        let (work, call) = (hands.queue("work.0"), hands.queue("call.0"));
        let (newer, older) = (work.hold(at(20), of, at(20), 0), work.hold(at(10), of, at(10), 0));
        let _call = call.hold(at(30), of, at(30), 0);
        assert_eq!(hands.oldest(), [("call.0".to_owned(), at(30)), ("work.0".to_owned(), at(10))]);
        drop(older);
        assert_eq!(hands.oldest()[1], ("work.0".to_owned(), at(20)));
        drop((newer, work));
        assert_eq!(hands.oldest(), [("call.0".to_owned(), at(30))]);
    }

    #[test]
    fn the_oldest_message_of_an_integration_is_known_over_all_queues() {
        let (hands, a, b) = (InHand::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let (work, call) = (hands.queue("work.0"), hands.queue("call.0"));
        let (first, _second) = (work.hold(at(10), a, at(10), 0), work.hold(at(20), b, at(20), 0));
        // Received long ago, and deferred until now.
        let _resumed = work.hold(at(5), b, at(40), 0);
        let _call = call.hold(at(30), a, at(30), 0);
        assert_eq!(hands.oldest_of(), [(a, at(10)), (b, at(20))]);
        drop(first);
        assert_eq!(hands.oldest_of(), [(a, at(30)), (b, at(20))]);
    }

    #[tokio::test]
    async fn messages_of_two_subscriptions_are_counted_together_and_kept_apart() {
        let (hands, of) = (InHand::default(), Uuid::new_v4());
        let (first, second) = (hands.queue("call.0"), hands.queue("call.0"));
        // Both were received in the same microsecond.
        let (one, other) = (first.hold(at(10), of, at(10), 100), second.hold(at(10), of, at(10), 301));
        first.reaches(2).await;
        assert_eq!((first.count(), second.count(), first.average_bytes()), (2, 2, 200));
        drop(one);
        assert_eq!((first.count(), hands.oldest()), (1, vec![("call.0".to_owned(), at(10))]));
        drop(other);
        assert_eq!((first.count(), first.average_bytes(), hands.oldest()), (0, 0, vec![]));
    }
}
