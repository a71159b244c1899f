//! The evaluation of an alert rule: the change of its states, and the notification that is due. No I/O.
//!
//! An alert is raised at once, and resolved only after its condition has not held for a time: raises within that time are one alert. The
//! time doubles each time that the condition returns soon after the alert was resolved. Notifications of one rule keep a minimum distance;
//! events between two of them are in the next one together.

use forebay_contract::alert::{Event, Notification, NotificationEntry};
use forebay_contract::{Name, UnixMicros};
use forebay_store::{AlertEvaluation, AlertPhase, AlertState, DueAlert};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Evaluations in a row without the condition until an alert is resolved, and between two notifications: a minute, with an interval of 15
/// s.
const CALM_EVALUATIONS: u32 = 4;
/// Maximum delay, as a power of two of the first one: about an hour.
const MAX_FLAPS: i32 = 6;

/// The minimum times of an alert rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Time without the condition until the alert is resolved.
    calm: Duration,
    /// Minimum time between two notifications.
    gap: Duration,
    /// Minimum time between two notifications that remind.
    repeat: Duration,
}

impl Pace {
    /// `interval`: time between two evaluations.
    pub(crate) fn new(interval: Duration, repeat: Duration) -> Self {
        let calm = interval * CALM_EVALUATIONS;
        Self { calm, gap: calm, repeat }
    }

    /// Returns the time without the condition until an alert with this many returns is resolved.
    fn calm_of(&self, flaps: i32) -> Duration {
        self.calm.saturating_mul(1 << flaps.clamp(0, MAX_FLAPS))
    }

    /// Returns the time after which a raise is a new alert, not a return of the one before.
    fn quiet(&self) -> Duration {
        self.calm_of(MAX_FLAPS)
    }
}

/// The observation of one integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) integration: Uuid,
    pub(crate) name: Name,
    /// True if the condition holds; `None`: that is not known at the moment, and nothing changes.
    pub(crate) holds: Option<bool>,
    /// The measured values, as a sentence.
    pub(crate) detail: String,
    /// The time since which messages wait that no worker has in hand.
    pub(crate) waiting_since: Option<UnixMicros>,
    /// True if the rule still watches the integration.
    pub(crate) is_watched: bool,
}

/// Returns the new states, and the notification that is due.
pub(crate) fn decide(due: &DueAlert, observations: &[Observation], pace: &Pace) -> AlertEvaluation {
    let before: BTreeMap<Uuid, &AlertState> = due.states.iter().map(|state| (state.integration, state)).collect();
    let mut states: Vec<(&Observation, AlertState)> = Vec::with_capacity(observations.len());
    for observation in observations {
        let mut state = before.get(&observation.integration).map_or_else(|| new_state(observation, due.now), |state| (*state).clone());
        advance(&mut state, observation, due.now, pace);
        states.push((observation, state));
    }
    let notification = if may_notify(due, pace) { write_notification(due, &mut states, pace) } else { None };
    let mut evaluation = AlertEvaluation { changed: Vec::new(), forgotten: Vec::new(), notification };
    for (observation, state) in states {
        if !observation.is_watched && state.phase == AlertPhase::Clear {
            evaluation.forgotten.push(state.integration);
        } else if before.get(&state.integration) != Some(&&state) {
            evaluation.changed.push(state);
        }
    }
    let is_observed = |id: &Uuid| observations.iter().any(|observation| observation.integration == *id);
    evaluation.forgotten.extend(before.keys().filter(|id| !is_observed(id)));
    evaluation
}

fn new_state(observation: &Observation, now: UnixMicros) -> AlertState {
    AlertState {
        integration: observation.integration,
        phase: AlertPhase::Clear,
        watched_since: now,
        waiting_since: None,
        raised_at: None,
        clear_since: None,
        notified_at: None,
        over_at: None,
        flaps: 0,
        detail: String::new(),
    }
}

fn advance(state: &mut AlertState, observation: &Observation, now: UnixMicros, pace: &Pace) {
    state.waiting_since = observation.waiting_since;
    match (state.phase, observation.holds) {
        (_, None) | (AlertPhase::Clear | AlertPhase::Over, Some(false)) => {}
        (AlertPhase::Clear, Some(true)) => {
            state.flaps = flaps(state, now, pace);
            (state.phase, state.raised_at) = (AlertPhase::Raised, Some(now));
            state.detail.clone_from(&observation.detail);
        }
        // No notification said that it was resolved: it is the same alert.
        (AlertPhase::Over, Some(true)) => {
            state.flaps = flaps(state, now, pace);
            state.phase = AlertPhase::Raised;
            state.detail.clone_from(&observation.detail);
        }
        (AlertPhase::Raised, Some(true)) => {
            state.clear_since = None;
            state.detail.clone_from(&observation.detail);
        }
        (AlertPhase::Raised, Some(false)) => {
            let clear_since = *state.clear_since.get_or_insert(now);
            let calm = if observation.is_watched { pace.calm_of(state.flaps) } else { Duration::ZERO };
            if now.since(clear_since) >= calm {
                (state.phase, state.clear_since, state.over_at) = (AlertPhase::Over, None, Some(now));
                state.detail.clone_from(&observation.detail);
            }
        }
    }
}

/// Returns the number of returns, now that the condition holds again; a long time without the condition lowers it.
fn flaps(state: &AlertState, now: UnixMicros, pace: &Pace) -> i32 {
    let Some(over_at) = state.over_at else { return 0 };
    let quiet_times = now.since(over_at).as_micros() / pace.quiet().as_micros().max(1);
    match quiet_times {
        0 => (state.flaps + 1).min(MAX_FLAPS),
        times => state.flaps.saturating_sub(i32::try_from(times).unwrap_or(i32::MAX)).max(0),
    }
}

/// Returns whether a notification may be written: the one before has been sent everywhere, and is old enough.
fn may_notify(due: &DueAlert, pace: &Pace) -> bool {
    due.pending.is_none() && has_passed(due.notified_at, pace.gap, due.now)
}

fn has_passed(since: Option<UnixMicros>, time: Duration, now: UnixMicros) -> bool {
    since.is_none_or(|since| now.since(since) >= time)
}

fn write_notification(due: &DueAlert, states: &mut [(&Observation, AlertState)], pace: &Pace) -> Option<(Notification, bool)> {
    let may_remind = has_passed(due.reminded_at, pace.repeat, due.now);
    let mut entries = Vec::new();
    for (observation, state) in states.iter_mut() {
        let event = match state.phase {
            AlertPhase::Over => Event::Resolved,
            AlertPhase::Raised if state.notified_at.is_none() => Event::Raised,
            AlertPhase::Raised if may_remind && state.clear_since.is_none() && has_passed(state.notified_at, pace.repeat, due.now) => {
                Event::StillRaised
            }
            AlertPhase::Raised | AlertPhase::Clear => continue,
        };
        let since = state.raised_at.unwrap_or(due.now);
        entries.push(NotificationEntry { integration: observation.name.clone(), event, since, detail: state.detail.clone() });
        if event == Event::Resolved {
            (state.phase, state.raised_at, state.notified_at) = (AlertPhase::Clear, None, None);
        } else {
            state.notified_at = Some(due.now);
        }
    }
    let reminds = entries.iter().any(|entry| entry.event == Event::StillRaised);
    entries.sort_by(|a, b| a.integration.cmp(&b.integration));
    (!entries.is_empty()).then(|| (Notification { number: due.number + 1, at: due.now, entries }, reminds))
}

#[cfg(test)]
mod tests;
