//! What becomes of a schedule that has to be looked at: which due times run now, and which one is next. No I/O.

use forebay_contract::ExecutionId;
use forebay_contract::definition::{MissedRuns, Schedule};

/// With `missed: all`, the most due times that are made up for; older ones are left out.
pub const MAX_MISSED: usize = 1000;
/// Runs of one schedule in one claim: the rest follows in the next one, so that a claim stays short.
const MAX_AT_ONCE: usize = 100;
/// With `missed: skip`, a run is not missed while it is at most this late: a scheduler that is restarted loses none.
const LATE_MILLIS: i64 = 10_000;

/// What to do. Times are milliseconds of Unix time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Due times that run now, the oldest first.
    pub(crate) runs: Vec<i64>,
    /// The earliest due time that is left then.
    pub(crate) next: Option<i64>,
    /// When to look again: `next` with its jitter, or at once.
    pub(crate) wake: Option<i64>,
    /// Due times that never run.
    pub(crate) left_out: usize,
    /// There were more of those than were counted.
    pub(crate) left_out_more: bool,
}

/// `next`: the earliest due time that has not been handled. `id_of` gives the execution id of a due time, from which its jitter follows.
pub(crate) fn plan(schedule: &Schedule, next: i64, now: i64, id_of: impl Fn(i64) -> ExecutionId) -> Plan {
    let timing = &schedule.timing;
    let delayed = |due: i64| due.saturating_add(jitter(schedule, due, &id_of(due)));
    let mut passed = timing.latest(next, now, MAX_MISSED + 1);
    let left_out_more = passed.len() > MAX_MISSED;
    // Jitter ends before the next due time, so only the last one can still be delayed.
    let waiting = passed.pop_if(|last| delayed(*last) > now);
    let count = passed.len();
    let mut runs = match (schedule.missed, waiting) {
        (MissedRuns::All, _) => passed.split_off(count.saturating_sub(MAX_MISSED)),
        // The delayed run stands for those before it.
        (MissedRuns::Once | MissedRuns::Skip, Some(_)) => Vec::new(),
        (MissedRuns::Once, None) => passed.split_off(count.saturating_sub(1)),
        (MissedRuns::Skip, None) => {
            let last = passed.split_off(count.saturating_sub(1));
            last.into_iter().filter(|last| now - delayed(*last) <= LATE_MILLIS).collect()
        }
    };
    let left_out = count - runs.len();
    let later = runs.get(MAX_AT_ONCE).copied();
    runs.truncate(MAX_AT_ONCE);
    let next = later.or(waiting).or_else(|| timing.next_after(now));
    let wake = if later.is_some() { Some(now) } else { next.map(delayed) };
    Plan { runs, next, wake, left_out, left_out_more }
}

/// Returns the delay of a run, in milliseconds: less than the jitter, and never to the next due time. The same in every process.
pub(crate) fn jitter(schedule: &Schedule, due: i64, id: &ExecutionId) -> i64 {
    let longest = i64::try_from(schedule.jitter.as_millis()).unwrap_or(i64::MAX);
    if longest == 0 {
        return 0;
    }
    let until_next = schedule.timing.next_after(due).map_or(longest, |next| next - due);
    let bytes = id.unique().into_bytes();
    // The first bytes are the time, the last ones as good as random.
    let random = bytes[8..].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    (random % u64::try_from(longest.min(until_next).max(1)).unwrap_or(1)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::IdIssuer;
    use forebay_contract::definition::{Definition, documents};
    use uuid::Uuid;

    const DUE: i64 = 1_700_000_000_000;

    fn schedule(fields: &str) -> Schedule {
        let text = format!("tenant: t\nname: n\ntrigger: {{ schedule: {{ {fields} }} }}");
        let definition = Definition::from_value(&documents(&text).unwrap()[0]).unwrap();
        definition.trigger.schedule().unwrap().clone()
    }

    fn planned(schedule: &Schedule, next: i64, now: i64) -> Plan {
        let ids = IdIssuer::new(b"key");
        plan(schedule, next, now, |due| ids.derive(Uuid::nil(), due, "schedule"))
    }

    fn run(due: &[i64], next: i64) -> Plan {
        Plan { runs: due.to_vec(), next: Some(next), wake: Some(next), left_out: 0, left_out_more: false }
    }

    #[test]
    fn a_due_time_runs_under_every_policy_when_it_comes() {
        for missed in ["skip", "once", "all"] {
            let schedule = schedule(&format!("every: 10s, missed: {missed}"));
            assert_eq!(planned(&schedule, DUE, DUE), run(&[DUE], DUE + 10_000));
            assert_eq!(planned(&schedule, DUE, DUE + 9_999), run(&[DUE], DUE + 10_000), "late is not missed");
            assert_eq!(planned(&schedule, DUE, DUE - 1), run(&[], DUE), "it has not come");
        }
    }

    #[test]
    fn missed_runs_are_left_out_made_up_for_by_one_or_all_run() {
        let late = DUE + 3 * 60_000 + 30_000;
        let next = DUE + 4 * 60_000;
        let skip = planned(&schedule("every: 1m, starting: 2023-11-14T22:13:20Z, missed: skip"), DUE, late);
        assert_eq!(skip, Plan { left_out: 4, ..run(&[], next) });
        let once = planned(&schedule("every: 1m, starting: 2023-11-14T22:13:20Z, missed: once"), DUE, late);
        assert_eq!(once, Plan { left_out: 3, ..run(&[DUE + 3 * 60_000], next) });
        let all = planned(&schedule("every: 1m, starting: 2023-11-14T22:13:20Z, missed: all"), DUE, late);
        assert_eq!(all, run(&[0, 1, 2, 3].map(|n| DUE + n * 60_000), next));
    }

    #[test]
    fn of_very_many_missed_runs_the_latest_thousand_run_a_hundred_at_once() {
        let schedule = schedule("every: 1s, missed: all");
        let now = DUE + 5_000_000;
        let mut at = planned(&schedule, DUE, now);
        assert!(at.left_out_more);
        assert_eq!((at.runs.len(), at.runs[0], at.wake), (100, now - 999_000, Some(now)));
        let mut runs = at.runs.len();
        while at.wake == Some(now) {
            at = planned(&schedule, at.next.unwrap(), now);
            assert_eq!(at.left_out, 0);
            runs += at.runs.len();
        }
        assert_eq!((runs, at.next), (MAX_MISSED, Some(now + 1000)));
    }

    #[test]
    fn jitter_puts_each_run_off_by_a_time_of_its_own_that_is_always_the_same_and_ends_before_the_next() {
        let schedule = schedule("every: 10s, jitter: 1h");
        let mut seen = std::collections::HashSet::new();
        for number in 0..200 {
            let due = DUE + number * 10_000;
            let waiting = planned(&schedule, due, due);
            let wake = waiting.wake.unwrap();
            assert!((due..due + 10_000).contains(&wake));
            if wake > due {
                assert_eq!(waiting, Plan { wake: Some(wake), ..run(&[], due) });
                assert_eq!(planned(&schedule, due, wake - 1).runs, [] as [i64; 0]);
            }
            assert_eq!(planned(&schedule, due, wake).runs, [due]);
            seen.insert(wake - due);
        }
        assert!(seen.len() > 150, "{} different", seen.len());
    }

    #[test]
    fn a_run_that_jitter_puts_off_makes_up_for_those_before_it() {
        let once = schedule("every: 10s, jitter: 10s");
        let all = schedule("every: 10s, jitter: 10s, missed: all");
        let ids = IdIssuer::new(b"key");
        let last = DUE + 50_000;
        assert!(jitter(&once, last, &ids.derive(Uuid::nil(), last, "schedule")) > 0);
        assert_eq!((planned(&once, DUE, last).runs.len(), planned(&once, DUE, last).next), (0, Some(last)));
        assert_eq!((planned(&all, DUE, last).runs.len(), planned(&all, DUE, last).next), (5, Some(last)));
    }
}
