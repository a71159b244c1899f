//! What a look at an alert changes, and whether somebody is told. No I/O.
//!
//! An alert is raised at once, and over only when its condition has not held for a while: what comes and goes within it is one alert.
//! Each time it comes back soon after it was over, that while doubles. Messages of one alert keep a distance from each other, and what
//! happens meanwhile goes into the next one together.

use forebay_contract::Name;
use forebay_contract::alert::{Event, Notice, NoticeEntry};
use forebay_store::{AlertLook, AlertPhase, AlertState, DueAlert};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Looks in a row without the condition until an alert is over, and between two messages: a minute, with looks every 15 s.
const CALM_LOOKS: u32 = 4;
/// Maximum delay, as a power of two of the first one: about an hour.
const MAX_FLAPS: i32 = 6;

/// How long things last. Microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long the condition must not hold until it is over.
    calm: i64,
    /// Minimum time between two messages.
    gap: i64,
    /// Minimum time between two messages that remind.
    repeat: i64,
}

impl Pace {
    /// `every`: how often the alert is looked at.
    pub(crate) fn new(every: Duration, repeat: Duration) -> Self {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let calm = micros(every * CALM_LOOKS);
        Self { calm, gap: calm, repeat: micros(repeat) }
    }

    /// How long the condition must not hold for an alert that came back this often.
    fn calm_of(&self, flaps: i32) -> i64 {
        self.calm.saturating_mul(1 << flaps.clamp(0, MAX_FLAPS))
    }

    /// An alert that comes back later than this is another one.
    fn quiet(&self) -> i64 {
        self.calm_of(MAX_FLAPS)
    }
}

/// What is seen of one integration now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) integration: Uuid,
    pub(crate) name: Name,
    /// Whether the condition holds; `None`: that cannot be seen at the moment, and nothing changes.
    pub(crate) holds: Option<bool>,
    /// The figures, as a sentence.
    pub(crate) detail: String,
    /// Since when messages wait that no worker has in hand.
    pub(crate) waiting_since: Option<i64>,
    /// Whether the alert still is about the integration.
    pub(crate) is_watched: bool,
}

/// Brings the states up to date and writes the message that is due, if one is.
pub(crate) fn decide(due: &DueAlert, observations: &[Observation], pace: &Pace) -> AlertLook {
    let before: BTreeMap<Uuid, &AlertState> = due.states.iter().map(|state| (state.integration, state)).collect();
    let mut states: Vec<(&Observation, AlertState)> = Vec::with_capacity(observations.len());
    for observation in observations {
        let mut state = before.get(&observation.integration).map_or_else(|| new_state(observation, due.now), |state| (*state).clone());
        advance(&mut state, observation, due.now, pace);
        states.push((observation, state));
    }
    let notice = if may_tell(due, pace) { write_notice(due, &mut states, pace) } else { None };
    let mut look = AlertLook { changed: Vec::new(), forgotten: Vec::new(), notice };
    for (observation, state) in states {
        if !observation.is_watched && state.phase == AlertPhase::Clear {
            look.forgotten.push(state.integration);
        } else if before.get(&state.integration) != Some(&&state) {
            look.changed.push(state);
        }
    }
    let is_seen = |id: &Uuid| observations.iter().any(|observation| observation.integration == *id);
    look.forgotten.extend(before.keys().filter(|id| !is_seen(id)));
    look
}

fn new_state(observation: &Observation, now: i64) -> AlertState {
    AlertState {
        integration: observation.integration,
        phase: AlertPhase::Clear,
        watched_since: now,
        waiting_since: None,
        raised_at: None,
        clear_since: None,
        told_at: None,
        over_at: None,
        flaps: 0,
        detail: String::new(),
    }
}

fn advance(state: &mut AlertState, observation: &Observation, now: i64, pace: &Pace) {
    state.waiting_since = observation.waiting_since;
    match (state.phase, observation.holds) {
        (_, None) | (AlertPhase::Clear | AlertPhase::Over, Some(false)) => {}
        (AlertPhase::Clear, Some(true)) => {
            state.flaps = flaps(state, now, pace);
            (state.phase, state.raised_at) = (AlertPhase::Raised, Some(now));
            state.detail.clone_from(&observation.detail);
        }
        // Nobody was told that it was over: it is the same one.
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
            let calm = if observation.is_watched { pace.calm_of(state.flaps) } else { 0 };
            if now.saturating_sub(clear_since) >= calm {
                (state.phase, state.clear_since, state.over_at) = (AlertPhase::Over, None, Some(now));
                state.detail.clone_from(&observation.detail);
            }
        }
    }
}

/// How often it came back soon, now that it does again; a long time without it makes up for that.
fn flaps(state: &AlertState, now: i64, pace: &Pace) -> i32 {
    let Some(over_at) = state.over_at else { return 0 };
    let quiet_times = now.saturating_sub(over_at).max(0) / pace.quiet().max(1);
    match quiet_times {
        0 => (state.flaps + 1).min(MAX_FLAPS),
        times => state.flaps.saturating_sub(i32::try_from(times).unwrap_or(i32::MAX)).max(0),
    }
}

/// One message at a time, and not too soon after the one before.
fn may_tell(due: &DueAlert, pace: &Pace) -> bool {
    due.pending.is_none() && has_passed(due.told_at, pace.gap, due.now)
}

fn has_passed(since: Option<i64>, time: i64, now: i64) -> bool {
    since.is_none_or(|since| now.saturating_sub(since) >= time)
}

fn write_notice(due: &DueAlert, states: &mut [(&Observation, AlertState)], pace: &Pace) -> Option<(Notice, bool)> {
    let may_remind = has_passed(due.reminded_at, pace.repeat, due.now);
    let mut entries = Vec::new();
    for (observation, state) in states.iter_mut() {
        let event = match state.phase {
            AlertPhase::Over => Event::Resolved,
            AlertPhase::Raised if state.told_at.is_none() => Event::Raised,
            AlertPhase::Raised if may_remind && state.clear_since.is_none() && has_passed(state.told_at, pace.repeat, due.now) => {
                Event::StillRaised
            }
            AlertPhase::Raised | AlertPhase::Clear => continue,
        };
        let since = state.raised_at.unwrap_or(due.now);
        entries.push(NoticeEntry { integration: observation.name.clone(), event, since, detail: state.detail.clone() });
        if event == Event::Resolved {
            (state.phase, state.raised_at, state.told_at) = (AlertPhase::Clear, None, None);
        } else {
            state.told_at = Some(due.now);
        }
    }
    let reminds = entries.iter().any(|entry| entry.event == Event::StillRaised);
    entries.sort_by(|a, b| a.integration.cmp(&b.integration));
    (!entries.is_empty()).then(|| (Notice { number: due.number + 1, at: due.now, entries }, reminds))
}

#[cfg(test)]
mod tests;
