//! The form of a definition: its trigger, and what is stored of its executions.

use super::form::MAX_PARAMETERS;
use crate::view::field::{Field, option, tick};
use crate::view::time::at;
use forebay_contract::authentication::Authentication;
use forebay_contract::definition::{
    Definition, DispatchPolicy, IdempotencyMatch, OnFailure, OnTimeout, QueryParameter, RateScope, Schedule, Trigger, Webhook,
};
use forebay_contract::{UnixMillis, format_duration};
use maud::{Markup, html};
use serde_json::Value;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const RUNS_SHOWN: usize = 5;

/// Returns the form, filled from a definition. `document` is the document of its author, for fields that are shown as written. `drawn` is
/// the text, by which later changes in the form are recognized.
pub(super) fn form(definition: &Definition, document: &Value, drawn: &str) -> Markup {
    let is_schedule = definition.trigger.schedule().is_some();
    html! {
        input type="hidden" name="drawn" value=(drawn);
        div.fields {
            (Field { name: "description", label: "Description", value: &definition.description, example: "Work orders from ACME", ..Field::default() }.line("text"))
            div.field {
                span.label { "State" }
                (tick("enabled", "true", definition.enabled, "Enabled", "Off: calls get 404 and schedules do not run."))
            }
        }
        fieldset.field {
            legend { "Trigger" }
            div.choice-cards {
                (option("kind", "webhook", !is_schedule, "Webhook", "An HTTP call starts the workflow."))
                (option("kind", "schedule", is_schedule, "Schedule", "A time or an interval starts the workflow."))
            }
        }
        @match &definition.trigger {
            Trigger::Webhook(webhook) => (of_webhook(webhook, definition.on_failure)),
            Trigger::Schedule(schedule) => (of_schedule(schedule, document)),
        }
        @if definition.trigger.webhook().is_none() { (after_failure(definition)) }
        (Field {
            name: "input", label: "Data processing", value: definition.input.as_deref().unwrap_or_default(), example: "{ id: .body.workOrder.id }",
            hint: "A jq program that computes .input from the call. Empty: .input is the body. The example below runs it.", ..Field::default()
        }.text(6))
        (retention(definition))
    }
}

fn of_webhook(webhook: &Webhook, on_failure: OnFailure) -> Markup {
    let chosen = &webhook.authentication;
    html! {
        fieldset.field {
            legend { "Methods" }
            div.choices { @for method in METHODS { (tick("methods", method, webhook.methods.iter().any(|one| one.as_str() == method), method, "")) } }
        }
        fieldset.field {
            legend { "Authentication" }
            div.choice-cards {
                @for choice in Authentication::choices() {
                    (option("authentication", choice.name, chosen.is_choice(choice), choice.label, choice.hint))
                }
            }
        }
        (variants(chosen))
        (policy(&webhook.policy))
        @if webhook.policy.is_ordered() { (on_failure_choice(on_failure)) }
        (response(webhook))
        (rate(webhook))
        (parameters(&webhook.query))
        (Field {
            name: "idempotency_key", label: "Idempotency key", value: webhook.idempotency.key.as_deref().unwrap_or_default(),
            hint: "A mapping that returns the key of a call, such as .body.workOrder.id. Empty: the header Idempotency-Key.", example: ".body.workOrder.id",
            ..Field::default()
        }.line("text"))
        (idempotency_match(webhook.idempotency.matched_by))
    }
}

fn idempotency_match(matched_by: IdempotencyMatch) -> Markup {
    let value = match matched_by {
        IdempotencyMatch::Request => "request",
        IdempotencyMatch::Key => "key",
    };
    let hint = "Use the key only, if the sender changes a time or a number in each attempt.";
    Field { name: "idempotency_match", label: "Repeated calls match by", value, hint, ..Field::default() }
        .choice(&[("request", "Key and request; the same key with another request gets 422"), ("key", "Key only")])
}

/// Returns the second choice, if the chosen type has one.
fn variants(chosen: &Authentication) -> Markup {
    let choice = Authentication::choices().find(|choice| chosen.is_choice(choice));
    let variants = choice.and_then(|choice| choice.variants.as_ref()).zip(chosen.variant());
    html! {
        @if let Some((variants, chosen)) = variants {
            (Field { name: variants.field, label: variants.label, value: chosen, hint: variants.hint, ..Field::default() }.choice(&(variants.choices)()))
        }
    }
}

fn policy(policy: &DispatchPolicy) -> Markup {
    let (by, keys) = match policy {
        DispatchPolicy::OrderedByKey { by, concurrency } => (by.as_str(), concurrency.to_string()),
        _ => ("", String::new()),
    };
    let limit = if let DispatchPolicy::ConcurrencyLimit(limit) = policy { limit.to_string() } else { String::new() };
    let is_by_key = matches!(policy, DispatchPolicy::OrderedByKey { .. });
    let is_parallel = matches!(policy, DispatchPolicy::ConcurrencyLimit(_));
    html! {
        fieldset.field {
            legend { "Dispatch policy" }
            div.choice-cards {
                (option("delivery", "lane", *policy == DispatchPolicy::Parallel, "Parallel", "Any number in parallel, on any worker."))
                (option("delivery", "serial", *policy == DispatchPolicy::Ordered, "Ordered", "One after the other, in the order of their receipt."))
                (option("delivery", "by_key", is_by_key, "Ordered by key", "In order for each key, several keys in parallel."))
                (option("delivery", "parallel", is_parallel, "Concurrency limit", "Not in order, at most this number in parallel in the cluster."))
            }
        }
        @if is_by_key {
            div.fields {
                (Field { name: "order_by", label: "Key", value: by, example: ".body.site", required: true, ..Field::default() }.line("text"))
                (Field { name: "order_keys", label: "Keys in parallel", value: &keys, ..Field::default() }.line("number"))
            }
        }
        @if is_parallel { (Field { name: "concurrency", label: "Limit", value: &limit, ..Field::default() }.line("number")) }
    }
}

fn on_failure_choice(on_failure: OnFailure) -> Markup {
    let value = if on_failure == OnFailure::Halt { "halt" } else { "continue" };
    let field = Field {
        name: "on_failure",
        label: "After a final failure",
        value,
        hint: "The monitor shows halted triggers. An operator resumes them, or skips the failed execution.",
        ..Field::default()
    };
    field.choice(&[("continue", "The next execution starts"), ("halt", "The trigger halts")])
}

fn response(webhook: &Webhook) -> Markup {
    let wait = webhook.response.map(|response| format_duration(response.wait)).unwrap_or_default();
    let on_timeout = match webhook.response.map(|response| response.on_timeout) {
        Some(OnTimeout::Accepted) => "accepted",
        _ => "error",
    };
    html! {
        fieldset.field {
            legend { "Response" }
            (tick("waits", "true", webhook.response.is_some(), "Request-response", "The caller waits for the workflow's response. Off: it gets 202 when its call is stored."))
        }
        @if webhook.response.is_some() {
            div.fields {
                (Field { name: "wait", label: "Timeout", value: &wait, example: "30s", ..Field::default() }.line("text"))
                (Field { name: "on_timeout", label: "On timeout", value: on_timeout, ..Field::default() }
                    .choice(&[("error", "504; queued calls are dropped"), ("accepted", "202; the call always runs")]))
            }
        }
    }
}

fn rate(webhook: &Webhook) -> Markup {
    let (calls, per) = webhook.rate.map(|rate| (rate.calls.to_string(), format_duration(rate.per))).unwrap_or_default();
    let scope = webhook.rate.map_or(RateScope::Endpoint, |rate| rate.scope);
    let word = RateScope::ALL.iter().find(|(_, one)| *one == scope).map_or("", |(word, _)| word);
    let has_keys = webhook.authentication.needs_key();
    let scopes = RateScope::ALL.into_iter().filter(|(_, scope)| has_keys || *scope != RateScope::Key).map(|(word, scope)| {
        let label = match scope {
            RateScope::Endpoint => "All callers together",
            RateScope::Key => "Each API key",
            RateScope::Address => "Each client address",
        };
        (word, label)
    });
    let scopes: Vec<(&str, &str)> = scopes.collect();
    html! {
        div.fields {
            (Field { name: "rate_calls", label: "Rate limit", value: &calls, hint: "Further calls get 429. Empty: no limit.", example: "100", ..Field::default() }.line("number"))
            (Field { name: "rate_per", label: "Period", value: &per, example: "1m", ..Field::default() }.line("text"))
            (Field { name: "rate_scope", label: "Scope", value: word, ..Field::default() }.choice(&scopes))
        }
    }
}

fn parameters(parameters: &[QueryParameter]) -> Markup {
    let shown = parameters.iter().take(MAX_PARAMETERS).map(Some).chain(std::iter::once(None));
    html! {
        fieldset.field {
            legend { "Query parameters" }
            span.hint { "Mappings read the parameters as .query, with their types. To remove a parameter, clear its name." }
            div.parameters id="parameters" {
                @for (row, parameter) in shown.enumerate() { (parameter_row(row, parameter)) }
            }
            div.needs-script { button.button.small type="button" data-add-row="parameters" { "Add parameter" } }
        }
    }
}

fn parameter_row(row: usize, parameter: Option<&QueryParameter>) -> Markup {
    let name_of = |field: &str| format!("parameter_{field}_{row}");
    let (name, kind, default) = (name_of("name"), name_of("type"), name_of("default"));
    let value = parameter.and_then(|parameter| parameter.default.as_ref()).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    html! {
        div.parameter data-row {
            (Field { name: &name, label: "Name", value: parameter.map_or("", |parameter| &parameter.name), example: "customerid", ..Field::default() }.line("text"))
            (Field { name: &kind, label: "Type", value: parameter.map_or("string", |parameter| parameter.kind.as_str()), ..Field::default() }
                .choice(&[("string", "string"), ("integer", "integer"), ("number", "number"), ("boolean", "boolean")]))
            (Field { name: &default, label: "Default", value: value.as_deref().unwrap_or_default(), ..Field::default() }.line("text"))
            (tick(&name_of("required"), "true", parameter.is_some_and(|parameter| parameter.required), "Required", ""))
            button.button.small.quiet.needs-script type="button" data-cut-row aria-label="Remove this parameter" { "Remove" }
        }
    }
}

fn of_schedule(schedule: &Schedule, document: &Value) -> Markup {
    let written = |name: &str| document.pointer(&format!("/trigger/schedule/{name}")).and_then(Value::as_str).unwrap_or_default();
    let is_cron = !written("cron").is_empty();
    let input = if schedule.input.is_null() { String::new() } else { format!("{:#}", schedule.input) };
    html! {
        fieldset.field {
            legend { "When" }
            div.choice-cards {
                (option("timing", "every", !is_cron, "Interval", "In elapsed time, independent of the time zone."))
                (option("timing", "cron", is_cron, "Cron", "A cron expression in a time zone."))
            }
        }
        div.fields {
            @if is_cron {
                (Field { name: "cron", label: "Cron expression", value: written("cron"), example: "0 6 * * 1-5", hint: "Minute, hour, day, month, weekday.", required: true, ..Field::default() }.line("text"))
                (Field { name: "timezone", label: "Time zone", value: written("timezone"), example: "Europe/Stockholm", required: true, ..Field::default() }.line("text"))
            } @else {
                (Field { name: "every", label: "Every", value: written("every"), example: "15m", required: true, ..Field::default() }.line("text"))
                (Field { name: "starting", label: "Starting", value: written("starting"), example: "2026-12-01T06:00:00Z", hint: "Empty: at whole multiples.", ..Field::default() }.line("text"))
            }
        }
        (next_runs(schedule))
        (tick("run_ordered", "true", schedule.policy.is_ordered(), "Ordered", "A run starts only when the one before it has ended."))
        (Field { name: "schedule_input", label: "Input", value: &input, hint: "JSON that the workflow receives as .body.", ..Field::default() }.text(3))
    }
}

/// Returns the due times of the next runs, in the timezone of the schedule.
fn next_runs(schedule: &Schedule) -> Markup {
    let mut due = Vec::with_capacity(RUNS_SHOWN);
    let mut after = UnixMillis::now();
    while let Some(next) = schedule.timing.next_after(after).filter(|_| due.len() < RUNS_SHOWN) {
        due.push(next);
        after = next;
    }
    html! {
        div.field {
            span.label { "Next runs" }
            @if due.is_empty() { p.muted { "The schedule has no further due time." } }
            ul.small { @for due in &due { li { code { (schedule.timing.on_its_clock(*due)) } " · " (at(due.to_micros())) } } }
        }
    }
}

fn after_failure(definition: &Definition) -> Markup {
    html! { @if definition.trigger.policy().is_ordered() { (on_failure_choice(definition.on_failure)) } }
}

fn retention(definition: &Definition) -> Markup {
    let diagnostics = &definition.diagnostics;
    let keep = diagnostics.retention.map(format_duration).unwrap_or_default();
    let attempts = definition.retry.attempts.to_string();
    html! {
        fieldset.field {
            legend { "Stored for each execution" }
            div.choices {
                (tick("keep_input", "true", diagnostics.input, "Input", ""))
                (tick("keep_output", "true", diagnostics.output, "Response", ""))
                (tick("keep_steps", "true", diagnostics.steps, "Output of each step", ""))
            }
            span.hint { "For a failed execution, Forebay always stores the data for a retry." }
        }
        div.fields {
            (Field { name: "keep", label: "Retention", value: &keep, example: "14d", hint: "Empty: the retention of the history.", ..Field::default() }.line("text"))
            (Field { name: "attempts", label: "Attempts", value: &attempts, hint: "1: no retry.", ..Field::default() }.line("number"))
        }
    }
}
