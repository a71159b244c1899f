//! From JSON to a [`Definition`], field by field in the order of the design's example.

use super::fields::{Fields, Problems, describe};
use super::{
    Action, Authentication, Cors, DEFAULT_MAX_BYTES, Definition, DefinitionError, Delivery, Diagnostics, HttpCall, LARGEST_MAX_BYTES,
    LONGEST_BACKOFF, LONGEST_WAIT, MOST_ATTEMPTS, OnFailure, OnTimeout, QueryKind, QueryParameter, Respond, ResponseWait, RetryPolicy,
    Status, Step, Webhook,
};
use crate::name::Name;
use crate::query::typed_value;
use http::{HeaderName, Method};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST_STEPS: usize = 200;
const MOST_KEYS_AT_ONCE: u64 = 1024;
/// Steps are bounded by the execution's own deadline as well.
const LONGEST_STEP: Duration = Duration::from_secs(15 * 60);

pub(super) fn definition(document: &Value) -> Result<Definition, DefinitionError> {
    let problems = Problems::default();
    let read = Fields::of(document, "", &problems).and_then(|fields| root(fields, &problems));
    let problems = problems.into_vec();
    match read {
        Some(definition) if problems.is_empty() => Ok(definition),
        _ => Err(DefinitionError { problems }),
    }
}

fn root(fields: Fields<'_>, problems: &Problems) -> Option<Definition> {
    let tenant = name(&fields, "tenant");
    let integration = name(&fields, "name");
    let description = fields.text("description").unwrap_or_default().to_owned();
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let trigger = trigger(&fields);
    let retry = fields.object("retry").map(retry).unwrap_or_default();
    let on_failure =
        fields.word("on_failure", &[("continue", OnFailure::Continue), ("halt", OnFailure::Halt)]).unwrap_or(OnFailure::Continue);
    let diagnostics = fields.object("diagnostics").map(diagnostics).unwrap_or_default();
    let input = fields.text("input").map(str::to_owned);
    let steps = steps(&fields, problems);
    let respond = fields.object("respond").map(respond);
    fields.not_yet("label", "a label (business key)");

    let ordered = trigger.as_ref().is_none_or(|trigger| trigger.delivery.is_ordered());
    if on_failure == OnFailure::Halt && !ordered {
        fields.problem("on_failure", "halt needs an ordered trigger: set trigger.webhook.ordered, or use continue");
    }
    fields.finish();
    let (tenant, name, trigger) = (tenant?, integration?, trigger?);
    Some(Definition { tenant, name, description, enabled, trigger, retry, on_failure, diagnostics, input, steps, respond })
}

fn name(fields: &Fields<'_>, field: &'static str) -> Option<Name> {
    if fields.take(field).is_none() {
        fields.problem(field, "is required");
        return None;
    }
    fields.text(field)?.parse().map_err(|error: crate::name::NameError| fields.problem(field, error.to_string())).ok()
}

fn trigger(fields: &Fields<'_>) -> Option<Webhook> {
    if fields.take("trigger").is_none() {
        fields.problem("trigger", "is required: `webhook: {}` is the shortest");
        return None;
    }
    let trigger = fields.object("trigger")?;
    trigger.not_yet("schedule", "a schedule");
    if !trigger.has_key("webhook") {
        trigger.problem("webhook", "is required");
    }
    let webhook = trigger.object_or_empty("webhook").and_then(webhook);
    trigger.finish();
    webhook
}

fn webhook(fields: Fields<'_>) -> Option<Webhook> {
    let methods = methods(&fields);
    let authentication = fields
        .word("authentication", &[("api_key", Authentication::ApiKey), ("none", Authentication::None)])
        .unwrap_or(Authentication::ApiKey);
    let query = fields.object("query").map(query).unwrap_or_default();
    let max_bytes = fields.object("body").map_or(DEFAULT_MAX_BYTES, body);
    let delivery = delivery(&fields);
    let response = fields.object("response").map(response);
    let cors = fields.object("cors").map(cors);
    fields.not_yet("idempotency", "idempotency");
    fields.finish();
    Some(Webhook { methods, authentication, query, max_bytes, delivery, response, cors })
}

fn methods(fields: &Fields<'_>) -> Vec<Method> {
    let allowed = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let Some(value) = fields.take("methods") else { return vec![Method::GET, Method::POST] };
    let mut methods = Vec::new();
    for item in value.as_array().map_or(&[][..], Vec::as_slice) {
        match allowed.iter().find(|method| Some(method.as_str()) == item.as_str()) {
            Some(method) if methods.contains(method) => fields.problem("methods", format!("names {method} twice")),
            Some(method) => methods.push(method.clone()),
            None => fields.problem("methods", format!("must be of GET, POST, PUT, PATCH, DELETE, not {}", describe(item))),
        }
    }
    if value.as_array().is_none_or(Vec::is_empty) {
        fields.problem("methods", "must be a list with at least one method, such as [POST]");
    }
    methods
}

fn query(fields: Fields<'_>) -> Vec<QueryParameter> {
    let mut parameters = Vec::new();
    for (name, fields) in fields.entries() {
        let kinds = [QueryKind::String, QueryKind::Integer, QueryKind::Number, QueryKind::Boolean].map(|kind| (kind.as_str(), kind));
        let kind = fields.word("type", &kinds).unwrap_or(QueryKind::String);
        let required = fields.boolean("required").unwrap_or(false);
        let default = fields.take("default").and_then(|value| default_value(&fields, kind, value));
        if required && default.is_some() {
            fields.problem("default", "a required parameter has no default: remove one of the two");
        }
        fields.take("description");
        fields.finish();
        parameters.push(QueryParameter { name, kind, required, default });
    }
    parameters
}

/// A default in its own type, or as the text that a caller would send.
fn default_value(fields: &Fields<'_>, kind: QueryKind, value: &Value) -> Option<Value> {
    let fits = match kind {
        QueryKind::String => value.is_string(),
        QueryKind::Integer => value.is_i64(),
        QueryKind::Number => value.is_number(),
        QueryKind::Boolean => value.is_boolean(),
    };
    if fits {
        return Some(value.clone());
    }
    let from_text = match value {
        Value::String(text) => typed_value(kind, text),
        Value::Number(_) | Value::Bool(_) => typed_value(kind, &value.to_string()),
        _ => None,
    };
    if from_text.is_none() {
        fields.problem("default", format!("must be of the type {}, not {}", kind.as_str(), describe(value)));
    }
    from_text
}

fn body(fields: Fields<'_>) -> usize {
    let max_bytes = fields.whole("max_bytes", 0, LARGEST_MAX_BYTES as u64).map_or(DEFAULT_MAX_BYTES, |bytes| bytes as usize);
    fields.not_yet("schema", "a body schema");
    fields.finish();
    max_bytes
}

fn delivery(fields: &Fields<'_>) -> Delivery {
    let concurrency = fields.whole("concurrency", 1, MOST_KEYS_AT_ONCE).map(|number| number as usize);
    let ordered = match fields.take("ordered") {
        None | Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(Delivery::Serial),
        Some(Value::Object(_)) => fields.object("ordered").and_then(by_key),
        Some(other) => {
            fields.problem("ordered", format!("must be true, false or {{ by, concurrency }}, not {}", describe(other)));
            None
        }
    };
    match (ordered, concurrency) {
        (Some(_), Some(_)) => {
            fields.problem("concurrency", "is for unordered triggers; for keys at once write ordered: { by, concurrency }");
            Delivery::Lane
        }
        (Some(ordered), None) => ordered,
        (None, Some(number)) => Delivery::Parallel(number),
        (None, None) => Delivery::Lane,
    }
}

fn by_key(fields: Fields<'_>) -> Option<Delivery> {
    let by = fields.text("by").map(str::to_owned);
    if by.is_none() {
        fields.problem("by", "is required: a mapping of the ordering key, such as '.body.site'");
    }
    let concurrency = fields.whole("concurrency", 1, MOST_KEYS_AT_ONCE).unwrap_or(16) as usize;
    fields.finish();
    Some(Delivery::ByKey { by: by?, concurrency })
}

fn response(fields: Fields<'_>) -> ResponseWait {
    let wait = fields.duration("wait", MILLISECOND, LONGEST_WAIT).unwrap_or(Duration::from_secs(30));
    let on_timeout =
        fields.word("on_timeout", &[("error", OnTimeout::Error), ("accepted", OnTimeout::Accepted)]).unwrap_or(OnTimeout::Error);
    fields.finish();
    ResponseWait { wait, on_timeout }
}

fn cors(fields: Fields<'_>) -> Cors {
    let mut origins = Vec::new();
    match fields.take("origins").and_then(Value::as_array) {
        Some(list) if !list.is_empty() => {
            for item in list {
                match item.as_str() {
                    Some("*") => origins.push("*".to_owned()),
                    Some(origin) if is_origin(origin) => origins.push(origin.to_owned()),
                    _ => {
                        fields.problem("origins", format!("must be origins such as https://portal.example, or '*', not {}", describe(item)))
                    }
                }
            }
        }
        _ => fields.problem("origins", "must be a list such as ['https://portal.example']"),
    }
    fields.finish();
    Cors { origins }
}

/// Scheme, host and perhaps a port, as browsers send it in `Origin` (RFC 6454): no path, no trailing slash.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let plain = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some() && uri.query().is_none();
    plain && uri.path() == "/" && !text.ends_with('/')
}

fn retry(fields: Fields<'_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    if let Some(attempts) = fields.whole("attempts", 1, u64::from(MOST_ATTEMPTS)) {
        policy.attempts = attempts as u32;
    }
    if let Some(backoff) = fields.object("backoff") {
        policy.first = backoff.duration("first", Duration::ZERO, LONGEST_BACKOFF).unwrap_or(policy.first);
        policy.max = backoff.duration("max", Duration::ZERO, LONGEST_BACKOFF).unwrap_or(policy.max);
        if let Some(value) = backoff.take("factor") {
            match value.as_f64() {
                Some(factor) if (1.0..=10.0).contains(&factor) => policy.factor = factor,
                _ => backoff.problem("factor", format!("must be a number from 1 to 10, not {}", describe(value))),
            }
        }
        backoff.finish();
    }
    fields.finish();
    policy
}

fn diagnostics(fields: Fields<'_>) -> Diagnostics {
    let read = Diagnostics {
        input: fields.boolean("input").unwrap_or(false),
        output: fields.boolean("output").unwrap_or(false),
        steps: fields.boolean("steps").unwrap_or(false),
        keep: fields.duration("keep", MILLISECOND, DAY * 3650),
    };
    fields.finish();
    read
}

fn steps(fields: &Fields<'_>, problems: &Problems) -> Vec<Step> {
    let Some(value) = fields.take("steps") else { return Vec::new() };
    let Some(list) = value.as_array() else {
        fields.problem("steps", format!("must be a list, not {}", describe(value)));
        return Vec::new();
    };
    if list.len() > MOST_STEPS {
        fields.problem("steps", format!("has {} steps; at most {MOST_STEPS} are allowed", list.len()));
    }
    let mut seen = HashSet::new();
    let mut steps = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let Some(step_fields) = Fields::of(item, format!("steps[{index}]"), problems) else { continue };
        if let Some(step) = step(step_fields, problems) {
            if !seen.insert(step.id.clone()) {
                problems.add(format!("steps[{index}].id"), format!("'{}' is already another step's id", step.id));
            }
            steps.push(step);
        }
    }
    steps
}

fn step(fields: Fields<'_>, problems: &Problems) -> Option<Step> {
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
    let when = fields.text("when").map(str::to_owned);
    let timeout = fields.duration("timeout", MILLISECOND, LONGEST_STEP);
    let mut actions = Vec::new();
    let mut timeout_of_call = None;
    if let Some(call) = fields.object("http") {
        timeout_of_call = call.duration("timeout", MILLISECOND, LONGEST_STEP);
        actions.push(http_call(call, problems).map(Action::Http));
    }
    if let Some(mapping) = fields.text("set") {
        actions.push(Some(Action::Set(mapping.to_owned())));
    }
    for later in ["sql", "email", "sftp", "amqp", "call", "switch", "each", "parallel", "assert", "log", "wait", "respond", "stop"] {
        fields.not_yet(later, "this kind of step");
    }
    for later in ["retry", "on_error"] {
        fields.not_yet(later, "a step's own failure handling");
    }
    if actions.len() != 1 {
        fields.problem_here(if actions.is_empty() {
            "needs one of http, set"
        } else {
            "has more than one of http, set: make a step of each"
        });
    }
    fields.finish();
    let action = actions.pop()??;
    Some(Step { id: id?, when, timeout: timeout_of_call.or(timeout), action })
}

fn is_identifier(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn http_call(fields: Fields<'_>, problems: &Problems) -> Option<HttpCall> {
    let body = fields.text("body").map(str::to_owned);
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
    fields.not_yet("connection", "a connection");
    fields.not_yet("path", "a path under a connection");
    let url = fields.text("url").map(str::to_owned);
    if url.is_none() {
        fields.problem("url", "is required: a template of the whole address, such as 'https://erp.example/price/${ .input.id }'");
    }
    let query = fields.texts("query");
    let headers = headers(&fields, problems);
    fields.finish();
    Some(HttpCall { method, url: url?, query, headers, body })
}

fn headers(fields: &Fields<'_>, problems: &Problems) -> Vec<(String, String)> {
    let headers = fields.texts("headers");
    for (name, _) in &headers {
        if name.parse::<HeaderName>().is_err() {
            problems.add(fields.path_of("headers"), format!("'{name}' is no header name"));
        }
    }
    headers
}

fn respond(fields: Fields<'_>) -> Respond {
    let status = match fields.take("status") {
        None => Status::Fixed(200),
        Some(Value::String(mapping)) => Status::Mapping(mapping.clone()),
        Some(value) => match value.as_u64() {
            Some(status @ 200..=599) => Status::Fixed(status as u16),
            _ => {
                fields.problem("status", format!("must be a number from 200 to 599 or a mapping, not {}", describe(value)));
                Status::Fixed(200)
            }
        },
    };
    let headers = headers(&fields, fields.problems());
    let body = fields.text("body").map(str::to_owned);
    fields.finish();
    Respond { status, headers, body }
}
