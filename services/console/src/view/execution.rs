//! One execution: its call, its steps, its response, and the possible actions.

use super::badge;
use super::diagram::{Beside, diagram, states};
use super::diff;
use super::executions::{can_be_retried, duration, state};
use super::json::{body, json};
use super::notice::{empty, facts, notice};
use super::page::card;
use super::time::{at, between, span};
use super::timeline::{Lane, timeline};
use forebay_contract::definition::{Definition, Step};
use forebay_contract::outcome::{StepRecord, StepStatus};
use forebay_store::{ExecutionDetail, ExecutionRow};
use maud::{Markup, html};
use serde_json::Value;

/// The variables before and after a step, where diagnostics recorded them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Around {
    /// Before it began.
    pub(crate) before: Value,
    /// After it ended.
    pub(crate) after: Value,
}

/// Additional data for the page of an execution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The version that ran; absent if it is deleted or not readable.
    pub(crate) definition: Option<&'a Definition>,
    /// The variables before and after each step, in the order of the steps; empty: none were recorded.
    pub(crate) around: &'a [Option<Around>],
    /// The address of its trace; empty: none.
    pub(crate) trace: &'a str,
    /// True if the reader may retry it.
    pub(crate) may_retry: bool,
    /// The current version of the integration.
    pub(crate) latest: Option<i32>,
}

/// Draws the content of the page, which follows the execution.
#[must_use]
pub(crate) fn execution(detail: &ExecutionDetail, context: &Context<'_>) -> Markup {
    let row = &detail.row;
    html! {
        div.stack id="execution" data-live {
            @if let Some(error) = &row.error {
                (notice(badge::Tone::Bad, &format!("Failed: {}", error.code.as_str()), html! {
                    @if let Some(step) = &error.step { "In " a href={ "#step-" (bare(step)) } { code { (step) } } ": " }
                    (error.message)
                }))
            }
            (summary(row, context))
            @if context.may_retry { (retry(row, context)) }
            div.halves {
                (card("Timeline", &html! {}, &times(detail)))
                @if let Some(definition) = context.definition {
                    (card("Workflow", &html! {}, &diagram(definition, Beside { states: Some(&states(&detail.steps)), places: None })))
                }
            }
            (card("Steps", &html! {}, &steps(detail, context)))
            div.halves { (call(detail)) (response(detail)) }
        }
    }
}

/// Returns the id of a step without the item of a loop before it.
fn bare(step: &str) -> &str {
    step.rsplit('/').next().unwrap_or(step)
}

fn summary(row: &ExecutionRow, context: &Context<'_>) -> Markup {
    let integration = format!("/integrations/{}/{}", row.tenant, row.integration);
    let version = html! {
        a href={ (integration) "/versions" } { (row.version) }
        @if context.latest.is_some_and(|latest| latest != row.version) { span.muted { " (now " (context.latest.unwrap_or_default()) ")" } }
    };
    let attempts = html! {
        (row.attempts)
        @if row.redeliveries > 0 { span.muted { ", redelivered " (row.redeliveries) "×" } }
    };
    let mut entries = vec![
        ("State", state(row)),
        ("Integration", html! { a href=(integration) { (row.tenant) "/" (row.integration) } }),
        ("Version", version),
        ("Trigger", html! { (row.trigger.as_str()) }),
        ("Received", at(row.accepted_at)),
        ("Queue time", html! { (row.started_at.map_or_else(|| "not started".to_owned(), |started| between(row.accepted_at, started))) }),
        ("Duration", html! { (duration(row)) }),
        ("Attempts", attempts),
        ("Worker", html! { @if row.worker.is_empty() { "-" } @else { (row.worker) } }),
    ];
    if let Some(status) = row.response_status {
        entries.push(("Response", html! { code { (status) } }));
    }
    if !context.trace.is_empty() {
        entries.push(("Trace", html! { a href=(context.trace) rel="noreferrer" { "Open the trace" } }));
    }
    html! { section.card { div.body { (facts(&entries)) } } }
}

fn retry(row: &ExecutionRow, context: &Context<'_>) -> Markup {
    if row.halted && !row.skipped {
        return notice(
            badge::Tone::Warn,
            "This execution halts its trigger",
            html! {
                "The following executions are queued. " a href="/monitor#halted" { "Resume the trigger or skip this execution on the monitor." }
            },
        );
    }
    if !can_be_retried(row) {
        return html! {};
    }
    let is_old = context.latest.is_some_and(|latest| latest != row.version);
    card(
        "Retry",
        &html! {},
        &html! {
            form.stack method="post" action={ "/executions/" (row.id) "/retry" } {
                div.choices {
                    (super::field::option("from", "failed", true, "From the failed step", "Steps that succeeded do not run again."))
                    (super::field::option("from", "start", false, "From the start", "All steps run again."))
                }
                div.choices {
                    (super::field::option("version", "same", !is_old, &format!("With version {}", row.version), "The version of the last attempt."))
                    (super::field::option("version", "latest", is_old, &format!("With the latest version{}", context.latest.map(|latest| format!(" ({latest})")).unwrap_or_default()), "Includes later fixes."))
                }
                div.actions { button.button.main type="submit" { "Retry" } }
            }
        },
    )
}

fn times(detail: &ExecutionDetail) -> Markup {
    let row = &detail.row;
    let mut lanes = Vec::with_capacity(detail.steps.len() + 1);
    let first = detail.steps.first().map(|step| step.started_at).or(row.started_at);
    if let Some(first) = first {
        let queue_time = i64::try_from(first.since(row.accepted_at).as_micros()).unwrap_or(i64::MAX);
        lanes.push(Lane { name: "queued".to_owned(), href: String::new(), state: "queued", began: row.accepted_at, duration: queue_time });
    }
    for step in &detail.steps {
        let state = match step.status {
            StepStatus::Succeeded => "succeeded",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
            StepStatus::Waiting => "waiting",
        };
        lanes.push(Lane {
            name: step.id.clone(),
            href: format!("#step-{}", bare(&step.id)),
            state,
            began: step.started_at,
            duration: step.duration,
        });
    }
    if lanes.is_empty() {
        return html! { p.muted { "The execution has not started." } };
    }
    timeline(&lanes)
}

fn steps(detail: &ExecutionDetail, context: &Context<'_>) -> Markup {
    if detail.steps.is_empty() {
        let text = "The execution has not started, it failed before its first step, or its history was deleted.";
        return empty("No step has run", text, &html! {});
    }
    let defined = context.definition.map(|definition| Step::all(&definition.steps)).unwrap_or_default();
    let mut anchored: Vec<&str> = Vec::new();
    html! {
        @for (index, record) in detail.steps.iter().enumerate() {
            // For a step in a loop, the first item has the anchor.
            @let id = bare(&record.id);
            @let is_first = !anchored.contains(&id);
            @if is_first { ({ anchored.push(id); "" }) }
            @let kind = defined.iter().find(|step| step.id == id).map(|step| step.action.kind());
            (step(record, kind, is_first.then_some(id), context.around.get(index).and_then(Option::as_ref)))
        }
    }
}

fn step(record: &StepRecord, kind: Option<&str>, anchor: Option<&str>, around: Option<&Around>) -> Markup {
    let is_open = record.status == StepStatus::Failed;
    html! {
        details.fold.step id=[anchor.map(|id| format!("step-{id}"))] open[is_open] {
            summary {
                span.row.apart {
                    span.row { (badge::step(record.status)) strong { (record.id) } @if let Some(kind) = kind { (badge::tag(kind)) } }
                    span.muted.small { (span(record.duration)) }
                }
            }
            div.body {
                @if let Some(error) = &record.error { (notice(badge::Tone::Bad, "Error", error.as_str())) }
                @if let Some(note) = &record.note { p.hint { (note) } }
                @match &record.output {
                    Some(output) => { h3 { "Output" } (json(output)) }
                    None if around.is_none() => p.hint { "The output is not stored. Enable diagnostics to record the outputs and variables of new executions." },
                    None => {}
                }
                @if let Some(around) = around { h3 { "Variables" } (diff::values(Some(&around.before), Some(&around.after))) }
            }
        }
    }
}

fn call(detail: &ExecutionDetail) -> Markup {
    card(
        "Input",
        &html! {},
        &html! {
            @match &detail.input {
                None => p.muted { "The input is not stored." },
                Some(input) => {
                    p { code { (input.request.method) " " (input.request.path) @if !input.request.query_string.is_empty() { "?" (input.request.query_string) } } }
                    (headers(&input.request.headers))
                    (body(&input.body))
                }
            }
        },
    )
}

fn response(detail: &ExecutionDetail) -> Markup {
    card(
        "Output",
        &html! {},
        &html! {
            @match &detail.output {
                None => p.muted { "No response is stored." },
                Some(output) => {
                    p { "Status " code { (output.status) } }
                    (headers(&output.headers))
                    (body(&output.body))
                }
            }
        },
    )
}

fn headers(headers: &[(String, String)]) -> Markup {
    html! {
        @if !headers.is_empty() {
            details.fold {
                summary { "Headers (" (headers.len()) ")" }
                div.body { pre tabindex="0" { @for (name, value) in headers { (name) ": " (value) "\n" } } }
            }
        }
    }
}
