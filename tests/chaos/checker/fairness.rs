//! Rules about the quiet tenants: unfair, refused, not recovered.

use super::{Rule, Violation, named};
use crate::history::{Answer, Attempt, Call, History, Kind, Micros, State, Window};
use std::collections::BTreeMap;

/// Maximum p99 of a noisy window as a multiple of that of the calm windows ...
const MAX_RATIO: f64 = 3.0;
/// ... or as an excess, whichever is larger: two cores are shared with the misbehaving tenant.
const MAX_EXCESS: Micros = 150_000;
/// Minimum calls for a meaningful p99.
const MIN_CALLS: usize = 100;

/// Latencies of the quiet tenants' synchronous calls in all windows of one state, in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latencies {
    /// `calm`, or the name of the noise.
    pub(crate) name: String,
    pub(crate) calls: usize,
    pub(crate) p50: Micros,
    pub(crate) p99: Micros,
}

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut violations = slower(history);
    violations.extend(refused(history));
    violations.extend(not_recovered(history));
    violations
}

/// Latencies by state: calm first, then each noise.
pub(crate) fn latencies(history: &History) -> Vec<Latencies> {
    let mut of_states: BTreeMap<(bool, &str), Vec<Micros>> = BTreeMap::new();
    for window in &history.windows {
        let Some(key) = key(&window.state) else { continue };
        let own = of_states.entry(key).or_default();
        for (_, call, attempt) in attempts_in(history, window) {
            if call.kind == Kind::Synchronous {
                own.push(attempt.answered - attempt.sent);
            }
        }
    }
    of_states.into_iter().filter(|(_, values)| !values.is_empty()).map(|((_, name), values)| summary(name, values)).collect()
}

fn key(state: &State) -> Option<(bool, &str)> {
    match state {
        State::Calm => Some((false, "calm")),
        State::Noisy(name) => Some((true, name)),
        State::Faulty(_) => None,
    }
}

fn summary(name: &str, mut values: Vec<Micros>) -> Latencies {
    values.sort_unstable();
    let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
    Latencies { name: name.to_owned(), calls: values.len(), p50: at(0.5), p99: at(0.99) }
}

/// Attempts of quiet tenants in a window. A noise answers for all calls that were sent during it; a calm window only for those that were
/// also answered in it, since a fault may follow.
fn attempts_in<'h>(history: &'h History, window: &'h Window) -> impl Iterator<Item = (usize, &'h Call, &'h Attempt)> {
    let is_within = move |attempt: &Attempt| {
        let last = if window.state == State::Calm { attempt.answered } else { attempt.sent };
        attempt.sent >= window.begin && last <= window.end
    };
    let quiet = history.calls.iter().enumerate().filter(|(_, call)| call.is_quiet);
    quiet.flat_map(move |(id, call)| call.attempts.iter().filter(move |attempt| is_within(attempt)).map(move |attempt| (id, call, attempt)))
}

fn slower(history: &History) -> Vec<Violation> {
    let all = latencies(history);
    let Some(calm) = all.iter().find(|own| own.name == "calm" && own.calls >= MIN_CALLS) else { return vec![] };
    let bound = (calm.p99 as f64 * MAX_RATIO).max((calm.p99 + MAX_EXCESS) as f64) as Micros;
    let is_slow = |noisy: &&Latencies| noisy.name != "calm" && noisy.calls >= MIN_CALLS && noisy.p99 > bound;
    let violation = |noisy: &Latencies| Violation {
        rule: Rule::Unfair,
        calls: vec![],
        text: format!(
            "while a tenant {}: p99 of the others {} ms, against {} ms in calm windows; at most {} ms are allowed",
            noisy.name,
            noisy.p99 / 1000,
            calm.p99 / 1000,
            bound / 1000
        ),
    };
    all.iter().filter(is_slow).map(violation).collect()
}

fn refused(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for window in &history.windows {
        let (rule, when) = match &window.state {
            State::Calm => (Rule::Refused, "while nothing was wrong".to_owned()),
            State::Noisy(name) => (Rule::Unfair, format!("while another tenant {name}")),
            State::Faulty(_) => continue,
        };
        for (id, call, attempt) in attempts_in(history, window) {
            if matches!(attempt.answer, Answer::Refused { .. } | Answer::Unknown { .. } | Answer::Failed { .. }) && !is_conflict(attempt) {
                let text = format!("{} at {} ms, {when}: {}", named(call), attempt.sent / 1000, attempt.answer);
                violations.push(Violation { rule, calls: vec![id], text });
            }
        }
    }
    violations
}

/// A repetition while the first call runs is told so.
fn is_conflict(attempt: &Attempt) -> bool {
    matches!(&attempt.answer, Answer::Unknown { text } if text.starts_with("409"))
}

fn not_recovered(history: &History) -> Vec<Violation> {
    let failed = history.recoveries.iter().filter_map(|recovery| Some((recovery, recovery.recovered.as_ref().err()?)));
    let violation = |(recovery, missing): (&crate::history::Recovery, &String)| Violation {
        rule: Rule::NotRecovered,
        calls: vec![],
        text: format!("after {}, which ended at {} ms: {missing}", recovery.fault, recovery.healed / 1000),
    };
    failed.map(violation).collect()
}
