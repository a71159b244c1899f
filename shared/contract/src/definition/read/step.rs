//! Reads `steps`.

use super::{DAY, MILLISECOND, headers, respond, retry};
use crate::definition::{
    Action, AmqpCall, Assertion, Branch, Case, Each, EmailCall, HttpCall, HttpTarget, IntegrationCall, LogLevel, LogLine, OnError,
    SftpCall, SftpOperation, SqlCall, SqlStatement, Step, Stop, Switch, Trigger, Wait,
};
use crate::fields::{Fields, Problems, describe};
use http::Method;
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

fn http_call(fields: Fields<'_>) -> Option<HttpCall> {
    let body = fields.mapping("body");
    let default = if body.is_some() { Method::POST } else { Method::GET };
    let method = match fields.text("method") {
        None => default,
        Some(text) => match ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&text) {
            true => text.parse().unwrap_or(default),
            false => {
                fields.problem("method", format!("must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not '{text}'"));
                default
            }
        },
    };
    let target = target(&fields);
    let query = fields.texts("query");
    let headers = headers(&fields);
    let accept = fields.take("accept").map(|value| statuses(&fields, value)).unwrap_or_default();
    fields.finish();
    Some(HttpCall { method, target: target?, query, headers, body, accept })
}

fn target(fields: &Fields<'_>) -> Option<HttpTarget> {
    let path = fields.text("path").map(str::to_owned);
    match (fields.text("url").map(str::to_owned), fields.optional_name("connection")) {
        (Some(_), Some(_)) => {
            fields.problem("url", "is for calls without a connection: use path under the connection's address");
            None
        }
        (Some(_), None) if path.is_some() => {
            fields.problem("path", "is for calls by a connection: put it into url");
            None
        }
        (Some(url), None) => Some(HttpTarget::Url(url)),
        (None, Some(connection)) => Some(HttpTarget::Connection { connection, path: path.unwrap_or_default() }),
        (None, None) => {
            if !fields.has_key("url") && !fields.has_key("connection") {
                fields.problem(
                    "url",
                    "is required, or connection: a template of the whole address, such as 'https://erp.example/price/${ .input.id }'",
                );
            }
            None
        }
    }
}

fn statuses(fields: &Fields<'_>, value: &Value) -> Vec<u16> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let read = |item: &Value| item.as_u64().filter(|status| (100..=599).contains(status)).and_then(|status| u16::try_from(status).ok());
    let statuses: Vec<u16> = items.iter().filter_map(read).collect();
    if statuses.len() != items.len() {
        fields.problem("accept", "must be a list of statuses beside 2xx that are no failure, such as [404]");
    }
    statuses
}

fn sql(fields: Fields<'_>) -> Option<SqlCall> {
    let connection = fields.name("connection");
    let single = statement(&fields);
    let transaction = fields.list("transaction");
    let is_transaction = transaction.is_some();
    let statements = match (single, transaction) {
        (Some(statement), None) => vec![statement],
        (None, Some(items)) if !items.is_empty() => items.into_iter().filter_map(inner_statement).collect(),
        (Some(_), Some(_)) => {
            fields.problem("transaction", "holds all statements: move query or execute into it");
            Vec::new()
        }
        _ => {
            fields.problem_here("needs query (reads), execute (changes) or transaction (a list of both)");
            Vec::new()
        }
    };
    fields.finish();
    Some(SqlCall { connection: connection?, statements, is_transaction })
}

fn inner_statement(fields: Fields<'_>) -> Option<SqlStatement> {
    let statement = statement(&fields);
    if statement.is_none() {
        fields.problem_here("needs query or execute");
    }
    fields.finish();
    statement
}

fn statement(fields: &Fields<'_>) -> Option<SqlStatement> {
    let params = fields.mapping("params");
    match (fields.text("query"), fields.text("execute")) {
        (Some(query), None) => Some(SqlStatement { text: query.to_owned(), params, reads_only: true }),
        (None, Some(execute)) => Some(SqlStatement { text: execute.to_owned(), params, reads_only: false }),
        (Some(_), Some(_)) => {
            fields.problem("execute", "stands beside query: use transaction with a list of both");
            None
        }
        (None, None) => None,
    }
}

fn email(fields: Fields<'_>) -> Option<EmailCall> {
    let connection = fields.name("connection");
    let template = |field| fields.text(field).map(str::to_owned);
    let (from, reply_to, text, html) = (template("from"), template("reply_to"), template("text"), template("html"));
    let (to, cc, bcc) = (addresses(&fields, "to"), addresses(&fields, "cc"), addresses(&fields, "bcc"));
    if to.is_empty() && cc.is_empty() && bcc.is_empty() {
        fields.problem("to", "is required: an address or a list of addresses");
    }
    let subject = template("subject").unwrap_or_default();
    let attachments = fields.mapping("attachments");
    if text.is_none() && html.is_none() {
        fields.problem("text", "is required, or html");
    }
    fields.finish();
    Some(EmailCall { connection: connection?, from, to, cc, bcc, reply_to, subject, text, html, attachments })
}

fn addresses(fields: &Fields<'_>, field: &'static str) -> Vec<String> {
    match fields.take(field) {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(other) => {
            fields.problem(field, format!("must be an address or a list of addresses, not {}", describe(other)));
            Vec::new()
        }
    }
}

fn sftp(fields: Fields<'_>) -> Option<SftpCall> {
    let connection = fields.name("connection");
    let text = |field| fields.text(field).map(str::to_owned);
    let (list, get, put, from, delete) = (text("list"), text("get"), text("put"), text("move"), text("delete"));
    let (pattern, to, content_type, body) = (text("pattern"), text("to"), text("content_type"), fields.mapping("body"));
    let given = [&list, &get, &put, &from, &delete].iter().filter(|path| path.is_some()).count();
    if given != 1 {
        fields.problem_here("needs one of list, get, put, move, delete with a path");
    }
    let only_with = |field: &'static str, is_given: bool, fits: bool, operation: &str| {
        if is_given && !fits {
            fields.problem(field, format!("belongs to {operation}"));
        }
    };
    only_with("pattern", pattern.is_some(), list.is_some(), "list");
    only_with("to", to.is_some(), from.is_some(), "move");
    only_with("body", body.is_some(), put.is_some(), "put");
    only_with("content_type", content_type.is_some(), put.is_some() || get.is_some(), "get and put");
    if from.is_some() && to.is_none() {
        fields.problem("to", "is required: the new path");
    }
    if put.is_some() && body.is_none() {
        fields.problem("body", "is required: a mapping of the content");
    }
    fields.finish();
    let list = list.map(|path| SftpOperation::List { path, pattern });
    let get = get.map(|path| SftpOperation::Get { path, content_type: content_type.clone() });
    let put = put.and_then(|path| Some(SftpOperation::Put { path, body: body?, content_type }));
    let moved = from.and_then(|path| Some(SftpOperation::Move { path, to: to? }));
    let delete = delete.map(|path| SftpOperation::Delete { path });
    Some(SftpCall { connection: connection?, operation: list.or(get).or(put).or(moved).or(delete)? })
}

fn amqp(fields: Fields<'_>) -> Option<AmqpCall> {
    let connection = fields.name("connection");
    let exchange = fields.text("exchange").unwrap_or_default().to_owned();
    let routing_key = fields.text("routing_key").unwrap_or_default().to_owned();
    let headers = fields.texts("headers");
    let content_type = fields.text("content_type").map(str::to_owned);
    let body = fields.mapping("body");
    if exchange.is_empty() && routing_key.is_empty() {
        fields.problem("routing_key", "is required with the default exchange: the queue's name");
    }
    fields.finish();
    Some(AmqpCall { connection: connection?, exchange, routing_key, headers, content_type, body })
}

fn call(fields: Fields<'_>) -> Option<IntegrationCall> {
    let integration = fields.name("integration");
    let wait = fields.boolean("wait").unwrap_or(true);
    let (body, query) = (fields.mapping("body"), fields.mapping("query"));
    fields.finish();
    Some(IntegrationCall { integration: integration?, wait, body, query })
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
