//! Rules about single calls: lost, wrong status, crossed, duplicated, executed after a refusal.

use super::{Index, Rule, Violation, named};
use crate::history::{Answer, Call, Effect, Kind, Recorded, Stage};
use std::collections::HashMap;

/// Statuses after which nothing follows.
const FINAL: [&str; 4] = ["succeeded", "failed", "expired", "cancelled"];

pub(super) fn check(index: &Index<'_>) -> Vec<Violation> {
    let recorded: HashMap<&str, &Recorded> = index.history.executions.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut violations = Vec::new();
    for (id, call) in index.calls() {
        violations.extend(lost(index, id, call, &recorded));
        violations.extend(wrong_answer(id, call));
        violations.extend(crossed_answers(id, call));
        violations.extend(duplicated(index, id, call));
        violations.extend(executed_after_refusal(index, id, call));
    }
    violations.extend(crossed_effects(index));
    violations.extend(wrong_records(index));
    violations
}

fn lost(index: &Index<'_>, id: usize, call: &Call, recorded: &HashMap<&str, &Recorded>) -> Option<Violation> {
    let violation = |text: String| Some(Violation { rule: Rule::Lost, calls: vec![id], text: format!("{}: {text}", named(call)) });
    let last = call.kind.last_effect();
    let has_last = last.is_none_or(|stage| index.first(id, stage).is_some());
    let Some(execution) = call.accepted_execution() else {
        let is_half_done = !has_last && index.first(id, Stage::Begin).is_some();
        return if is_half_done { violation("was begun and has not ended".to_owned()) } else { None };
    };
    if !has_last {
        let status = recorded.get(execution).map_or("not recorded", |row| row.status.as_str());
        return violation(format!("was accepted as {execution} and has no last effect; its execution is {status}"));
    }
    if !recorded.contains_key(execution) {
        return violation(format!("was accepted as {execution}, which is not recorded"));
    }
    None
}

/// A call must not fail unless it was made to, and must not be accepted when it cannot be.
fn wrong_answer(id: usize, call: &Call) -> Option<Violation> {
    let is_wrong = |answer: &Answer| match (call.kind, answer) {
        (Kind::Malformed, answer) => answer.accepted_execution().is_some() || matches!(answer, Answer::Failed { .. }),
        (_, Answer::Failed { .. }) => true,
        (_, Answer::Accepted { .. } | Answer::Replied { .. } | Answer::Refused { .. } | Answer::Unknown { .. }) => false,
    };
    let wrong = call.attempts.iter().find(|attempt| is_wrong(&attempt.answer))?;
    Some(Violation { rule: Rule::WrongStatus, calls: vec![id], text: format!("{}: answered {}", named(call), wrong.answer) })
}

fn crossed_answers(id: usize, call: &Call) -> Option<Violation> {
    let is_crossed = |answer: &Answer| match answer {
        Answer::Replied { call: answered, tenant, .. } => *answered != Some(id) || *tenant != call.tenant,
        Answer::Accepted { execution, location } => *location != format!("/{}/{}/executions/{execution}", call.tenant, call.integration),
        Answer::Refused { .. } | Answer::Failed { .. } | Answer::Unknown { .. } => false,
    };
    let crossed = call.attempts.iter().find(|attempt| is_crossed(&attempt.answer))?;
    let (mut calls, text) = (
        vec![id],
        match &crossed.answer {
            Answer::Replied { call: other, tenant, .. } => format!("{}: got the answer of call {other:?} of {tenant}", named(call)),
            other => format!("{}: its Location is another's: {other:?}", named(call)),
        },
    );
    if let Answer::Replied { call: Some(other), .. } = crossed.answer {
        calls.push(other);
    }
    Some(Violation { rule: Rule::Crossed, calls, text })
}

/// Effects for a call of another integration, or by an execution that another call was answered with.
fn crossed_effects(index: &Index<'_>) -> Vec<Violation> {
    let mut answered: HashMap<&str, usize> = HashMap::new();
    for (id, call) in index.calls() {
        for execution in call.attempts.iter().filter_map(|attempt| attempt.answer.accepted_execution()) {
            answered.entry(execution).or_insert(id);
        }
    }
    let crossed = |effect: &Effect| {
        let Some(call) = index.history.calls.get(effect.call) else {
            return Some((
                vec![],
                format!("an effect of {}/{} names call {}, which was never sent", effect.tenant, effect.integration, effect.call),
            ));
        };
        if (&effect.tenant, &effect.integration) != (&call.tenant, &call.integration) {
            return Some((vec![effect.call], format!("{}: {}/{} had its effect", named(call), effect.tenant, effect.integration)));
        }
        let other = *answered.get(effect.execution.as_str())?;
        let text = || format!("{}: its effect came from {}, the execution of another call", named(call), effect.execution);
        (other != effect.call).then(|| (vec![effect.call, other], text()))
    };
    index.history.effects.iter().filter_map(crossed).map(|(calls, text)| Violation { rule: Rule::Crossed, calls, text }).collect()
}

fn duplicated(index: &Index<'_>, id: usize, call: &Call) -> Option<Violation> {
    let mut executions: Vec<&str> = call.attempts.iter().filter_map(|attempt| attempt.answer.accepted_execution()).collect();
    executions.extend(index.executions_of(id));
    executions.sort_unstable();
    executions.dedup();
    let text = || format!("{}: {} executions: {}", named(call), executions.len(), executions.join(", "));
    (executions.len() > 1).then(|| Violation { rule: Rule::Duplicated, calls: vec![id], text: text() })
}

fn executed_after_refusal(index: &Index<'_>, id: usize, call: &Call) -> Option<Violation> {
    if !call.is_refused() {
        return None;
    }
    let execution = index.executions_of(id).first()?;
    let answer = &call.attempts.last()?.answer;
    let text = format!("{}: answered {answer}, and executed as {execution}", named(call));
    Some(Violation { rule: Rule::ExecutedAfterRefusal, calls: vec![id], text })
}

/// Every recorded execution has ended, and as it should.
fn wrong_records(index: &Index<'_>) -> Vec<Violation> {
    let mut calls: HashMap<&str, usize> = HashMap::new();
    for (id, call) in index.calls() {
        let answered = call.attempts.iter().filter_map(|attempt| attempt.answer.accepted_execution());
        for execution in answered.chain(index.executions_of(id).iter().copied()) {
            calls.entry(execution).or_insert(id);
        }
    }
    let mut kinds: HashMap<(&str, &str), Kind> = HashMap::new();
    for (_, call) in index.calls() {
        kinds.insert((&call.tenant, &call.integration), call.kind);
    }
    let wrong = |row: &Recorded| {
        let id = calls.get(row.id.as_str()).copied();
        let kind = kinds.get(&(row.tenant.as_str(), row.integration.as_str())).copied();
        let text = format!("{}/{}: execution {} is {} {}", row.tenant, row.integration, row.id, row.status, row.error);
        let violation = |rule| Some(Violation { rule, calls: id.into_iter().collect(), text: text.trim_end().to_owned() });
        if !FINAL.contains(&row.status.as_str()) {
            return violation(Rule::Lost);
        }
        let is_accepted = id.is_some_and(|id| index.history.calls[id].accepted_execution().is_some());
        let is_right = match (row.status.as_str(), kind) {
            ("succeeded", Some(Kind::Failing | Kind::Malformed)) => false,
            ("succeeded", _) | ("failed", Some(Kind::Failing)) => true,
            // Its caller waited in vain; the deadline passed before a worker could begin it, or go on with it.
            ("expired", Some(Kind::Synchronous)) => !is_accepted,
            ("failed", Some(Kind::Synchronous)) if row.error.starts_with("crashed") => !is_accepted,
            _ => false,
        };
        if is_right { None } else { violation(Rule::WrongStatus) }
    };
    index.history.executions.iter().filter_map(wrong).collect()
}
