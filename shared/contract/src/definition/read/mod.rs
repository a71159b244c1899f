//! From JSON to a [`Definition`], field by field in the order of the design's example.

mod step;
mod step_remote;
mod trigger;

use super::{
    Definition, DefinitionError, Diagnostics, LONGEST_BACKOFF, MOST_ATTEMPTS, OnFailure, Respond, RetryPolicy, Status, Step, Trigger,
};
use crate::fields::{Fields, Problems, describe};
use http::HeaderName;
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
/// Each field of each payload is compared with all of them.
const MOST_REDACTED: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 3600);

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
    let tenant = fields.name("tenant");
    let integration = fields.name("name");
    let description = fields.text("description").unwrap_or_default().to_owned();
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let trigger = trigger::trigger(&fields);
    let retry = fields.object("retry").map(retry).unwrap_or_default();
    let on_failure =
        fields.word("on_failure", &[("continue", OnFailure::Continue), ("halt", OnFailure::Halt)]).unwrap_or(OnFailure::Continue);
    let diagnostics = fields.object("diagnostics").map(diagnostics).unwrap_or_default();
    let input = fields.text("input").map(str::to_owned);
    let label = fields.text("label").map(str::to_owned);
    let steps = step::steps(&fields, "steps").unwrap_or_default();
    let respond = fields.object("respond").map(respond);

    let ordered = trigger.as_ref().is_none_or(|trigger| trigger.delivery().is_ordered());
    if on_failure == OnFailure::Halt && !ordered {
        fields.problem(
            "on_failure",
            "halt needs an ordered trigger: set trigger.webhook.ordered or trigger.schedule.ordered, or use continue",
        );
    }
    if let Some(trigger) = &trigger {
        check_steps(&steps, trigger, problems);
    }
    fields.finish();
    let (tenant, name, trigger) = (tenant?, integration?, trigger?);
    Some(Definition { tenant, name, description, enabled, trigger, retry, on_failure, diagnostics, input, label, steps, respond })
}

/// What concerns all steps together, wherever they stand.
fn check_steps(steps: &[Step], trigger: &Trigger, problems: &Problems) {
    let all = Step::all(steps);
    if all.len() > step::MOST_STEPS {
        problems.add("steps", format!("has {} steps; at most {} are allowed", all.len(), step::MOST_STEPS));
    }
    let mut seen = HashSet::new();
    for step in &all {
        if !seen.insert(step.id.as_str()) {
            problems
                .add("steps", format!("the id '{}' is given to two steps; ids are unique in a workflow, inner steps included", step.id));
        }
        step::check_wait(step, trigger, problems);
    }
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
    policy.on_any = fields.word("on", &[("transient", false), ("any", true)]).unwrap_or(false);
    fields.finish();
    policy
}

fn diagnostics(fields: Fields<'_>) -> Diagnostics {
    let read = Diagnostics {
        input: fields.boolean("input").unwrap_or(false),
        output: fields.boolean("output").unwrap_or(false),
        steps: fields.boolean("steps").unwrap_or(false),
        keep: fields.duration("keep", MILLISECOND, DAY * 3650),
        redact: redacted_names(&fields),
    };
    fields.finish();
    read
}

fn redacted_names(fields: &Fields<'_>) -> Vec<String> {
    let Some(value) = fields.take("redact") else { return Vec::new() };
    let Some(items) = value.as_array() else {
        fields.problem("redact", format!("must be a list of names, such as [password], not {}", describe(value)));
        return Vec::new();
    };
    if items.len() > MOST_REDACTED {
        fields.problem("redact", format!("has {} names; at most {MOST_REDACTED} are allowed", items.len()));
    }
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(name) if !name.is_empty() => names.push(name.to_owned()),
            _ => fields.problem("redact", format!("item {index} must be the name of a field, not {}", describe(item))),
        }
    }
    names
}

fn headers(fields: &Fields<'_>) -> Vec<(String, String)> {
    let headers = fields.texts("headers");
    for (name, _) in &headers {
        if name.parse::<HeaderName>().is_err() {
            fields.problem("headers", format!("'{name}' is no header name"));
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
    let headers = headers(&fields);
    let body = fields.text("body").map(str::to_owned);
    fields.finish();
    Respond { status, headers, body }
}
