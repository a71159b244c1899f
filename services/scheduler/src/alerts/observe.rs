//! The observation of an integration: decides from facts if the condition of an alert rule holds. No I/O.

use super::decide::Observation;
use forebay_contract::alert::Condition;
use forebay_contract::{UnixMicros, UnixMillis, format_duration};
use forebay_store::{AlertState, Counts, Integration, TriggerState};
use std::time::Duration;

/// The facts about one integration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The database's clock.
    pub(crate) now: UnixMicros,
    /// Executions that ended in the window.
    pub(crate) counts: Counts,
    /// The time at which the last recorded execution was received.
    pub(crate) last_accepted: Option<UnixMicros>,
    /// The time of receipt of the oldest execution that workers hold.
    pub(crate) in_hand: Option<UnixMicros>,
    /// True if messages wait that no worker holds; `None`: unknown.
    pub(crate) waits: Option<bool>,
    /// The halt of its trigger.
    pub(crate) halt: Option<TriggerState>,
}

/// Observes an integration that the rule watches. `state` is its state at the evaluation before.
pub(crate) fn observe(condition: &Condition, integration: &Integration, facts: &Facts, state: Option<&AlertState>) -> Observation {
    let waiting_since = match facts.waits {
        Some(true) => state.and_then(|state| state.waiting_since).or(Some(facts.now)),
        Some(false) => None,
        None => state.and_then(|state| state.waiting_since),
    };
    let (holds, detail) = match condition {
        Condition::FailureRate { over, window, at_least } => failure_rate(*over, *window, *at_least, &facts.counts),
        Condition::OldestAge { over } => oldest_age(*over, facts, waiting_since),
        Condition::Halted => halted(facts),
        Condition::Silent { lasting } => silent(*lasting, facts, state),
    };
    let (id, name) = (integration.id, integration.definition.name.clone());
    Observation { integration: id, name, holds, detail, waiting_since, is_watched: true }
}

/// Observes an integration that is not watched any more.
pub(crate) fn unwatched(integration: &Integration) -> Observation {
    let detail = "it is not watched any more".to_owned();
    let (id, name) = (integration.id, integration.definition.name.clone());
    Observation { integration: id, name, holds: Some(false), detail, waiting_since: None, is_watched: false }
}

fn failure_rate(over: f64, window: Duration, at_least: u64, counts: &Counts) -> (Option<bool>, String) {
    let total = counts.total();
    let bad = total - counts.succeeded;
    let percent = if total == 0 { 0.0 } else { bad as f64 * 100.0 / total as f64 };
    let detail = format!("{bad} of {total} executions that ended within {} failed or expired ({percent:.1} %)", format_duration(window));
    (Some(total >= at_least && percent > over), detail)
}

fn oldest_age(over: Duration, facts: &Facts, waiting_since: Option<UnixMicros>) -> (Option<bool>, String) {
    // Workers hold no messages of a halted trigger: its oldest message is the execution that failed, whose id begins with its time of
    // receipt.
    let halted = facts.halt.as_ref().and_then(|halt| halt.execution_id).map(accepted_at);
    let since = [facts.in_hand, halted, waiting_since].into_iter().flatten().min();
    let age = since.map(|since| facts.now.since(since));
    let holds = age.is_some_and(|age| age > over);
    let is_known = holds || facts.waits.is_some();
    let detail = match age {
        Some(age) => format!("the oldest message has been under way for {}", spoken(age)),
        None => "no message waits".to_owned(),
    };
    (is_known.then_some(holds), detail)
}

fn halted(facts: &Facts) -> (Option<bool>, String) {
    let Some(halt) = &facts.halt else { return (Some(false), "the trigger runs".to_owned()) };
    let reason = halt.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    (Some(true), format!("the trigger has halted{reason}"))
}

fn silent(lasting: Duration, facts: &Facts, state: Option<&AlertState>) -> (Option<bool>, String) {
    let watched_since = state.map_or(facts.now, |state| state.watched_since);
    let accepted = facts.last_accepted.max(facts.in_hand);
    let quiet = facts.now.since(accepted.map_or(watched_since, |accepted| accepted.max(watched_since)));
    let detail = match accepted {
        Some(accepted) => format!("the last execution was accepted {} ago", spoken(facts.now.since(accepted))),
        None => format!("no execution was accepted in {}", spoken(quiet)),
    };
    if quiet < lasting {
        return (Some(false), detail);
    }
    // Waiting messages may have just arrived: their age is unknown until a worker holds them.
    let holds = facts.waits.and_then(|waits| (!waits).then_some(true));
    (holds, detail)
}

/// Returns the time of receipt: the first 48 bits of an execution's id, in milliseconds.
fn accepted_at(execution: uuid::Uuid) -> UnixMicros {
    let millis = execution.as_u128() >> 80;
    i64::try_from(millis).map_or_else(|_| UnixMicros::now(), |millis| UnixMillis::new(millis).to_micros())
}

/// Returns the two largest units: `2d 3h`, `6m 12s`.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let first = units.iter().position(|(_, count)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units[first..].iter().take(2).enumerate().filter(|(place, (_, count))| *place == 0 || *count > 0);
    shown.map(|(_, (unit, count))| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::definition::{Definition, documents};
    use forebay_contract::outcome::ExecutionStatus;
    use forebay_store::{AlertPhase, TriggerPhase};
    use std::sync::Arc;
    use uuid::Uuid;

    const MINUTE: Duration = Duration::from_secs(60);
    const NOW: UnixMicros = UnixMicros::new(1_700_000_000_000_000);

    fn integration() -> Integration {
        let document = &documents("tenant: t\nname: n\ntrigger: { webhook: {} }").unwrap()[0];
        Integration { id: Uuid::from_u128(1), version: 1, definition: Arc::new(Definition::from_value(document).unwrap()) }
    }

    fn state(watched_since: UnixMicros, waiting_since: Option<UnixMicros>) -> AlertState {
        let (phase, detail) = (AlertPhase::Clear, String::new());
        let integration = Uuid::from_u128(1);
        let (raised_at, clear_since, notified_at, over_at) = (None, None, None, None);
        AlertState { integration, phase, watched_since, waiting_since, raised_at, clear_since, notified_at, over_at, flaps: 0, detail }
    }

    fn observed(condition: Condition, facts: Facts, state: Option<&AlertState>) -> (Option<bool>, String) {
        let observed = observe(&condition, &integration(), &Facts { now: NOW, ..facts }, state);
        (observed.holds, observed.detail)
    }

    fn counts(succeeded: u64, failed: u64, expired: u64) -> Facts {
        let mut counts = Counts::default();
        for (count, status) in
            [(succeeded, ExecutionStatus::Succeeded), (failed, ExecutionStatus::Failed), (expired, ExecutionStatus::Expired)]
        {
            (0..count).for_each(|_| counts.add(status, None));
        }
        Facts { counts, ..Facts::default() }
    }

    #[test]
    fn the_failure_rate_counts_what_failed_or_expired_of_enough_that_ended() {
        let rate = Condition::FailureRate { over: 10.0, window: Duration::from_secs(900), at_least: 20 };
        let text = "3 of 20 executions that ended within 15m failed or expired (15.0 %)";
        assert_eq!(observed(rate, counts(17, 2, 1), None), (Some(true), text.to_owned()));
        assert_eq!(observed(rate, counts(18, 2, 0), None).0, Some(false), "10 % is not over 10 %");
        assert_eq!(observed(rate, counts(0, 19, 0), None).0, Some(false), "too few");
        assert_eq!(observed(rate, counts(0, 0, 0), None).0, Some(false));
        let any = Condition::FailureRate { over: 0.0, window: Duration::from_secs(900), at_least: 1 };
        assert_eq!(observed(any, counts(1_000, 1, 0), None).0, Some(true));
    }

    #[test]
    fn the_oldest_message_is_in_hand_or_waits_for_a_worker_or_for_a_decision() {
        let condition = Condition::OldestAge { over: Duration::from_secs(300) };
        let facts = |in_hand: Option<UnixMicros>, waits| Facts { in_hand, waits, ..Facts::default() };
        let none = observed(condition, facts(None, Some(false)), None);
        assert_eq!(none, (Some(false), "no message waits".to_owned()));
        let old = observed(condition, facts(Some(NOW - 6 * MINUTE - Duration::from_secs(12)), Some(false)), None);
        assert_eq!(old, (Some(true), "the oldest message has been under way for 6m 12s".to_owned()));
        assert_eq!(observed(condition, facts(Some(NOW - 5 * MINUTE), Some(false)), None).0, Some(false), "it is 5 minutes and not over");
        // No worker holds it: its age counts from the first observation.
        let first = observe(&condition, &integration(), &Facts { now: NOW, ..facts(None, Some(true)) }, None);
        assert_eq!((first.holds, first.waiting_since), (Some(false), Some(NOW)));
        let waiting = state(UnixMicros::default(), Some(NOW - 6 * MINUTE));
        assert_eq!(observed(condition, facts(None, Some(true)), Some(&waiting)).0, Some(true));
        assert_eq!(observed(condition, facts(None, Some(false)), Some(&waiting)).0, Some(false), "it is gone");
        assert_eq!(observed(condition, facts(None, None), None).0, None, "the broker cannot be asked");
        assert_eq!(observed(condition, facts(Some(NOW - 6 * MINUTE), None), None).0, Some(true));
        let millis = u128::try_from((NOW - 7 * MINUTE).to_millis().get()).unwrap();
        let execution_id = Some(Uuid::from_u128(millis << 80 | 99));
        let halt = TriggerState { phase: TriggerPhase::Halted, execution_id, error: None, since: NOW, decision: None };
        let halted = Facts { halt: Some(halt), waits: Some(true), ..Facts::default() };
        assert_eq!(observed(condition, halted, None).1, "the oldest message has been under way for 7m");
    }

    #[test]
    fn a_trigger_is_silent_when_nothing_came_since_it_is_watched_and_nothing_waits() {
        let condition = Condition::Silent { lasting: Duration::from_secs(1800) };
        let facts = |last_accepted: Option<UnixMicros>, in_hand: Option<UnixMicros>, waits| Facts {
            last_accepted,
            in_hand,
            waits,
            ..Facts::default()
        };
        let (long, short) = (state(NOW - 40 * MINUTE, None), state(NOW - 20 * MINUTE, None));
        let nothing = observed(condition, facts(None, None, Some(false)), Some(&long));
        assert_eq!(nothing, (Some(true), "no execution was accepted in 40m".to_owned()));
        let old = observed(condition, facts(Some(NOW - 300 * MINUTE), None, Some(false)), Some(&long));
        assert_eq!(old, (Some(true), "the last execution was accepted 5h ago".to_owned()));
        assert_eq!(observed(condition, facts(Some(NOW - 300 * MINUTE), None, Some(false)), Some(&short)).0, Some(false));
        assert_eq!(observed(condition, facts(None, None, Some(false)), None).0, Some(false), "it is watched since now");
        assert_eq!(observed(condition, facts(Some(NOW - 29 * MINUTE), None, Some(false)), Some(&long)).0, Some(false));
        assert_eq!(observed(condition, facts(None, Some(NOW - MINUTE), Some(false)), Some(&long)).0, Some(false), "one runs");
        assert_eq!(observed(condition, facts(None, None, Some(true)), Some(&long)).0, None, "what waits may have come just now");
        assert_eq!(observed(condition, facts(None, None, None), Some(&long)).0, None);
    }

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        let spoken = |seconds| spoken(Duration::from_secs(seconds));
        assert_eq!([0, 59, 60, 3_725, 90_000].map(spoken), ["0s", "59s", "1m", "1h 2m", "1d 1h"]);
    }
}
