//! Reads `steps`.

use super::step_remote::{amqp, call, email, has_target, http_call, sftp, sql};
use super::{MILLISECOND, optional_retry, respond};
use crate::definition::{Action, Assertion, Branch, Case, Each, LogLevel, LogLine, OnError, Step, Stop, Switch, Trigger, Wait};
use crate::fields::{Fields, Problems, Read, all_of};
use serde_json::Value;
use std::time::Duration;

pub(super) const MAX_STEPS: usize = 200;
/// Steps are bounded by the execution's own deadline as well.
const MAX_STEP_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const MAX_ITEMS_AT_ONCE: u64 = 64;
/// An ordered trigger waits in its place: longer, and RabbitMQ's delivery acknowledgement timeout of 30 minutes would come into sight.
const MAX_ORDERED_WAIT: Duration = Duration::from_secs(10 * 60);
/// Maximum `wait` of a step.
const MAX_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);
/// Fields in which steps are nested: switch in each in parallel in ...
const MAX_DEPTH: usize = 8;

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Sql,
    Email,
    Sftp,
    Amqp,
    Call,
    Set,
    Switch,
    Each,
    Parallel,
    Assert,
    Log,
    Wait,
    Respond,
    Stop,
}

const KINDS: [(&str, Kind); 15] = [
    ("http", Kind::Http),
    ("sql", Kind::Sql),
    ("email", Kind::Email),
    ("sftp", Kind::Sftp),
    ("amqp", Kind::Amqp),
    ("call", Kind::Call),
    ("set", Kind::Set),
    ("switch", Kind::Switch),
    ("each", Kind::Each),
    ("parallel", Kind::Parallel),
    ("assert", Kind::Assert),
    ("log", Kind::Log),
    ("wait", Kind::Wait),
    ("respond", Kind::Respond),
    ("stop", Kind::Stop),
];

/// The steps of a list; `None` where the field is absent.
pub(super) fn steps(fields: &Fields<'_>, field: &'static str) -> Read<Option<Vec<Step>>> {
    list_of_steps(fields, field, 0)
}

fn list_of_steps(fields: &Fields<'_>, field: &'static str, depth: usize) -> Read<Option<Vec<Step>>> {
    fields.list(field)?.map(|items| nested_steps(fields, field, items, depth)).transpose()
}

fn nested_steps(fields: &Fields<'_>, field: &str, items: Vec<Fields<'_>>, depth: usize) -> Read<Vec<Step>> {
    if depth > MAX_DEPTH {
        return Err(fields.problem(field, format!("steps are nested more than {MAX_DEPTH} levels deep: use `call` for a part of them")));
    }
    all_of(items.into_iter().map(|item| step(item, depth)))
}

fn required_steps(fields: &Fields<'_>, field: &'static str, depth: usize) -> Read<Vec<Step>> {
    fields.required(field, list_of_steps(fields, field, depth + 1), "a list of steps")
}

fn step(fields: Fields<'_>, depth: usize) -> Read<Step> {
    let id = id(&fields);
    let when = fields.mapping("when");
    let timeout = fields.duration("timeout", MILLISECOND, MAX_STEP_TIMEOUT);
    let own_retry = optional_retry(&fields);
    let on_error = on_error(&fields, depth);
    let action = match (fields.one_of(&KINDS, "make a step of each"), &id) {
        (Ok(kind), Ok(id)) if is_without_content(&fields, kind) => Ok((without_content(id), None)),
        _ => fields.exactly_one_of(&KINDS, "make a step of each").and_then(|kind| action(&fields, kind, depth)),
    };
    fields.finish();
    let (action, timeout_of_call) = action?;
    Ok(Step { id: id?, when: when?, timeout: timeout_of_call.or(timeout?), retry: own_retry?, on_error: on_error?, action })
}

/// Whether a stored version has a step that does nothing, since its content was empty: earlier versions of Forebay left it out.
fn is_without_content(fields: &Fields<'_>, kind: Option<Kind>) -> bool {
    let is_empty_call = |call: &Fields<'_>| ["url", "connection"].iter().any(|field| call.has_key(field)) && !has_target(call);
    fields.is_stored()
        && match kind {
            None => KINDS.iter().any(|(name, _)| fields.has_key(name)),
            Some(Kind::Http) => matches!(fields.object("http"), Ok(Some(call)) if is_empty_call(&call)),
            Some(_) => false,
        }
}

/// Fails the execution, which keeps its input: a call that does nothing must not look as if it had succeeded.
fn without_content(id: &str) -> Action {
    let error = format!("the step '{id}' has no content in this version of the definition: apply the definition again with it");
    Action::Stop(Stop { error: Some(error) })
}

fn id(fields: &Fields<'_>) -> Read<String> {
    let id = fields.required("id", fields.text("id"), "a name for the step's output, such as price")?;
    if is_identifier(&id) {
        return Ok(id);
    }
    Err(fields.problem(
        "id",
        format!(
            "'{id}' must begin with a letter or _ and go on with letters, digits and _ (64 at most), so that .steps.{{id}} is a mapping"
        ),
    ))
}

/// The step's action, and the time limit that stands inside it.
fn action(fields: &Fields<'_>, kind: Kind, depth: usize) -> Read<(Action, Option<Duration>)> {
    let object = |field| fields.required(field, fields.object(field), "");
    let action = match kind {
        Kind::Http => {
            let call = object("http")?;
            let timeout = call.duration("timeout", MILLISECOND, MAX_STEP_TIMEOUT);
            let call = http_call(call).map(Action::Http);
            return Ok((call?, timeout?));
        }
        Kind::Sql => Action::Sql(sql(object("sql")?)?),
        Kind::Email => Action::Email(email(object("email")?)?),
        Kind::Sftp => Action::Sftp(sftp(object("sftp")?)?),
        Kind::Amqp => Action::Amqp(amqp(object("amqp")?)?),
        Kind::Call => Action::Call(call(object("call")?)?),
        Kind::Set => Action::Set(fields.required("set", fields.mapping("set"), "a mapping")?),
        Kind::Switch => Action::Switch(switch(object("switch")?, depth)?),
        Kind::Each => Action::Each(each(object("each")?, depth)?),
        Kind::Parallel => Action::Parallel(parallel(&object("parallel")?, depth)?),
        Kind::Assert => Action::Assert(assertion(fields)?),
        Kind::Log => Action::Log(log_line(fields)?),
        Kind::Wait => Action::Wait(wait(fields)?),
        Kind::Respond => Action::Respond(respond(fields.required("respond", fields.object_or_empty("respond"), "")?)?),
        Kind::Stop => Action::Stop(stop(fields.required("stop", fields.object_or_empty("stop"), "")?)?),
    };
    Ok((action, None))
}

fn is_identifier(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn on_error(fields: &Fields<'_>, depth: usize) -> Read<OnError> {
    match fields.take("on_error")? {
        None => Ok(OnError::Fail),
        Some(Value::Array(items)) if items.is_empty() && !fields.is_stored() => {
            Err(fields.problem("on_error", "is empty: give steps, or write continue to go on without any"))
        }
        Some(Value::Array(_)) => Ok(list_of_steps(fields, "on_error", depth + 1)?.map_or(OnError::Fail, OnError::Steps)),
        Some(Value::String(word)) if word == "fail" => Ok(OnError::Fail),
        Some(Value::String(word)) if word == "continue" => Ok(OnError::Continue),
        Some(other) => Err(fields.wrong("on_error", "fail, continue or a list of steps", other)),
    }
}

fn switch(fields: Fields<'_>, depth: usize) -> Read<Switch> {
    let cases = match fields.required("cases", fields.list("cases"), "a list of { when, steps }") {
        Ok(cases) if cases.is_empty() => Err(fields.problem("cases", "is empty: give a list of { when, steps }")),
        Ok(cases) => all_of(cases.into_iter().map(|fields| case(fields, depth))),
        Err(reported) => Err(reported),
    };
    let default = list_of_steps(&fields, "default", depth + 1);
    fields.finish();
    Ok(Switch { cases: cases?, default: default?.unwrap_or_default() })
}

fn case(fields: Fields<'_>, depth: usize) -> Read<Case> {
    let when = fields.required("when", fields.mapping("when"), "a mapping");
    let steps = required_steps(&fields, "steps", depth);
    fields.finish();
    Ok(Case { when: when?, steps: steps? })
}

fn each(fields: Fields<'_>, depth: usize) -> Read<Each> {
    let items = fields.required("in", fields.mapping("in"), "a mapping that gives the list");
    let parallel = fields.whole("parallel", 1, MAX_ITEMS_AT_ONCE);
    let steps = required_steps(&fields, "steps", depth);
    let output = fields.mapping("output");
    fields.finish();
    Ok(Each { items: items?, parallel: parallel?.unwrap_or(1) as usize, steps: steps?, output: output? })
}

fn parallel(fields: &Fields<'_>, depth: usize) -> Read<Vec<Branch>> {
    let names = fields.names();
    if names.is_empty() {
        return Err(fields.problem_here("needs at least one branch: a name with a list of steps"));
    }
    all_of(names.into_iter().map(|name| branch(fields, name, depth)))
}

fn branch(fields: &Fields<'_>, name: String, depth: usize) -> Read<Branch> {
    if !is_identifier(&name) {
        fields.problem(&name, "must begin with a letter or _ and go on with letters, digits and _");
    }
    let steps = nested_steps(fields, &name, fields.list_of(&name)?, depth + 1)?;
    Ok(Branch { name, steps })
}

fn assertion(fields: &Fields<'_>) -> Read<Assertion> {
    if !matches!(fields.take("assert")?, Some(Value::Object(_))) {
        let that = fields.required("assert", fields.mapping("assert"), "a mapping that must be true")?;
        return Ok(Assertion { that, message: None });
    }
    let fields = fields.required("assert", fields.object("assert"), "")?;
    let that = fields.required("that", fields.mapping("that"), "a mapping that must be true");
    let message = fields.text("message");
    fields.finish();
    Ok(Assertion { that: that?, message: message? })
}

fn log_line(fields: &Fields<'_>) -> Read<LogLine> {
    if !matches!(fields.take("log")?, Some(Value::Object(_))) {
        return Ok(LogLine { message: fields.required("log", fields.text("log"), "a message")?, level: LogLevel::Info });
    }
    let fields = fields.required("log", fields.object("log"), "")?;
    let message = fields.required("message", fields.text("message"), "");
    let level = fields.word("level", &[("info", LogLevel::Info), ("warn", LogLevel::Warn), ("error", LogLevel::Error)]);
    fields.finish();
    Ok(LogLine { message: message?, level: level?.unwrap_or(LogLevel::Info) })
}

fn wait(fields: &Fields<'_>) -> Read<Wait> {
    if !matches!(fields.take("wait")?, Some(Value::Object(_))) {
        return fields.required("wait", fields.duration("wait", MILLISECOND, MAX_WAIT), "how long, such as 15m").map(Wait::For);
    }
    let fields = fields.required("wait", fields.object("wait"), "")?;
    let wait = match (fields.duration("for", MILLISECOND, MAX_WAIT), fields.mapping("until")) {
        (Ok(Some(pause)), Ok(None)) => Ok(Wait::For(pause)),
        (Ok(None), Ok(Some(until))) => Ok(Wait::Until(until)),
        (Err(reported), _) | (_, Err(reported)) => Err(reported),
        _ => Err(fields.problem_here("needs one of for (such as 15m) and until (a mapping that gives a time)")),
    };
    fields.finish();
    wait
}

fn stop(fields: Fields<'_>) -> Read<Stop> {
    let error = fields.text("error");
    fields.finish();
    Ok(Stop { error: error? })
}

/// An ordered execution that waits holds up all that come after it.
pub(super) fn check_wait(step: &Step, trigger: &Trigger, problems: &Problems) {
    let Action::Wait(wait) = &step.action else { return };
    let is_long = match wait {
        Wait::For(pause) => *pause > MAX_ORDERED_WAIT,
        Wait::Until(_) => false,
    };
    if trigger.policy().is_exclusive() && is_long {
        let most = crate::format_duration(MAX_ORDERED_WAIT);
        problems.add(
            "steps",
            format!("the step '{}' waits longer than {most}, which an ordered trigger or one with concurrency cannot: what comes after would wait too; `call` an unordered integration that waits", step.id),
        );
    }
}
