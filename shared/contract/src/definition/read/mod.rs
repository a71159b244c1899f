//! Reads a [`Definition`] from JSON, field by field in the order of the design's example.

mod body_rule;
mod trigger;

pub(super) use body_rule::{body_rule, body_rule_of};

use super::steps;
use super::{Definition, DefinitionError, Diagnostics, MAX_ATTEMPTS, MAX_BACKOFF, OnFailure, Respond, RetryPolicy, Status, Step, Trigger};
use crate::fields::{Fields, Origin, Problems, Read};
use http::HeaderName;
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
/// Maximum redacted names: each field of each payload is compared with all of them.
const MAX_REDACTED: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn definition(document: &Value, origin: Origin) -> Result<Definition, DefinitionError> {
    Problems::of_document(document, origin, root).map_err(|problems| DefinitionError { problems })
}

fn root(fields: Fields<'_>) -> Read<Definition> {
    let tenant = fields.name("tenant");
    let name = fields.name("name");
    let description = fields.description();
    let enabled = fields.boolean("enabled");
    let paused = fields.boolean("paused");
    let trigger = trigger::trigger(&fields);
    let retry = optional_retry(&fields);
    let on_failure = fields.word("on_failure", &[("continue", OnFailure::Continue), ("halt", OnFailure::Halt)]);
    let diagnostics = match fields.object("diagnostics") {
        Ok(Some(fields)) => diagnostics(fields),
        Ok(None) => Ok(Diagnostics::default()),
        Err(reported) => Err(reported),
    };
    let input = fields.mapping("input");
    let label = fields.mapping("label");
    let steps = steps::steps(&fields, "steps");
    let respond = fields.object_or_empty("respond").and_then(|fields| fields.map(respond).transpose());
    if let (Ok(Some(OnFailure::Halt)), Ok(trigger)) = (&on_failure, &trigger)
        && !trigger.policy().is_ordered()
    {
        fields.problem(
            "on_failure",
            "halt needs an ordered trigger: set trigger.webhook.ordered or trigger.schedule.ordered, or use continue",
        );
    }
    if let (Ok(trigger), Ok(Some(steps))) = (&trigger, &steps) {
        check_steps(steps, trigger, fields.problems());
    }
    fields.finish();
    Ok(Definition {
        tenant: tenant?,
        name: name?,
        description: description?.unwrap_or_default(),
        enabled: enabled?.unwrap_or(true),
        paused: paused?.unwrap_or(false),
        trigger: trigger?,
        retry: retry?.unwrap_or_default(),
        on_failure: on_failure?.unwrap_or(OnFailure::Continue),
        diagnostics: diagnostics?,
        input: input?,
        label: label?,
        steps: steps?.unwrap_or_default(),
        respond: respond?,
    })
}

/// Checks the rules about all steps together, at any depth.
fn check_steps(steps: &[Step], trigger: &Trigger, problems: &Problems) {
    let all = Step::all(steps);
    if all.len() > steps::MAX_STEPS {
        problems.add("steps", format!("has {} steps; at most {} are allowed", all.len(), steps::MAX_STEPS));
    }
    let mut seen = HashSet::new();
    for step in &all {
        if !seen.insert(step.id.as_str()) {
            problems
                .add("steps", format!("the id '{}' is given to two steps; ids are unique in a workflow, inner steps included", step.id));
        }
        step.action.check(&step.id, trigger, problems);
    }
}

pub(super) fn optional_retry(fields: &Fields<'_>) -> Read<Option<RetryPolicy>> {
    fields.object("retry")?.map(retry).transpose()
}

fn retry(fields: Fields<'_>) -> Read<RetryPolicy> {
    let default = RetryPolicy::default();
    let attempts = fields.whole("attempts", 1, u64::from(MAX_ATTEMPTS));
    let backoff = fields.object("backoff").and_then(|backoff| backoff.map(|backoff| self::backoff(backoff, default)).transpose());
    let on_any = fields.word("on", &[("transient", false), ("any", true)]);
    fields.finish();
    Ok(RetryPolicy {
        attempts: attempts?.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(default.attempts),
        on_any: on_any?.unwrap_or(default.on_any),
        ..backoff?.unwrap_or(default)
    })
}

fn backoff(fields: Fields<'_>, default: RetryPolicy) -> Read<RetryPolicy> {
    let first = fields.duration("first", Duration::ZERO, MAX_BACKOFF);
    let max = fields.duration("max", Duration::ZERO, MAX_BACKOFF);
    let factor = fields.number("factor", |factor| (1.0..=10.0).contains(&factor), "a number from 1 to 10");
    fields.finish();
    Ok(RetryPolicy {
        first: first?.unwrap_or(default.first),
        max: max?.unwrap_or(default.max),
        factor: factor?.unwrap_or(default.factor),
        ..default
    })
}

fn diagnostics(fields: Fields<'_>) -> Read<Diagnostics> {
    let (input, output, steps) = (fields.boolean("input"), fields.boolean("output"), fields.boolean("steps"));
    let retention = fields.duration("keep", MILLISECOND, DAY * 3650);
    let redact = fields.list_of_texts("redact", "names of fields, such as [password]");
    if let Ok(Some(names)) = &redact
        && names.len() > MAX_REDACTED
    {
        fields.problem("redact", format!("has {} names; at most {MAX_REDACTED} are allowed", names.len()));
    }
    fields.finish();
    Ok(Diagnostics {
        input: input?.unwrap_or(false),
        output: output?.unwrap_or(false),
        steps: steps?.unwrap_or(false),
        retention: retention?,
        redact: redact?.unwrap_or_default(),
    })
}

/// Reads templates of headers, by name.
pub(super) fn headers(fields: &Fields<'_>) -> Read<Vec<(String, String)>> {
    let headers = fields.texts("headers")?;
    let wrong = headers.iter().filter(|(name, _)| name.parse::<HeaderName>().is_err());
    let reported = wrong.map(|(name, _)| fields.problem("headers", format!("'{name}' is no header name"))).last();
    reported.map_or(Ok(headers), Err)
}

pub(super) fn respond(fields: Fields<'_>) -> Read<Respond> {
    let status = status(&fields);
    let headers = headers(&fields);
    let body = fields.mapping("body");
    fields.finish();
    Ok(Respond { status: status?, headers: headers?, body: body? })
}

fn status(fields: &Fields<'_>) -> Read<Status> {
    match fields.take("status")? {
        None => Ok(Status::Fixed(200)),
        Some(Value::String(_)) => Ok(fields.mapping("status")?.map_or(Status::Fixed(200), Status::Mapping)),
        Some(value) => match value.as_u64() {
            Some(status @ 200..=599) => Ok(Status::Fixed(status as u16)),
            _ => Err(fields.wrong("status", "a number from 200 to 599 or a mapping", value)),
        },
    }
}
