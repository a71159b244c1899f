//! Rules about the calls of one ordered trigger: reordered, overlapping.

use super::{Index, Rule, Violation, named};
use crate::history::{Kind, Micros, Stage};
use std::collections::BTreeMap;

pub(super) fn check(index: &Index<'_>) -> Vec<Violation> {
    let mut triggers: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (id, call) in index.calls().filter(|(_, call)| call.kind == Kind::Ordered) {
        triggers.entry((&call.tenant, &call.integration)).or_default().push(id);
    }
    let mut violations = Vec::new();
    for calls in triggers.values() {
        violations.extend(reordered(index, calls));
        violations.extend(overlapping(index, calls));
    }
    violations
}

/// Of the accepted calls, each begins after all before it. A call that was not accepted for certain may arrive at any time.
fn reordered(index: &Index<'_>, calls: &[usize]) -> Vec<Violation> {
    let all = &index.history.calls;
    let mut accepted: Vec<(usize, Micros)> = calls
        .iter()
        .filter(|id| all[**id].accepted_execution().is_some())
        .filter_map(|id| Some((*id, index.first(*id, Stage::Begin)?)))
        .collect();
    accepted.sort_by_key(|(id, _)| all[*id].n);
    let mut violations = Vec::new();
    let mut latest: Option<(usize, Micros)> = None;
    for (id, begin) in accepted {
        if let Some((earlier, begun)) = latest
            && begin < begun
        {
            let by = begun - begin;
            let text = format!("{} began {by} µs before {}, which was accepted before it", named(&all[id]), named(&all[earlier]));
            violations.push(Violation { rule: Rule::Reordered, calls: vec![earlier, id], text });
        } else {
            latest = Some((id, begin));
        }
    }
    violations
}

/// Each execution begins after the one that began before it has ended.
fn overlapping(index: &Index<'_>, calls: &[usize]) -> Vec<Violation> {
    let all = &index.history.calls;
    let run = |id: &usize| Some((*id, index.first(*id, Stage::Begin)?, index.first(*id, Stage::End)?));
    let mut runs: Vec<(usize, Micros, Micros)> = calls.iter().filter_map(run).collect();
    runs.sort_by_key(|(_, begin, _)| *begin);
    let mut violations = Vec::new();
    let mut latest: Option<(usize, Micros)> = None;
    for (id, begin, end) in runs {
        if let Some((earlier, ended)) = latest
            && begin < ended
        {
            let by = ended - begin;
            let text = format!("{} began {by} µs before {} had ended", named(&all[id]), named(&all[earlier]));
            violations.push(Violation { rule: Rule::Overlapping, calls: vec![earlier, id], text });
        }
        if latest.is_none_or(|(_, ended)| end > ended) {
            latest = Some((id, end));
        }
    }
    violations
}
