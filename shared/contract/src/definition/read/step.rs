//! Reads `steps`.

use super::step_remote::{amqp, call, email, http_call, sftp, sql};
use super::{DAY, MILLISECOND, respond, retry};
use crate::definition::{Action, Assertion, Branch, Case, Each, LogLevel, LogLine, OnError, Step, Stop, Switch, Trigger, Wait};
use crate::fields::{Fields, Problems, describe};
use serde_json::Value;
use std::time::Duration;

pub(super) const MOST_STEPS: usize = 200;
/// Steps are bounded by the execution's own deadline as well.
const LONGEST_STEP: Duration = Duration::from_secs(15 * 60);
const MOST_ITEMS_AT_ONCE: u64 = 64;
/// An ordered trigger waits in its place: longer, and RabbitMQ's delivery acknowledgement timeout of 30 minutes would come into sight.
const LONGEST_ORDERED_WAIT: Duration = Duration::from_secs(10 * 60);
/// Fields in which steps are nested: switch in each in parallel in ...
const DEEPEST: usize = 8;

const KINDS: [&str; 15] =
    ["http", "sql", "email", "sftp", "amqp", "call", "set", "switch", "each", "parallel", "assert", "log", "wait", "respond", "stop"];

/// The steps of a list; `None` where the field is absent.
pub(super) fn steps(fields: &Fields<'_>, field: &'static str) -> Option<Vec<Step>> {
    list_of_steps(fields, field, 0)
}

fn list_of_steps(fields: &Fields<'_>, field: &'static str, depth: usize) -> Option<Vec<Step>> {
    let items = fields.list(field)?;
    if depth > DEEPEST {
        fields.problem(field, format!("steps are nested more than {DEEPEST} levels deep: use `call` for a part of them"));
        return None;
    }
    Some(items.into_iter().filter_map(|item| step(item, depth)).collect())
}

fn required_steps(fields: &Fields<'_>, field: &'static str, depth: usize) -> Vec<Step> {
    match list_of_steps(fields, field, depth + 1) {
        Some(steps) if !steps.is_empty() => steps,
        Some(_) => Vec::new(),
        None => {
            if fields.take(field).is_none() {
                fields.problem(field, "is required: a list of steps");
            }
            Vec::new()
        }
    }
}

fn step(fields: Fields<'_>, depth: usize) -> Option<Step> {
    let id = match fields.text("id") {
        Some(id) if is_identifier(id) => Some(id.to_owned()),
        Some(id) => {
            fields.problem("id", format!("'{id}' must begin with a letter or _ and go on with letters, digits and _ (64 at most), so that .steps.{{id}} is a mapping"));
            None
        }
        None => {
            fields.problem("id", "is required");
            None
        }
    };
    let when = fields.mapping("when");
    let timeout = fields.duration("timeout", MILLISECOND, LONGEST_STEP);
    let own_retry = fields.object("retry").map(retry);
    let on_error = on_error(&fields, depth);
    let mut timeout_of_call = None;
    let mut actions = Vec::new();
    if let Some(call) = fields.object("http") {
        timeout_of_call = call.duration("timeout", MILLISECOND, LONGEST_STEP);
        actions.push(http_call(call).map(Action::Http));
    }
    actions.extend(fields.object("sql").map(|fields| sql(fields).map(Action::Sql)));
    actions.extend(fields.object("email").map(|fields| email(fields).map(Action::Email)));
    actions.extend(fields.object("sftp").map(|fields| sftp(fields).map(Action::Sftp)));
    actions.extend(fields.object("amqp").map(|fields| amqp(fields).map(Action::Amqp)));
    actions.extend(fields.object("call").map(|fields| call(fields).map(Action::Call)));
    actions.extend(fields.mapping("set").map(|mapping| Some(Action::Set(mapping))));
    actions.extend(fields.object("switch").map(|fields| Some(Action::Switch(switch(fields, depth)))));
    actions.extend(fields.object("each").map(|fields| each(fields, depth).map(Action::Each)));
    actions.extend(fields.object("parallel").map(|fields| Some(Action::Parallel(parallel(&fields, depth)))));
    actions.extend(fields.take("assert").map(|value| assertion(&fields, value).map(Action::Assert)));
    actions.extend(fields.take("log").map(|value| log_line(&fields, value).map(Action::Log)));
    actions.extend(fields.take("wait").map(|value| wait(&fields, value).map(Action::Wait)));
    actions.extend(fields.object_or_empty("respond").map(|fields| Some(Action::Respond(respond(fields)))));
    actions.extend(fields.object_or_empty("stop").map(|fields| Some(Action::Stop(stop(fields)))));
    // A field whose value is wrong has its own problem.
    let written = KINDS.iter().filter(|kind| fields.has_key(kind)).count();
    if written == 0 {
        fields.problem_here(format!("needs one of {}", KINDS.join(", ")));
    } else if written > 1 {
        fields.problem_here(format!("has more than one of {}: make a step of each", KINDS.join(", ")));
    }
    fields.finish();
    Some(Step { id: id?, when, timeout: timeout_of_call.or(timeout), retry: own_retry, on_error: on_error?, action: actions.pop()?? })
}

fn is_identifier(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn on_error(fields: &Fields<'_>, depth: usize) -> Option<OnError> {
    match fields.take("on_error") {
        None => Some(OnError::Fail),
        Some(Value::Array(_)) => list_of_steps(fields, "on_error", depth + 1).map(OnError::Steps),
        Some(Value::String(word)) if word == "fail" => Some(OnError::Fail),
        Some(Value::String(word)) if word == "continue" => Some(OnError::Continue),
        Some(other) => {
            fields.problem("on_error", format!("must be fail, continue or a list of steps, not {}", describe(other)));
            None
        }
    }
}

fn switch(fields: Fields<'_>, depth: usize) -> Switch {
    let cases = fields.list("cases").unwrap_or_default();
    if cases.is_empty() {
        fields.problem("cases", "is required: a list of { when, steps }");
    }
    let cases = cases.into_iter().filter_map(|fields| case(fields, depth)).collect();
    let default = list_of_steps(&fields, "default", depth + 1).unwrap_or_default();
    fields.finish();
    Switch { cases, default }
}

fn case(fields: Fields<'_>, depth: usize) -> Option<Case> {
    let when = fields.mapping("when");
    if when.is_none() {
        fields.problem("when", "is required: a mapping");
    }
    let steps = required_steps(&fields, "steps", depth);
    fields.finish();
    Some(Case { when: when?, steps })
}

fn each(fields: Fields<'_>, depth: usize) -> Option<Each> {
    let items = fields.mapping("in");
    if items.is_none() {
        fields.problem("in", "is required: a mapping that gives the list");
    }
    let parallel = fields.whole("parallel", 1, MOST_ITEMS_AT_ONCE).unwrap_or(1) as usize;
    let steps = required_steps(&fields, "steps", depth);
    let output = fields.mapping("output");
    fields.finish();
    Some(Each { items: items?, parallel, steps, output })
}

fn parallel(fields: &Fields<'_>, depth: usize) -> Vec<Branch> {
    let names = fields.names();
    if names.is_empty() {
        fields.problem_here("needs at least one branch: a name with a list of steps");
    }
    let mut branches = Vec::with_capacity(names.len());
    for name in names {
        if !is_identifier(&name) {
            fields.problem(&name, "must begin with a letter or _ and go on with letters, digits and _");
        }
        let Some(items) = fields.list_of(&name) else { continue };
        if depth + 1 > DEEPEST {
            fields.problem(&name, format!("steps are nested more than {DEEPEST} levels deep: use `call` for a part of them"));
            continue;
        }
        let steps = items.into_iter().filter_map(|item| step(item, depth + 1)).collect();
        branches.push(Branch { name, steps });
    }
    branches
}

fn assertion(fields: &Fields<'_>, value: &Value) -> Option<Assertion> {
    if let Value::String(that) = value {
        return Some(Assertion { that: that.clone(), message: None });
    }
    let fields = fields.object("assert")?;
    let that = fields.mapping("that");
    if that.is_none() {
        fields.problem("that", "is required: a mapping that must be true");
    }
    let message = fields.text("message").map(str::to_owned);
    fields.finish();
    Some(Assertion { that: that?, message })
}

fn log_line(fields: &Fields<'_>, value: &Value) -> Option<LogLine> {
    if let Value::String(message) = value {
        return Some(LogLine { message: message.clone(), level: LogLevel::Info });
    }
    let fields = fields.object("log")?;
    let message = fields.text("message").map(str::to_owned);
    if message.is_none() {
        fields.problem("message", "is required");
    }
    let words = [("info", LogLevel::Info), ("warn", LogLevel::Warn), ("error", LogLevel::Error)];
    let level = fields.word("level", &words).unwrap_or(LogLevel::Info);
    fields.finish();
    Some(LogLine { message: message?, level })
}

fn wait(fields: &Fields<'_>, value: &Value) -> Option<Wait> {
    if value.is_string() {
        return fields.duration("wait", MILLISECOND, DAY * 366).map(Wait::For);
    }
    let fields = fields.object("wait")?;
    let wait = match (fields.duration("for", MILLISECOND, DAY * 366), fields.mapping("until")) {
        (Some(pause), None) => Some(Wait::For(pause)),
        (None, Some(until)) => Some(Wait::Until(until)),
        _ => {
            if !fields.has_key("for") || fields.has_key("until") {
                fields.problem_here("needs one of for (such as 15m) and until (a mapping that gives a time)");
            }
            None
        }
    };
    fields.finish();
    wait
}

fn stop(fields: Fields<'_>) -> Stop {
    let error = fields.text("error").map(str::to_owned);
    fields.finish();
    Stop { error }
}

/// An ordered execution that waits holds up all that come after it.
pub(super) fn check_wait(step: &Step, trigger: &Trigger, problems: &Problems) {
    let Action::Wait(wait) = &step.action else { return };
    let is_long = match wait {
        Wait::For(pause) => *pause > LONGEST_ORDERED_WAIT,
        Wait::Until(_) => false,
    };
    if trigger.delivery().is_exclusive() && is_long {
        let most = crate::format_duration(LONGEST_ORDERED_WAIT);
        problems.add(
            "steps",
            format!("the step '{}' waits longer than {most}, which an ordered trigger or one with concurrency cannot: what comes after would wait too; `call` an unordered integration that waits", step.id),
        );
    }
}
