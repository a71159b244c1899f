//! The plan of a schedule: the due times that run now, and the next one. No I/O.

use forebay_contract::definition::{MissedRuns, Schedule};
use forebay_contract::{ExecutionId, UnixMillis};
use std::time::Duration;

/// Maximum missed runs that `missed: all` replaces; older ones are left out.
pub const MAX_MISSED: usize = 1000;
/// Maximum runs of one schedule in one claim: the rest follows in the next one, so that a claim is short.
const MAX_AT_ONCE: usize = 100;
/// Maximum delay at which a run is not yet missed with `missed: skip`: a scheduler that is restarted loses no run.
const MAX_LATE: Duration = Duration::from_secs(10);

/// The runs of a schedule now, and the time of its next plan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Due times that run now, the oldest first.
    pub(crate) runs: Vec<UnixMillis>,
    /// The earliest due time after these.
    pub(crate) next: Option<UnixMillis>,
    /// The time of the next plan: `next` with its jitter, or at once.
    pub(crate) wake: Option<UnixMillis>,
    /// Number of due times that never run.
    pub(crate) left_out: usize,
    /// True if there were more of those than were counted.
    pub(crate) left_out_more: bool,
}

/// Plans a schedule. `next` is the earliest due time that has not been handled. `id_of` returns the execution id of a due time, which
/// determines its jitter.
pub(crate) fn plan(schedule: &Schedule, next: UnixMillis, now: UnixMillis, id_of: impl Fn(UnixMillis) -> ExecutionId) -> Plan {
    let timing = &schedule.timing;
    let delayed = |due: UnixMillis| due + jitter(schedule, due, &id_of(due));
    let mut passed = timing.latest(next, now, MAX_MISSED + 1);
    let left_out_more = passed.len() > MAX_MISSED;
    // Jitter ends before the next due time, so only the last one can still be delayed.
    let waiting = passed.pop_if(|last| delayed(*last) > now);
    let count = passed.len();
    let mut runs = match (schedule.missed, waiting) {
        (MissedRuns::All, _) => passed.split_off(count.saturating_sub(MAX_MISSED)),
        // The delayed run replaces those before it.
        (MissedRuns::Once | MissedRuns::Skip, Some(_)) => Vec::new(),
        (MissedRuns::Once, None) => passed.split_off(count.saturating_sub(1)),
        (MissedRuns::Skip, None) => {
            let last = passed.split_off(count.saturating_sub(1));
            last.into_iter().filter(|last| now.since(delayed(*last)) <= MAX_LATE).collect()
        }
    };
    let left_out = count - runs.len();
    let later = runs.get(MAX_AT_ONCE).copied();
    runs.truncate(MAX_AT_ONCE);
    let next = later.or(waiting).or_else(|| timing.next_after(now));
    let wake = if later.is_some() { Some(now) } else { next.map(delayed) };
    Plan { runs, next, wake, left_out, left_out_more }
}

/// Returns the delay of a run, in whole milliseconds: less than the jitter, and before the next due time. It is the same in every process.
pub(crate) fn jitter(schedule: &Schedule, due: UnixMillis, id: &ExecutionId) -> Duration {
    if schedule.jitter < Duration::from_millis(1) {
        return Duration::ZERO;
    }
    let until_next = schedule.timing.next_after(due).map_or(schedule.jitter, |next| next.since(due));
    let max = u64::try_from(schedule.jitter.min(until_next).as_millis()).unwrap_or(u64::MAX);
    let bytes = id.unique().into_bytes();
    // The first bytes are the time, the last ones are effectively random.
    let random = bytes[8..].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Duration::from_millis(random % max.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::IdIssuer;
    use forebay_contract::definition::{Definition, documents};
    use uuid::Uuid;

    const DUE: UnixMillis = UnixMillis::new(1_700_000_000_000);
    const MILLISECOND: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn schedule(fields: &str) -> Schedule {
        let text = format!("tenant: t\nname: n\ntrigger: {{ schedule: {{ {fields} }} }}");
        let definition = Definition::from_value(&documents(&text).unwrap()[0]).unwrap();
        definition.trigger.schedule().unwrap().clone()
    }

    fn planned(schedule: &Schedule, next: UnixMillis, now: UnixMillis) -> Plan {
        let ids = IdIssuer::new(b"key");
        plan(schedule, next, now, |due| ids.derive(Uuid::nil(), due, "schedule"))
    }

    fn run(due: &[UnixMillis], next: UnixMillis) -> Plan {
        Plan { runs: due.to_vec(), next: Some(next), wake: Some(next), left_out: 0, left_out_more: false }
    }

    #[test]
    fn a_due_time_runs_under_every_policy_when_it_comes() {
        for missed in ["skip", "once", "all"] {
            let schedule = schedule(&format!("every: 10s, missed: {missed}"));
            assert_eq!(planned(&schedule, DUE, DUE), run(&[DUE], DUE + 10 * SECOND));
            assert_eq!(planned(&schedule, DUE, DUE + 9_999 * MILLISECOND), run(&[DUE], DUE + 10 * SECOND), "late is not missed");
            assert_eq!(planned(&schedule, DUE, DUE - MILLISECOND), run(&[], DUE), "it has not come");
        }
    }

    #[test]
    fn missed_runs_are_left_out_made_up_for_by_one_or_all_run() {
        let late = DUE + 3 * MINUTE + 30 * SECOND;
        let next = DUE + 4 * MINUTE;
        let skip = planned(&schedule("every: 1m, starting: 2023-11-14T22:13:20Z, missed: skip"), DUE, late);
        assert_eq!(skip, Plan { left_out: 4, ..run(&[], next) });
        let once = planned(&schedule("every: 1m, starting: 2023-11-14T22:13:20Z, missed: once"), DUE, late);
        assert_eq!(once, Plan { left_out: 3, ..run(&[DUE + 3 * MINUTE], next) });
        let all = planned(&schedule("every: 1m, starting: 2023-11-14T22:13:20Z, missed: all"), DUE, late);
        assert_eq!(all, run(&[0, 1, 2, 3].map(|n| DUE + n * MINUTE), next));
    }

    #[test]
    fn of_very_many_missed_runs_the_latest_thousand_run_a_hundred_at_once() {
        let schedule = schedule("every: 1s, missed: all");
        let now = DUE + 5_000 * SECOND;
        let mut at = planned(&schedule, DUE, now);
        assert!(at.left_out_more);
        assert_eq!((at.runs.len(), at.runs[0], at.wake), (100, now - 999 * SECOND, Some(now)));
        let mut runs = at.runs.len();
        while at.wake == Some(now) {
            at = planned(&schedule, at.next.unwrap(), now);
            assert_eq!(at.left_out, 0);
            runs += at.runs.len();
        }
        assert_eq!((runs, at.next), (MAX_MISSED, Some(now + SECOND)));
    }

    #[test]
    fn jitter_delays_each_run_by_a_time_of_its_own_that_is_always_the_same_and_ends_before_the_next() {
        let schedule = schedule("every: 10s, jitter: 1h");
        let mut delays = std::collections::HashSet::new();
        for number in 0..200 {
            let due = DUE + number * 10 * SECOND;
            let waiting = planned(&schedule, due, due);
            let wake = waiting.wake.unwrap();
            assert!((due..due + 10 * SECOND).contains(&wake));
            if wake > due {
                assert_eq!(waiting, Plan { wake: Some(wake), ..run(&[], due) });
                assert_eq!(planned(&schedule, due, wake - MILLISECOND).runs, []);
            }
            assert_eq!(planned(&schedule, due, wake).runs, [due]);
            delays.insert(wake.since(due));
        }
        assert!(delays.len() > 150, "{} different", delays.len());
    }

    #[test]
    fn a_run_that_jitter_delays_stands_for_those_before_it() {
        let once = schedule("every: 10s, jitter: 10s");
        let all = schedule("every: 10s, jitter: 10s, missed: all");
        let ids = IdIssuer::new(b"key");
        let last = DUE + 50 * SECOND;
        assert!(jitter(&once, last, &ids.derive(Uuid::nil(), last, "schedule")) > Duration::ZERO);
        assert_eq!((planned(&once, DUE, last).runs.len(), planned(&once, DUE, last).next), (0, Some(last)));
        assert_eq!((planned(&all, DUE, last).runs.len(), planned(&all, DUE, last).next), (5, Some(last)));
    }
}
