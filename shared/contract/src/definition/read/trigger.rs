//! Reads `trigger`.

use super::{DAY, MILLISECOND};
use crate::definition::{
    Authentication, Cors, DEFAULT_MAX_BYTES, Delivery, Idempotency, LARGEST_MAX_BYTES, LONGEST_WAIT, MissedRuns, OnTimeout, QueryKind,
    QueryParameter, Rate, RateScope, ResponseWait, Schedule, Trigger, Webhook,
};
use crate::fields::{Fields, describe};
use crate::query::typed_value;
use crate::schedule::Timing;
use crate::schema::BodySchema;
use crate::signature::{CodeEncoding, HmacAlgorithm, HmacScheme, Sender, SignatureScheme, TOLERANCE};
use http::Method;
use serde_json::Value;
use std::time::Duration;

const MOST_KEYS_AT_ONCE: u64 = 1024;
const MOST_CALLS: u64 = 1_000_000;
const SHORTEST_EVERY: Duration = Duration::from_secs(1);
const LONGEST_JITTER: Duration = Duration::from_secs(3600);

pub(super) fn trigger(fields: &Fields<'_>) -> Option<Trigger> {
    if fields.take("trigger").is_none() {
        fields.problem("trigger", "is required: `webhook: {}` is the shortest");
        return None;
    }
    let trigger = fields.object("trigger")?;
    let (is_webhook, is_schedule) = (trigger.has_key("webhook"), trigger.has_key("schedule"));
    if is_webhook == is_schedule {
        trigger.problem_here(if is_webhook {
            "has both webhook and schedule: make an integration of each"
        } else {
            "needs webhook or schedule"
        });
    }
    let webhook = trigger.object_or_empty("webhook").map(webhook);
    let schedule = trigger.object_or_empty("schedule").and_then(schedule);
    trigger.finish();
    webhook.map(Trigger::Webhook).or(schedule.map(Trigger::Schedule))
}

fn schedule(fields: Fields<'_>) -> Option<Schedule> {
    let timing = timing(&fields);
    let delivery = if fields.boolean("ordered").unwrap_or(false) { Delivery::Serial } else { Delivery::Lane };
    let words = [("skip", MissedRuns::Skip), ("once", MissedRuns::Once), ("all", MissedRuns::All)];
    let missed = fields.word("missed", &words).unwrap_or(MissedRuns::Once);
    let jitter = fields.duration("jitter", Duration::ZERO, LONGEST_JITTER).unwrap_or_default();
    let input = fields.take("input").cloned().unwrap_or(Value::Null);
    fields.finish();
    Some(Schedule { timing: timing?, delivery, missed, jitter, input })
}

fn timing(fields: &Fields<'_>) -> Option<Timing> {
    let every = fields.duration("every", SHORTEST_EVERY, DAY * 366);
    let (starting, cron, timezone) = (fields.text("starting"), fields.text("cron"), fields.text("timezone"));
    match (fields.has_key("every"), cron) {
        (true, None) => {
            if timezone.is_some() {
                fields.problem("timezone", "is for cron; `every` counts real time from `starting`");
            }
            let timing = Timing::every(every?, starting);
            timing.map_err(|message| fields.problem("starting", message)).ok()
        }
        (false, Some(expression)) => {
            if starting.is_some() {
                fields.problem("starting", "is for every; a cron expression says itself when");
            }
            let timing = Timing::cron(expression, timezone.unwrap_or("UTC"));
            timing.map_err(|(field, message)| fields.problem(field, message)).ok()
        }
        (true, Some(_)) => {
            fields.problem_here("has both every and cron: use one of the two");
            None
        }
        (false, None) => {
            fields.problem_here("needs every (such as 15m) or cron (such as '0 6 * * 1-5')");
            None
        }
    }
}

fn webhook(fields: Fields<'_>) -> Webhook {
    let methods = methods(&fields);
    let authentication = authentication(&fields);
    let query = fields.object("query").map(query).unwrap_or_default();
    let (max_bytes, schema) = fields.object("body").map_or((DEFAULT_MAX_BYTES, None), body);
    let delivery = delivery(&fields);
    let response = fields.object("response").map(response);
    let cors = fields.object("cors").map(cors);
    let idempotency = fields.object("idempotency").map(idempotency).unwrap_or_default();
    let rate = fields.object("rate").and_then(|fields| rate(fields, &authentication));
    fields.finish();
    Webhook { methods, authentication, query, max_bytes, delivery, response, cors, schema, idempotency, rate }
}

fn authentication(fields: &Fields<'_>) -> Authentication {
    if fields.take("authentication").is_some_and(Value::is_object) {
        return fields.object("authentication").and_then(signature).map_or(Authentication::ApiKey, Authentication::Signature);
    }
    match fields.word("authentication", &[("api_key", true), ("none", false)]) {
        Some(false) => Authentication::None,
        _ => Authentication::ApiKey,
    }
}

fn signature(fields: Fields<'_>) -> Option<SignatureScheme> {
    let scheme = match fields.take("signature") {
        Some(Value::Object(_)) => fields.object("signature").and_then(hmac).map(SignatureScheme::Hmac),
        Some(_) => fields.word("signature", &Sender::WORDS).map(SignatureScheme::Of),
        None => {
            fields.problem("signature", "is required, such as { signature: github } or { signature: { header: X-Signature } }");
            None
        }
    };
    fields.finish();
    scheme
}

fn hmac(fields: Fields<'_>) -> Option<HmacScheme> {
    let code_header = header(&fields, "header");
    if !fields.has_key("header") {
        fields.problem("header", "is required: the header that holds the code, such as X-Signature");
    }
    let prefix = fields.text("prefix").unwrap_or_default().to_owned();
    let algorithms = [("sha1", HmacAlgorithm::Sha1), ("sha256", HmacAlgorithm::Sha256), ("sha512", HmacAlgorithm::Sha512)];
    let algorithm = fields.word("algorithm", &algorithms).unwrap_or(HmacAlgorithm::Sha256);
    let encoding = fields.word("encoding", &[("hex", CodeEncoding::Hex), ("base64", CodeEncoding::Base64)]).unwrap_or(CodeEncoding::Hex);
    let timestamp = header(&fields, "timestamp");
    let tolerance = fields.duration("tolerance", Duration::from_secs(1), DAY);
    if tolerance.is_some() && !fields.has_key("timestamp") {
        fields.problem("tolerance", "is for a scheme with a timestamp: name its header");
    }
    fields.finish();
    Some(HmacScheme { header: code_header?, prefix, algorithm, encoding, timestamp, tolerance: tolerance.unwrap_or(TOLERANCE) })
}

fn header(fields: &Fields<'_>, field: &'static str) -> Option<String> {
    let name = fields.text(field)?;
    // RFC 9110 allows a quote, which would end the one of a shell where an example of a call is pasted.
    if http::HeaderName::try_from(name).is_err() || name.contains('\'') {
        fields.problem(field, format!("is no name of a header: '{name}'"));
        return None;
    }
    Some(name.to_owned())
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
        let description = fields.text("description").unwrap_or_default().to_owned();
        fields.finish();
        parameters.push(QueryParameter { name, description, kind, required, default });
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

fn idempotency(fields: Fields<'_>) -> Idempotency {
    let key = fields.text("key").map(str::to_owned);
    let keep = fields.duration("keep", Duration::from_secs(1), DAY * 30).unwrap_or(Idempotency::default().keep);
    fields.finish();
    Idempotency { key, keep }
}

fn rate(fields: Fields<'_>, authentication: &Authentication) -> Option<Rate> {
    for field in ["calls", "per"] {
        if !fields.has_key(field) {
            fields.problem(field, "is required: a rate is written { calls: 100, per: 1m }");
        }
    }
    let calls = fields.whole("calls", 1, MOST_CALLS).map(|number| number as u32);
    let per = fields.duration("per", Duration::from_secs(1), DAY);
    let scope = fields.word("scope", &[("endpoint", RateScope::Endpoint), ("key", RateScope::Key)]).unwrap_or(RateScope::Endpoint);
    if scope == RateScope::Key && *authentication == Authentication::None {
        fields.problem("scope", "cannot be key where authentication is none: callers have no key");
    }
    fields.finish();
    Some(Rate { calls: calls?, per: per?, scope })
}

/// The most bytes and the schema.
fn body(fields: Fields<'_>) -> (usize, Option<Value>) {
    let max_bytes = fields.whole("max_bytes", 0, LARGEST_MAX_BYTES as u64).map_or(DEFAULT_MAX_BYTES, |bytes| bytes as usize);
    let schema = fields.take("schema").cloned();
    if let Some(schema) = &schema
        && let Err(problem) = BodySchema::compile(schema)
    {
        fields.problem("schema", problem);
    }
    fields.finish();
    (max_bytes, schema)
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
