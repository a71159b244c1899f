use super::*;
use forebay_contract::UnixMicros;
use forebay_contract::alert::Alert;
use forebay_contract::definition::documents;
use proptest::prelude::*;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(15);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const START: UnixMicros = UnixMicros::new(1_700_000_000_000_000);
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

/// A rule on some integrations, as it is stored between evaluations.
struct Watch {
    due: DueAlert,
    pace: Pace,
    names: Vec<Name>,
    /// True if notifications arrive.
    arrives: bool,
    notifications: Vec<Notification>,
}

impl Watch {
    fn new(integrations: usize) -> Self {
        let text = "tenant: t\nalert: a\nwhen: { halted: {} }\nsend: { webhook: { url: 'http://a.example' } }\nrepeat: 4h";
        let alert = Alert::from_value(&documents(text).unwrap()[0]).unwrap();
        let pace = Pace::new(Duration::from_secs(15), alert.repeat);
        let due = DueAlert {
            id: Uuid::nil(),
            alert,
            revision: 1,
            now: START,
            number: 0,
            notified_at: None,
            reminded_at: None,
            pending: None,
            delivered: Vec::new(),
            attempts: 0,
            try_at: None,
            states: Vec::new(),
        };
        let names = (0..integrations).map(|number| format!("I{number}").parse().unwrap()).collect();
        Self { due, pace, names, arrives: true, notifications: Vec::new() }
    }

    /// Evaluates 15 s after the evaluation before, and returns the events of the notification.
    fn evaluate(&mut self, holds: &[Option<bool>]) -> Vec<(usize, Event)> {
        let watched: Vec<_> = holds.iter().map(|holds| (*holds, true)).collect();
        self.evaluate_observed(&watched)
    }

    fn evaluate_observed(&mut self, holds: &[(Option<bool>, bool)]) -> Vec<(usize, Event)> {
        let observations: Vec<Observation> = holds
            .iter()
            .enumerate()
            .map(|(number, (holds, is_watched))| Observation {
                integration: Uuid::from_u128(number as u128),
                name: self.names[number].clone(),
                holds: *holds,
                detail: format!("{holds:?}"),
                waiting_since: None,
                is_watched: *is_watched,
            })
            .collect();
        let evaluation = decide(&self.due, &observations, &self.pace);
        self.due.states.retain(|state| !evaluation.forgotten.contains(&state.integration));
        for changed in evaluation.changed {
            self.due.states.retain(|state| state.integration != changed.integration);
            self.due.states.push(changed);
        }
        let mut events = Vec::new();
        if let Some((notification, reminds)) = evaluation.notification {
            assert!(self.due.pending.is_none(), "one message at a time");
            assert_eq!(notification.number, self.due.number + 1);
            (self.due.number, self.due.notified_at) = (notification.number, Some(notification.at));
            if reminds {
                self.due.reminded_at = Some(notification.at);
            }
            for entry in &notification.entries {
                events.push((self.names.iter().position(|name| *name == entry.integration).unwrap(), entry.event));
            }
            self.due.pending = Some(notification.clone());
            self.notifications.push(notification);
        }
        if self.arrives {
            self.due.pending = None;
        }
        self.due.now = self.due.now + INTERVAL;
        events
    }

    /// Evaluates several times with the same observations, and returns all events.
    fn evaluate_times(&mut self, count: i64, holds: &[Option<bool>]) -> Vec<(usize, Event)> {
        (0..count).flat_map(|_| self.evaluate(holds)).collect()
    }
}

#[test]
fn a_notification_is_sent_when_it_is_raised_and_when_it_is_resolved() {
    let mut watch = Watch::new(1);
    assert_eq!(watch.evaluate_times(10, &[NO]), []);
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::Raised)]);
    assert_eq!(watch.evaluate_times(100, &[YES]), []);
    assert_eq!(watch.evaluate_times(4, &[NO]), [], "it is clear for 45 s only");
    assert_eq!(watch.evaluate(&[NO]), [(0, Event::Resolved)]);
    assert_eq!(watch.evaluate_times(100, &[NO]), []);
    let resolved = &watch.notifications[1].entries[0];
    assert_eq!((resolved.since, watch.notifications[1].at), (START + 10 * INTERVAL, START + 115 * INTERVAL));
}

#[test]
fn raises_within_a_minute_are_one_alert() {
    let mut watch = Watch::new(1);
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::Raised)]);
    for _ in 0..50 {
        assert_eq!(watch.evaluate_times(4, &[NO]), []);
        assert_eq!(watch.evaluate(&[YES]), []);
    }
}

#[test]
fn a_condition_that_returns_must_be_clear_for_longer_each_time() {
    let mut watch = Watch::new(1);
    let mut evaluations_until_over = Vec::new();
    for _ in 0..8 {
        assert_eq!(watch.evaluate(&[YES]), [(0, Event::Raised)]);
        let mut evaluations = 1;
        while watch.evaluate(&[NO]).is_empty() {
            evaluations += 1;
        }
        evaluations_until_over.push(evaluations - 1);
        // Longer than the minimum distance of two notifications.
        watch.evaluate_times(4, &[NO]);
    }
    assert_eq!(evaluations_until_over, [4, 8, 16, 32, 64, 128, 256, 256]);
    watch.evaluate_times(8 * 256, &[NO]);
    watch.evaluate(&[YES]);
    assert_eq!(watch.due.states[0].flaps, 0, "a long time without it makes up for that");
}

#[test]
fn while_it_stays_raised_a_reminder_is_sent_after_the_time_to_repeat_and_not_before() {
    let mut watch = Watch::new(1);
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::Raised)]);
    let four_hours = (4 * HOUR).div_duration_f64(INTERVAL) as i64;
    assert_eq!(watch.evaluate_times(four_hours - 1, &[YES]), []);
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::StillRaised)]);
    assert_eq!(watch.evaluate_times(four_hours - 1, &[YES]), []);
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::StillRaised)]);
}

#[test]
fn alerts_that_are_raised_together_are_in_one_notification_and_the_rest_a_minute_later() {
    let mut watch = Watch::new(4);
    assert_eq!(watch.evaluate(&[YES, NO, YES, NO]), [(0, Event::Raised), (2, Event::Raised)]);
    assert_eq!(watch.evaluate(&[YES, YES, YES, NO]), []);
    assert_eq!(watch.evaluate(&[YES, YES, YES, YES]), []);
    assert_eq!(watch.evaluate(&[NO, YES, YES, YES]), []);
    assert_eq!(watch.evaluate(&[NO, YES, YES, YES]), [(1, Event::Raised), (3, Event::Raised)]);
    assert_eq!(watch.evaluate_times(4, &[NO, YES, YES, YES]), [(0, Event::Resolved)]);
}

#[test]
fn an_unknown_condition_changes_nothing() {
    let mut watch = Watch::new(1);
    assert_eq!(watch.evaluate_times(10, &[None]), []);
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::Raised)]);
    assert_eq!(watch.evaluate_times(100, &[None]), []);
    assert_eq!(watch.due.states[0].phase, AlertPhase::Raised);
}

#[test]
fn nothing_is_written_while_a_message_has_not_arrived_and_what_happened_meanwhile_is_told_then() {
    let mut watch = Watch::new(2);
    watch.arrives = false;
    assert_eq!(watch.evaluate(&[YES, NO]), [(0, Event::Raised)]);
    assert_eq!(watch.evaluate_times(20, &[NO, YES]), []);
    watch.arrives = true;
    watch.due.pending = None;
    assert_eq!(watch.evaluate(&[NO, YES]), [(0, Event::Resolved), (1, Event::Raised)]);
}

#[test]
fn an_alert_that_returns_before_its_resolution_was_sent_is_the_same_alert() {
    let mut watch = Watch::new(1);
    watch.arrives = false;
    assert_eq!(watch.evaluate(&[YES]), [(0, Event::Raised)]);
    watch.evaluate_times(20, &[NO]);
    assert_eq!(watch.due.states[0].phase, AlertPhase::Over);
    watch.evaluate(&[YES]);
    watch.arrives = true;
    watch.due.pending = None;
    assert_eq!(watch.evaluate_times(10, &[YES]), []);
    assert_eq!(watch.due.states[0].raised_at, Some(START));
}

#[test]
fn an_integration_that_is_not_watched_any_more_is_over_at_once_and_forgotten() {
    let mut watch = Watch::new(2);
    watch.evaluate(&[YES, NO]);
    watch.evaluate_times(4, &[YES, NO]);
    assert_eq!(watch.evaluate_observed(&[(NO, false), (NO, true)]), [(0, Event::Resolved)]);
    assert_eq!(watch.due.states.len(), 1);
    watch.evaluate_observed(&[]);
    assert!(watch.due.states.is_empty(), "one that does not exist any more is forgotten without a word");
}

#[test]
fn an_evaluation_without_a_change_writes_nothing() {
    let mut watch = Watch::new(1);
    for holds in [NO, YES] {
        watch.evaluate_times(10, &[holds]);
        let observation = Observation {
            integration: Uuid::from_u128(0),
            name: watch.names[0].clone(),
            holds,
            detail: format!("{holds:?}"),
            waiting_since: None,
            is_watched: true,
        };
        assert_eq!(decide(&watch.due, &[observation], &watch.pace), AlertEvaluation::default());
    }
}

fn any_facts() -> impl Strategy<Value = Vec<(Vec<Option<bool>>, bool, u8)>> {
    let one = prop_oneof![4 => Just(YES), 4 => Just(NO), 1 => Just(None)];
    // Observations, whether notifications arrive, and for how many evaluations.
    prop::collection::vec((prop::collection::vec(one, 3), prop::bool::weighted(0.9), 1..80_u8), 1..120)
}

proptest! {
    #[test]
    fn no_sequence_of_facts_gives_more_than_the_allowed_messages(facts in any_facts()) {
        let mut watch = Watch::new(3);
        for (holds, arrives, times) in &facts {
            watch.arrives = *arrives;
            watch.evaluate_times(i64::from(*times), holds);
        }
        let duration = watch.due.now.since(START);
        for (before, after) in watch.notifications.iter().zip(watch.notifications.iter().skip(1)) {
            prop_assert!(after.at.since(before.at) >= MINUTE, "two messages within a minute");
        }
        let reminders: Vec<UnixMicros> = watch.notifications.iter().filter(|notification| notification.entries.iter().any(|entry| entry.event == Event::StillRaised)).map(|notification| notification.at).collect();
        for (before, after) in reminders.iter().zip(reminders.iter().skip(1)) {
            prop_assert!(after.since(*before) >= 4 * HOUR, "reminded too soon");
        }
        for name in &watch.names {
            let events: Vec<Event> = watch.notifications.iter().flat_map(|notification| &notification.entries).filter(|entry| entry.integration == *name).map(|entry| entry.event).collect();
            let raised = events.iter().filter(|event| **event == Event::Raised).count() as u64;
            prop_assert!(raised <= 8 + duration.as_secs() / (32 * MINUTE).as_secs(), "{raised} times raised within {duration:?}");
            let mut is_raised = false;
            for event in events {
                match event {
                    Event::Raised => prop_assert!(!is_raised, "raised twice"),
                    Event::StillRaised => prop_assert!(is_raised, "reminded of what is not raised"),
                    // If an alert was resolved before its first notification could be written, only its end is notified.
                    Event::Resolved | Event::Test => {}
                }
                is_raised = event != Event::Resolved;
            }
        }
    }

    #[test]
    fn the_last_notification_matches_the_state(facts in any_facts()) {
        let mut watch = Watch::new(3);
        for (holds, arrives, times) in &facts {
            watch.arrives = *arrives;
            watch.evaluate_times(i64::from(*times), holds);
        }
        // Longer than any other period of the test.
        watch.arrives = true;
        watch.due.pending = None;
        watch.evaluate_times(300, &[YES, NO, NO]);
        let last = |name: &Name| watch.notifications.iter().rev().flat_map(|notification| &notification.entries).find(|entry| entry.integration == *name).map(|entry| entry.event);
        prop_assert!(matches!(last(&watch.names[0]), Some(Event::Raised | Event::StillRaised)));
        for name in &watch.names[1..] {
            prop_assert!(matches!(last(name), None | Some(Event::Resolved)));
        }
    }
}
