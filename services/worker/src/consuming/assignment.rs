//! The assignment of exclusive queues to workers: rendezvous hashing over the live workers, with a bound on the load of each.
//!
//! Every worker computes the same assignment from the same two lists. While their lists differ for a moment, the single active consumer of
//! the broker keeps the order; only the balance is off.

use forebay_broker::stable_hash;
use std::collections::HashMap;
use uuid::Uuid;

/// The assignment of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// The worker that consumes it.
    pub(crate) primary: Uuid,
    /// The worker that subscribes after the primary; the broker serves it as soon as the primary goes away.
    pub(crate) standby: Option<Uuid>,
}

/// Assigns every queue. No worker gets more than 1.25 times its even share (or the share rounded up, where that is more).
pub(crate) fn assign(workers: &[Uuid], queues: &[Uuid]) -> HashMap<Uuid, Assigned> {
    let mut assigned = HashMap::with_capacity(queues.len());
    if workers.is_empty() {
        return assigned;
    }
    let max = queues.len().div_ceil(workers.len()).max(queues.len() * 5 / (4 * workers.len()));
    let mut load: HashMap<Uuid, usize> = HashMap::new();
    let mut queues = queues.to_vec();
    queues.sort_unstable();
    for queue in queues {
        let mut ranked = workers.to_vec();
        ranked.sort_by_key(|worker| (std::cmp::Reverse(weight(queue, *worker)), *worker));
        let has_room = |worker: &&Uuid| load.get(worker).copied().unwrap_or_default() < max;
        let Some(primary) = ranked.iter().find(has_room).copied() else { continue };
        *load.entry(primary).or_default() += 1;
        let standby = ranked.iter().find(|worker| **worker != primary).copied();
        assigned.insert(queue, Assigned { primary, standby });
    }
    assigned
}

fn weight(queue: Uuid, worker: Uuid) -> u64 {
    let mut both = [0; 32];
    both[..16].copy_from_slice(queue.as_bytes());
    both[16..].copy_from_slice(worker.as_bytes());
    // FNV mixes its last bytes little; the multiplication and shift spread them (the finalizer of MurmurHash3).
    let mut hash = stable_hash(&both);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize, salt: u8) -> Vec<Uuid> {
        (0..count)
            .map(|n| Uuid::from_u128((n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ u128::from(salt)))
            .collect()
    }

    #[test]
    fn no_worker_holds_more_than_a_quarter_over_its_share() {
        for (queues, workers) in [(40, 4), (40, 3), (40, 5), (7, 3), (1, 4), (1000, 7)] {
            let assigned = assign(&ids(workers, 1), &ids(queues, 2));
            assert_eq!(assigned.len(), queues);
            let share = queues as f64 / workers as f64;
            for worker in ids(workers, 1) {
                let load = assigned.values().filter(|assigned| assigned.primary == worker).count();
                assert!(load as f64 <= (share * 1.25).max(share.ceil()), "{load} of {queues} on one of {workers}");
            }
        }
    }

    #[test]
    fn every_worker_computes_the_same_and_the_standby_is_another() {
        let (workers, queues) = (ids(4, 1), ids(40, 2));
        let (mut other_workers, mut other_queues) = (workers.clone(), queues.clone());
        other_workers.reverse();
        other_queues.reverse();
        let assigned = assign(&workers, &queues);
        assert_eq!(assigned, assign(&other_workers, &other_queues));
        assert!(assigned.values().all(|assigned| assigned.standby.is_some_and(|standby| standby != assigned.primary)));
    }

    #[test]
    fn a_worker_that_leaves_moves_few_queues_of_the_others() {
        let (workers, queues) = (ids(4, 1), ids(40, 2));
        let (before, after) = (assign(&workers, &queues), assign(&workers[..3], &queues));
        let moved =
            queues.iter().filter(|queue| before[queue].primary != workers[3] && before[queue].primary != after[queue].primary).count();
        assert!(moved <= 10, "{moved} queues moved that need not have");
    }

    #[test]
    fn without_workers_nothing_is_assigned() {
        assert!(assign(&[], &ids(3, 1)).is_empty());
    }
}
