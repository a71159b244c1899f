//! The checker: finds broken promises in a run's history. It starts nothing and reads no clock.
//!
//! Delivery is at least once, so effects count by their first occurrence: a frozen worker that wakes may repeat its own.

mod fairness;
mod order;
mod outcomes;
#[cfg(test)]
mod tests;

pub(crate) use fairness::latencies;

use crate::history::{Call, Effect, History, Micros, Stage};
use std::collections::HashMap;
use std::fmt;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// The calls that show it.
    pub(crate) calls: Vec<usize>,
    pub(crate) text: String,
}

/// The promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// An accepted call has no last effect or no end, or an execution was begun and not ended.
    Lost,
    /// An execution ended otherwise than it should.
    WrongStatus,
    /// An ordered trigger began calls in another order than it accepted them.
    Reordered,
    /// An ordered trigger began a call before the one before it had ended.
    Overlapping,
    /// An answer or an effect belongs to another call or tenant.
    Crossed,
    /// One call, repeated or not, has two executions.
    Duplicated,
    /// A call that was refused for certain was executed.
    ExecutedAfterRefusal,
    /// A tenant's misbehaviour made the calls of others slow, or had them refused.
    Unfair,
    /// A quiet tenant's call was refused or not answered while nothing was wrong.
    Refused,
    /// Quiet calls did not succeed again after a fault.
    NotRecovered,
}

impl Rule {
    pub(crate) const ALL: [Self; 10] = [
        Self::Lost,
        Self::WrongStatus,
        Self::Reordered,
        Self::Overlapping,
        Self::Crossed,
        Self::Duplicated,
        Self::ExecutedAfterRefusal,
        Self::Unfair,
        Self::Refused,
        Self::NotRecovered,
    ];

    /// The name in arguments and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::WrongStatus => "wrong-status",
            Self::Reordered => "reordered",
            Self::Overlapping => "overlapping",
            Self::Crossed => "crossed",
            Self::Duplicated => "duplicated",
            Self::ExecutedAfterRefusal => "executed-after-refusal",
            Self::Unfair => "unfair",
            Self::Refused => "refused",
            Self::NotRecovered => "not-recovered",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks every call and every effect.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let index = Index::new(history);
    let mut violations = outcomes::check(&index);
    violations.extend(order::check(&index));
    violations.extend(fairness::check(history));
    violations.sort_by_key(|violation| violation.rule);
    violations
}

/// A history with the first effects of each call at hand.
struct Index<'h> {
    history: &'h History,
    /// Time of the first effect of each call and stage.
    first: HashMap<(usize, Stage), Micros>,
    /// Executions that had effects for a call.
    executions: HashMap<usize, Vec<&'h str>>,
}

impl<'h> Index<'h> {
    fn new(history: &'h History) -> Self {
        let mut index = Self { history, first: HashMap::new(), executions: HashMap::new() };
        for Effect { at, call, stage, execution, .. } in &history.effects {
            let first = index.first.entry((*call, *stage)).or_insert(*at);
            *first = (*first).min(*at);
            let executions = index.executions.entry(*call).or_default();
            if !executions.contains(&execution.as_str()) {
                executions.push(execution);
            }
        }
        index
    }

    fn first(&self, call: usize, stage: Stage) -> Option<Micros> {
        self.first.get(&(call, stage)).copied()
    }

    fn executions_of(&self, call: usize) -> &[&'h str] {
        self.executions.get(&call).map_or(&[], Vec::as_slice)
    }

    fn calls(&self) -> impl Iterator<Item = (usize, &'h Call)> + use<'h> {
        self.history.calls.iter().enumerate()
    }
}

/// The name of a call in a text: `quiet1/line0 n=17`.
fn named(call: &Call) -> String {
    format!("{}/{} n={}", call.tenant, call.integration, call.n)
}
