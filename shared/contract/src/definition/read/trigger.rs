//! Reads `trigger`.

use super::body_rule::body_rule;
use super::bounds::{DAY, MILLISECOND};
use crate::authentication;
use crate::body::BodyRule;
use crate::definition::{
    Cors, DEFAULT_MAX_BYTES, DispatchPolicy, Idempotency, IdempotencyMatch, MAX_BODY_BYTES, MAX_WAIT, MissedRuns, OnTimeout, QueryKind,
    QueryParameter, Rate, RateScope, ResponseWait, Schedule, Trigger, Webhook,
};
use crate::fields::{Fields, Read, all_of};
use crate::query::typed_value;
use crate::schedule::Timing;
use crate::schema::BodySchema;
use http::Method;
use serde_json::Value;
use std::time::Duration;

const MAX_KEYS_AT_ONCE: u64 = 1024;
const MAX_CALLS: u64 = 1_000_000;
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_JITTER: Duration = Duration::from_secs(3600);

pub(super) fn trigger(fields: &Fields<'_>) -> Read<Trigger> {
    #[derive(Clone, Copy)]
    enum Kind {
        Webhook,
        Schedule,
    }
    let trigger = fields.required("trigger", fields.object("trigger"), "`webhook: {}` is the shortest")?;
    let kind = trigger.exactly_one_of(&[("webhook", Kind::Webhook), ("schedule", Kind::Schedule)], "make an integration of each");
    let object = |field| trigger.required(field, trigger.object_or_empty(field), "");
    let read = kind.and_then(|kind| match kind {
        Kind::Webhook => webhook(object("webhook")?).map(Trigger::Webhook),
        Kind::Schedule => schedule(object("schedule")?).map(Trigger::Schedule),
    });
    trigger.finish();
    read
}

fn schedule(fields: Fields<'_>) -> Read<Schedule> {
    let timing = timing(&fields);
    let is_ordered = fields.boolean("ordered");
    let words = [("skip", MissedRuns::Skip), ("once", MissedRuns::Once), ("all", MissedRuns::All)];
    let missed = fields.word("missed", &words);
    let jitter = fields.duration("jitter", Duration::ZERO, MAX_JITTER);
    let input = fields.any_value("input");
    fields.finish();
    let policy = if is_ordered?.unwrap_or(false) { DispatchPolicy::Ordered } else { DispatchPolicy::Parallel };
    Ok(Schedule { timing: timing?, policy, missed: missed?.unwrap_or(MissedRuns::Once), jitter: jitter?.unwrap_or_default(), input })
}

fn timing(fields: &Fields<'_>) -> Read<Timing> {
    let every = fields.duration("every", MIN_INTERVAL, DAY * 366);
    let (starting, cron, timezone) = (fields.text("starting"), fields.text("cron"), fields.text("timezone"));
    match (every?, cron?, starting?, timezone?) {
        (Some(_), Some(_), ..) => Err(fields.problem_here("has both every and cron: use one of the two")),
        (Some(_), None, _, Some(_)) => Err(fields.problem("timezone", "is for cron; `every` counts real time from `starting`")),
        (Some(every), None, starting, None) => {
            Timing::every(every, starting.as_deref()).map_err(|message| fields.problem("starting", message))
        }
        (None, Some(_), Some(_), _) => Err(fields.problem("starting", "is for every; a cron expression says itself when")),
        (None, Some(expression), None, timezone) => {
            let timing = Timing::cron(&expression, timezone.as_deref().unwrap_or("UTC"));
            timing.map_err(|(field, message)| fields.problem(field, message))
        }
        (None, None, ..) => Err(fields.problem_here("needs every (such as 15m) or cron (such as '0 6 * * 1-5')")),
    }
}

fn webhook(fields: Fields<'_>) -> Read<Webhook> {
    let methods = methods(&fields);
    let authentication = authentication::read(&fields);
    let query = fields.object("query").and_then(|fields| fields.map(query).transpose());
    let body = fields.object("body").and_then(|fields| fields.map(body).transpose());
    let policy = policy(&fields);
    let response = fields.object("response").and_then(|fields| fields.map(response).transpose());
    let cors = fields.object("cors").and_then(|fields| fields.map(cors).transpose());
    let idempotency = fields.object("idempotency").and_then(|fields| fields.map(idempotency).transpose());
    let rate = fields.object("rate").and_then(|fields| fields.map_or(Ok(None), rate));
    if let (Ok(Some(rate)), Ok(authentication)) = (&rate, &authentication)
        && rate.scope == RateScope::Key
        && !authentication.needs_key()
    {
        fields.problem(
            "rate.scope",
            "cannot be key where authentication is none: callers have no key; address counts those of each client's address",
        );
    }
    fields.finish();
    let (max_bytes, schema, body) = body?.unwrap_or((DEFAULT_MAX_BYTES, None, BodyRule::NONE));
    Ok(Webhook {
        methods: methods?,
        authentication: authentication?,
        query: query?.unwrap_or_default(),
        max_bytes,
        body,
        policy: policy?,
        response: response?,
        cors: cors?,
        schema,
        idempotency: idempotency?.unwrap_or_default(),
        rate: rate?,
    })
}

fn methods(fields: &Fields<'_>) -> Read<Vec<Method>> {
    let allowed = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let Some(value) = fields.take("methods")? else { return Ok(vec![Method::GET, Method::POST]) };
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        return Err(fields.problem("methods", "must be a list with at least one method, such as [POST]"));
    };
    let read = |(index, item): (usize, &Value)| match allowed.iter().find(|method| Some(method.as_str()) == item.as_str()) {
        Some(method) if items[..index].contains(item) => Err(fields.problem(&format!("methods[{index}]"), format!("names {method} twice"))),
        Some(method) => Ok(method.clone()),
        None => Err(fields.wrong(&format!("methods[{index}]"), "GET, POST, PUT, PATCH or DELETE", item)),
    };
    all_of(items.iter().enumerate().map(read))
}

fn query(fields: Fields<'_>) -> Read<Vec<QueryParameter>> {
    all_of(fields.entries()?.into_iter().map(|(name, fields)| query_parameter(name, fields)))
}

fn query_parameter(name: String, fields: Fields<'_>) -> Read<QueryParameter> {
    let kinds = [QueryKind::String, QueryKind::Integer, QueryKind::Number, QueryKind::Boolean].map(|kind| (kind.as_str(), kind));
    let kind = fields.word("type", &kinds);
    let required = fields.boolean("required");
    let default = match (&kind, fields.scalar("default")) {
        (Ok(kind), Ok(Some(text))) => default_value(&fields, kind.unwrap_or(QueryKind::String), &text).map(Some),
        (Err(reported), _) => Err(*reported),
        (_, default) => default.map(|_| None),
    };
    if let (Ok(Some(true)), Ok(Some(_))) = (&required, &default) {
        fields.problem("default", "a required parameter has no default: remove one of the two");
    }
    let description = fields.description();
    fields.finish();
    let kind = kind?.unwrap_or(QueryKind::String);
    Ok(QueryParameter {
        name,
        description: description?.unwrap_or_default(),
        kind,
        required: required?.unwrap_or(false),
        default: default?,
    })
}

/// Reads a default like the text of a caller: for a parameter of the type string, the text as written.
fn default_value(fields: &Fields<'_>, kind: QueryKind, text: &str) -> Read<Value> {
    let wrong = || fields.problem("default", format!("must be of the type {}, not '{text}'", kind.as_str()));
    typed_value(kind, text).ok_or_else(wrong)
}

fn idempotency(fields: Fields<'_>) -> Read<Idempotency> {
    let key = fields.mapping("key");
    let retention = fields.duration("keep", Duration::from_secs(1), DAY * 30);
    let matched_by = fields.word("match", &[("request", IdempotencyMatch::Request), ("key", IdempotencyMatch::Key)]);
    fields.finish();
    let default = Idempotency::default();
    Ok(Idempotency { key: key?, matched_by: matched_by?.unwrap_or(default.matched_by), retention: retention?.unwrap_or(default.retention) })
}

/// Reads the rate. In a stored version, a rate without one of its two parts counts as absent, as it did when it was stored.
fn rate(fields: Fields<'_>) -> Read<Option<Rate>> {
    let calls = fields.whole("calls", 1, MAX_CALLS);
    let per = fields.duration("per", Duration::from_secs(1), DAY);
    let scope = fields.word("scope", &RateScope::ALL);
    if fields.is_stored() && (matches!(calls, Ok(None)) || matches!(per, Ok(None))) {
        fields.finish();
        return Ok(None);
    }
    let hint = "a rate is written { calls: 100, per: 1m }";
    let (calls, per) = (fields.required("calls", calls, hint), fields.required("per", per, hint));
    fields.finish();
    Ok(Some(Rate { calls: calls? as u32, per: per?, scope: scope?.unwrap_or(RateScope::Endpoint) }))
}

/// Reads the maximum bytes, the schema, and the rule of reading.
fn body(fields: Fields<'_>) -> Read<(usize, Option<Value>, BodyRule)> {
    let max_bytes = fields.whole("max_bytes", 0, MAX_BODY_BYTES as u64);
    let schema = fields.take("schema").map(Option::<&Value>::cloned);
    if let Ok(Some(schema)) = &schema
        && let Err(problem) = BodySchema::compile(schema)
    {
        fields.problem("schema", problem);
    }
    let rule = body_rule(&fields);
    fields.finish();
    Ok((max_bytes?.map_or(DEFAULT_MAX_BYTES, |bytes| bytes as usize), schema?, rule?))
}

fn policy(fields: &Fields<'_>) -> Read<DispatchPolicy> {
    let concurrency = fields.whole("concurrency", 1, MAX_KEYS_AT_ONCE);
    let ordered = ordered(fields);
    match (ordered?, concurrency?) {
        (Some(_), Some(_)) => {
            Err(fields.problem("concurrency", "is for unordered triggers; for keys at once write ordered: { by, concurrency }"))
        }
        (Some(ordered), None) => Ok(ordered),
        (None, Some(number)) => Ok(DispatchPolicy::ConcurrencyLimit(number as usize)),
        (None, None) => Ok(DispatchPolicy::Parallel),
    }
}

fn ordered(fields: &Fields<'_>) -> Read<Option<DispatchPolicy>> {
    match fields.take("ordered")? {
        None => Ok(None),
        Some(Value::Object(_)) => fields.object("ordered")?.map(by_key).transpose(),
        Some(Value::Bool(_) | Value::String(_)) => {
            Ok(fields.boolean("ordered")?.filter(|ordered| *ordered).map(|_| DispatchPolicy::Ordered))
        }
        Some(other) => Err(fields.wrong("ordered", "true, false or { by, concurrency }", other)),
    }
}

fn by_key(fields: Fields<'_>) -> Read<DispatchPolicy> {
    let by = fields.required("by", fields.mapping("by"), "a mapping of the ordering key, such as '.body.site'");
    let concurrency = fields.whole("concurrency", 1, MAX_KEYS_AT_ONCE);
    fields.finish();
    Ok(DispatchPolicy::OrderedByKey { by: by?, concurrency: concurrency?.unwrap_or(16) as usize })
}

fn response(fields: Fields<'_>) -> Read<ResponseWait> {
    let wait = fields.duration("wait", MILLISECOND, MAX_WAIT);
    let on_timeout = fields.word("on_timeout", &[("error", OnTimeout::Error), ("accepted", OnTimeout::Accepted)]);
    fields.finish();
    Ok(ResponseWait { wait: wait?.unwrap_or(Duration::from_secs(30)), on_timeout: on_timeout?.unwrap_or(OnTimeout::Error) })
}

fn cors(fields: Fields<'_>) -> Read<Cors> {
    let origins = fields.list_of_texts("origins", "origins, such as ['https://portal.example']");
    let origins = fields.required("origins", origins, "a list such as ['https://portal.example']").and_then(|origins| {
        if origins.is_empty() {
            return Err(fields.problem("origins", "must be a list such as ['https://portal.example']"));
        }
        let wrong = |origin: &&String| *origin != "*" && !is_origin(origin);
        match origins.iter().find(wrong) {
            Some(origin) => {
                Err(fields.problem("origins", format!("must be origins such as https://portal.example, or '*', not '{origin}'")))
            }
            None => Ok(origins),
        }
    });
    fields.finish();
    Ok(Cors { origins: origins? })
}

/// Returns true for an origin as browsers send it in `Origin` (RFC 6454): scheme, host and perhaps a port, without path and trailing slash.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let has_origin = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some() && uri.query().is_none();
    has_origin && uri.path() == "/" && !text.ends_with('/')
}
