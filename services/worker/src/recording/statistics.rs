//! Execution statistics, counted in memory and written every few seconds: they add no write to the recording of an execution.

use forebay_contract::UnixMicros;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Counts, MinuteStatistics, Store};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const FLUSH_INTERVAL: Duration = Duration::from_secs(5);
const STORE_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum rows that wait while the database is away; beyond it, the oldest minutes are dropped.
const MAX_WAITING: usize = 50_000;
/// Maximum age of unwritten counts. They may have been written although the answer was lost, and the store has the earlier counts of a
/// worker for two days only.
const MAX_UNWRITTEN_AGE: Duration = Duration::from_secs(24 * 3600);

/// An integration and a minute.
type Place = (Uuid, UnixMicros);

/// The counts of this worker; each with true if it has changed since it was written. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Statistics(Arc<Mutex<HashMap<Place, (Counts, bool)>>>);

impl Statistics {
    /// Counts an execution that ended. `started_at` is `None` if it never began.
    pub(crate) fn count(&self, integration: Uuid, status: ExecutionStatus, started_at: Option<UnixMicros>, ended_at: UnixMicros) {
        let duration = started_at.map(|started_at| ended_at.since(started_at));
        let mut counts = self.0.lock();
        // The counts of a minute replace those written before for it. So an execution is counted in the present minute: a minute that was
        // dropped must not begin again.
        let place = (integration, MinuteStatistics::minute_of(UnixMicros::now()));
        let (minute, changed) = counts.entry(place).or_default();
        minute.add(status, duration);
        *changed = true;
    }

    /// Writes the counts until shutdown, and once more at the end.
    pub(crate) async fn flush_until(self, store: Store, worker: Uuid, shutdown: CancellationToken) {
        loop {
            let stops = tokio::select! {
                () = shutdown.cancelled() => true,
                () = tokio::time::sleep(FLUSH_INTERVAL) => false,
            };
            self.flush(&store, worker).await;
            if stops {
                return;
            }
        }
    }

    async fn flush(&self, store: &Store, worker: Uuid) {
        let changed = self.take_changed();
        if changed.is_empty() {
            return;
        }
        let written = tokio::time::timeout(STORE_TIMEOUT, store.record_statistics(worker, &changed)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::debug!(rows = changed.len(), "execution statistics could not be written; trying again later");
            self.put_back(&changed);
        }
    }

    /// Takes the counts that have changed. Drops unchanged counts of past minutes, and counts that have waited too long.
    fn take_changed(&self) -> Vec<MinuteStatistics> {
        let this_minute = MinuteStatistics::minute_of(UnixMicros::now());
        let mut counts = self.0.lock();
        counts.retain(|(_, minute), (_, changed)| *minute >= this_minute || *changed && this_minute.since(*minute) < MAX_UNWRITTEN_AGE);
        let mut taken = Vec::new();
        for ((integration, minute), (counts, changed)) in counts.iter_mut().filter(|(_, (_, changed))| *changed) {
            taken.push(MinuteStatistics { integration: *integration, minute: *minute, counts: *counts });
            *changed = false;
        }
        taken
    }

    fn put_back(&self, unwritten: &[MinuteStatistics]) {
        let mut counts = self.0.lock();
        for MinuteStatistics { integration, minute, .. } in unwritten {
            if let Some((_, changed)) = counts.get_mut(&(*integration, *minute)) {
                *changed = true;
            }
        }
        let over = counts.len().saturating_sub(MAX_WAITING);
        if over > 0 {
            let mut minutes: Vec<UnixMicros> = counts.keys().map(|(_, minute)| *minute).collect();
            minutes.sort_unstable();
            let newest_forgotten = minutes[over - 1];
            counts.retain(|(_, minute), _| *minute > newest_forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritten_counts_are_written_the_next_time_with_later_ones() {
        let (statistics, integration) = (Statistics::default(), Uuid::new_v4());
        let count = || statistics.count(integration, ExecutionStatus::Succeeded, Some(UnixMicros::new(1_000)), UnixMicros::new(3_000));
        let total = |taken: &[MinuteStatistics]| taken.iter().map(|taken| taken.counts.succeeded).sum::<u64>();
        count();
        let taken = statistics.take_changed();
        assert_eq!(total(&taken), 1);
        assert!(statistics.take_changed().is_empty(), "it has not changed");
        statistics.put_back(&taken);
        count();
        let again = statistics.take_changed();
        assert_eq!(total(&again), 2);
        assert_eq!(again.iter().map(|taken| taken.counts.durations.count()).sum::<u64>(), 2);
    }

    #[test]
    fn counts_that_could_not_be_written_for_a_day_are_forgotten() {
        let (statistics, integration) = (Statistics::default(), Uuid::new_v4());
        statistics.count(integration, ExecutionStatus::Failed, None, UnixMicros::new(3_000));
        let mut taken = statistics.take_changed();
        for (hours, is_kept) in [(23, true), (25, false)] {
            let minute = MinuteStatistics::minute_of(UnixMicros::now()) - Duration::from_secs(hours * 3600);
            taken[0].minute = minute;
            statistics.0.lock().insert((integration, minute), (taken[0].counts, false));
            statistics.put_back(&taken);
            assert_eq!(statistics.take_changed().len(), usize::from(is_kept), "after {hours} hours");
        }
    }
}
