//! The report of a run, for people.

use crate::checker::{Violation, latencies};
use crate::history::{Answer, History, Stage, State};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Violations of one rule that are shown.
const MAX_SHOWN: usize = 10;

/// Everything that was counted, and the violations.
pub(crate) fn report(history: &History, violations: &[Violation]) -> String {
    let mut text = String::new();
    calls(&mut text, history);
    effects(&mut text, history);
    executions(&mut text, history);
    recoveries(&mut text, history);
    fairness(&mut text, history);
    broken(&mut text, violations);
    text
}

fn calls(text: &mut String, history: &History) {
    let mut counts: BTreeMap<(bool, String, &str), usize> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for call in &history.calls {
        for attempt in &call.attempts {
            *counts.entry((!call.is_quiet, format!("{:?}", call.kind).to_lowercase(), attempt.answer.word())).or_default() += 1;
            let reason = match &attempt.answer {
                Answer::Unknown { text } | Answer::Failed { text, .. } if call.is_quiet => text.clone(),
                Answer::Refused { status, text } if call.is_quiet => format!("{status} {text}"),
                _ => continue,
            };
            *reasons.entry(reason.chars().take(150).collect()).or_default() += 1;
        }
    }
    let _ = writeln!(text, "\n{} calls\n\n| of | kind | answer | requests |\n|---|---|---|---|", history.calls.len());
    for ((is_other, kind, answer), count) in counts {
        let _ = writeln!(text, "| {} | {kind} | {answer} | {count} |", if is_other { "others" } else { "quiet tenants" });
    }
    let _ = writeln!(text, "\nRequests of quiet tenants that were not accepted:\n");
    for (reason, count) in reasons {
        let _ = writeln!(text, "    {count:>6}  {reason}");
    }
}

fn effects(text: &mut String, history: &History) {
    let of = |stage| history.effects.iter().filter(|effect| effect.stage == stage).count();
    let [begin, end, done] = [Stage::Begin, Stage::End, Stage::Done].map(of);
    let mut effects = std::collections::HashSet::new();
    let repeated = history.effects.iter().filter(|effect| !effects.insert((effect.call, effect.stage))).count();
    let _ = writeln!(text, "\n{} effects: begin {begin}, end {end}, done {done}; {repeated} of them repeat another", history.effects.len());
}

fn executions(text: &mut String, history: &History) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for execution in &history.executions {
        *counts.entry(&execution.status).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{status} {count}")).collect();
    let _ = writeln!(text, "{} executions: {}", history.executions.len(), counts.join(", "));
}

fn recoveries(text: &mut String, history: &History) {
    let _ = writeln!(text, "\n| event | ended at | quiet calls succeeded again after |\n|---|---|---|");
    for recovery in &history.recoveries {
        let after = match &recovery.recovered {
            Ok(at) => format!("{:.1} s", at.saturating_sub(recovery.healed) as f64 / 1e6),
            Err(missing) => format!("never: {missing}"),
        };
        let _ = writeln!(text, "| {} | {} s | {after} |", recovery.fault, recovery.healed / 1_000_000);
    }
    let noises = history.windows.iter().filter(|window| matches!(window.state, State::Noisy(_))).count();
    let faults = history.windows.iter().filter(|window| matches!(window.state, State::Faulty(_))).count();
    let _ = writeln!(text, "\n{faults} windows with faults, {noises} with a noise alone");
}

fn fairness(text: &mut String, history: &History) {
    let _ = writeln!(text, "\n| windows | synchronous calls of quiet tenants | p50 ms | p99 ms |\n|---|---|---|---|");
    for own in latencies(history) {
        let millis = |micros: u64| micros as f64 / 1000.0;
        let _ = writeln!(text, "| {} | {} | {:.1} | {:.1} |", own.name, own.calls, millis(own.p50), millis(own.p99));
    }
}

fn broken(text: &mut String, violations: &[Violation]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for violation in violations {
        let count = counts.entry(violation.rule.name()).or_default();
        *count += 1;
        if *count <= MAX_SHOWN {
            let calls: Vec<String> = violation.calls.iter().map(ToString::to_string).collect();
            let named = if calls.is_empty() { String::new() } else { format!(" (calls {})", calls.join(", ")) };
            let _ = writeln!(text, "\n{}: {}{named}", violation.rule, violation.text);
        }
    }
    let counts: Vec<String> = counts.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    let _ = match counts.is_empty() {
        true => writeln!(text, "\nviolations: none"),
        false => writeln!(text, "\nviolations: {}", counts.join(", ")),
    };
}
