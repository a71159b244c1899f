//! The history: searching, one execution, running it again, following.

use super::paging::{Page, limit, name, rfc3339, time, whole};
use super::{ApiError, ApiResult, accepted, ok, optional, required};
use crate::auth::Caller;
use crate::failure::Failure;
use crate::live::{HEARTBEAT, STILL_HERE, stream};
use actix_web::web;
use forebay_contract::body::shown_body;
use forebay_contract::json::object_of;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus, StepStatus};
use forebay_contract::{ExecutionId, Label};
use forebay_operations::RetryHow;
use forebay_store::{ExecutionDetail, ExecutionRow, Filter, Followed, LabelFilter, StoredRequest, StoredResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Maximum executions that are counted before a retry.
const MAX_COUNTED: u32 = 100_000;
/// Maximum executions of one part of a retry.
const MAX_RETRIED: u32 = 100;

/// One run of an integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Execution {
    id: String,
    tenant: String,
    integration: String,
    integration_id: String,
    /// The version of the definition that ran.
    version: i32,
    /// `webhook` or `schedule`.
    trigger: String,
    /// `queued`, `running`, `succeeded`, `failed` or `expired`.
    status: String,
    attempts: i32,
    accepted_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    worker: String,
    /// Why it failed: `code`, `step`, `message`, `transient`.
    error: Value,
    /// By their names.
    #[schema(value_type = Object)]
    labels: Map<String, Value>,
    response_status: Option<i32>,
    redeliveries: i32,
    /// Whether it halted its trigger.
    halted: bool,
    /// Whether a person has skipped it.
    skipped: bool,
    /// The trace that it belongs to (W3C Trace Context); null: of none that is kept anywhere.
    trace_id: Option<String>,
}

/// One execution with all that is kept of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExecutionDetail)]
pub(super) struct Detail {
    #[serde(flatten)]
    execution: Execution,
    steps: Vec<Step>,
    /// The call: method, path, queryString, query, headers, contentType, body; null: it is not kept.
    input: Value,
    /// The answer: status, headers, body; null: it is not kept, or there was none.
    output: Value,
}

/// A step that ran.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    id: String,
    /// `succeeded`, `failed`, `skipped` or `waiting`.
    status: &'static str,
    started_at: String,
    took_ms: f64,
    output: Value,
    error: Option<String>,
    /// What is worth knowing of its retries, such as a pause shorter than the remote system asked for.
    note: Option<String>,
    /// The variables before it, where diagnostics recorded them.
    before: Value,
    /// The variables after it.
    after: Value,
}

pub(super) fn shown(row: &ExecutionRow) -> Execution {
    Execution {
        id: row.id.to_string(),
        tenant: row.tenant.clone(),
        integration: row.integration.clone(),
        integration_id: row.integration_id.to_string(),
        version: row.version,
        trigger: row.trigger.clone(),
        status: row.status.to_string(),
        attempts: row.attempts,
        accepted_at: rfc3339(row.accepted_at),
        started_at: row.started_at.map(rfc3339),
        ended_at: row.ended_at.map(rfc3339),
        worker: row.worker.clone(),
        error: json!(row.error),
        labels: labels(&row.labels),
        response_status: row.response_status.map(i32::from),
        redeliveries: row.redeliveries,
        halted: row.halted,
        skipped: row.skipped,
        trace_id: row.trace.map(|trace| trace.simple().to_string()),
    }
}

fn labels(labels: &[Label]) -> Map<String, Value> {
    labels.iter().map(|label| (label.name().to_owned(), Value::from(label.value()))).collect()
}

fn detailed(detail: &ExecutionDetail) -> Detail {
    let variables = detail.variables.as_ref();
    let steps = detail.steps.iter().enumerate().map(|(place, step)| Step {
        id: step.id.clone(),
        status: match step.status {
            StepStatus::Succeeded => "succeeded",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
            StepStatus::Waiting => "waiting",
        },
        started_at: rfc3339(step.started_at),
        took_ms: step.took as f64 / 1000.0,
        output: step.output.clone().unwrap_or_default(),
        error: step.error.clone(),
        note: step.note.clone(),
        before: variables.and_then(|variables| variables.before(place)).map(Value::Object).unwrap_or_default(),
        after: variables.and_then(|variables| variables.after(place)).map(Value::Object).unwrap_or_default(),
    });
    Detail {
        execution: shown(&detail.row),
        steps: steps.collect(),
        input: detail.input.as_ref().map(input).unwrap_or_default(),
        output: detail.output.as_ref().map(answer).unwrap_or_default(),
    }
}

fn input(stored: &StoredRequest) -> Value {
    let request = &stored.request;
    object_of([
        ("method", json!(request.method)),
        ("path", json!(request.path)),
        ("queryString", json!(request.query_string)),
        ("query", Value::Object(request.query.clone())),
        ("headers", json!(request.headers)),
        ("contentType", json!(stored.content_type)),
        ("body", body(stored.content_type.as_deref(), &stored.body)),
    ])
}

fn answer(response: &StoredResponse) -> Value {
    object_of([
        ("status", response.status.into()),
        ("headers", json!(response.headers)),
        ("body", body(response.content_type(), &response.body)),
    ])
}

/// As its Content-Type says; null for none.
fn body(content_type: Option<&str>, bytes: &[u8]) -> Value {
    if bytes.is_empty() { Value::Null } else { shown_body(content_type, bytes) }
}

/// What to look for; everything that is given must fit.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Asked {
    tenant: Option<String>,
    /// The integration's name.
    integration: Option<String>,
    /// One or several states, with commas between them.
    status: Option<String>,
    /// Accepted since: a time, or how long ago, such as `1h`.
    since: Option<String>,
    /// Accepted before.
    until: Option<String>,
    /// `name=value`, or a value under any name.
    label: Option<String>,
    /// A code of errors, such as `mapping`.
    error: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Asked {
    fn filter(&self) -> Result<Filter, Failure> {
        let statuses = self.status.as_deref().map(|words| words.split(',').map(str::trim).map(str::parse::<ExecutionStatus>).collect());
        Ok(Filter {
            tenants: self.tenant.as_deref().map(name).transpose()?.map(|tenant| vec![tenant]),
            integration: self.integration.as_deref().map(name).transpose()?,
            statuses: statuses.unwrap_or_else(|| Ok(Vec::new())).map_err(Failure::bad_request)?,
            since: self.since.as_deref().map(|text| time("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| time("until", text)).transpose()?,
            label: self.label.as_deref().map(LabelFilter::of_text),
            error: self.error.as_deref().map(str::parse::<ErrorCode>).transpose().map_err(Failure::bad_request)?,
            ..Filter::default()
        })
    }

    fn place(&self) -> Result<Option<ExecutionId>, Failure> {
        let broken = |_| Failure::bad_request("cursor: is not one that a listing has given");
        self.cursor.as_deref().map(str::parse).transpose().map_err(broken)
    }
}

/// `GET /executions`.
pub(super) async fn list(caller: Caller, asked: web::Query<Asked>) -> ApiResult {
    let limit = limit(asked.limit)?;
    let filter = Filter { limit: limit + 1, before: asked.place()?, ..asked.filter()? };
    let mut rows = caller.state.operations.list_executions(&caller.actor, filter).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    ok(Page { items: rows.iter().map(shown).collect(), next })
}

fn read_id(text: &str) -> Result<ExecutionId, Failure> {
    text.parse().map_err(|error: forebay_contract::ExecutionIdError| Failure::not_found(error.to_string()))
}

/// `GET /executions/{id}`.
pub(super) async fn get(caller: Caller, id: web::Path<String>) -> ApiResult {
    ok(detailed(&caller.state.operations.execution(&caller.actor, &read_id(&id)?).await?))
}

/// How an execution runs again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schema(as = RetryHow)]
pub(super) struct How {
    /// With the integration's version of now.
    latest: bool,
    /// Every step once more, not only from the failed one on.
    from_start: bool,
}

/// An execution that runs again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retried {
    execution_id: String,
    version: i32,
    attempt: u32,
}

/// `POST /executions/{id}/retry`.
pub(super) async fn retry(caller: Caller, id: web::Path<String>, body: web::Bytes) -> ApiResult {
    let how: How = optional(&body)?;
    let how = RetryHow { latest: how.latest, from_start: how.from_start };
    let retried = caller.state.operations.retry(&caller.actor, &read_id(&id)?, how).await?;
    accepted(Retried { execution_id: retried.id.to_string(), version: retried.version, attempt: retried.attempt })
}

/// A retry of what a search finds.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schema(as = RetryMany)]
pub(super) struct Many {
    tenant: Option<String>,
    integration: Option<String>,
    /// `failed` or `expired`; both without.
    status: Option<String>,
    since: Option<String>,
    until: Option<String>,
    label: Option<String>,
    error: Option<String>,
    latest: bool,
    from_start: bool,
    /// Only counts.
    dry_run: bool,
    /// How many this call takes up, 1 to 100.
    #[serde(deserialize_with = "whole")]
    limit: Option<u32>,
    /// Where the part before ended.
    cursor: Option<String>,
}

/// A part of a retry, or what it would take up.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RetryPart)]
pub(super) struct Part {
    /// Of a dry run: how many executions there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u32>,
    /// Of a dry run: there are more than were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<bool>,
    /// How many run again.
    retried: u32,
    refused: Vec<Refused>,
    /// The `cursor` of the next part; null: nothing is left.
    next: Option<String>,
}

/// An execution that does not run again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotRetried)]
pub(super) struct Refused {
    id: String,
    reason: String,
}

/// `POST /executions/retry`: in the order of acceptance, at most 50 a second.
pub(super) async fn retry_many(caller: Caller, body: web::Bytes) -> ApiResult {
    let many: Many = required(&body)?;
    let Many { tenant, integration, status, since, until, label, error, cursor: place, .. } = many;
    let asked = Asked { tenant, integration, status, since, until, label, error, limit: None, cursor: place };
    let part = match many.limit {
        None => MAX_RETRIED,
        Some(limit) if (1..=MAX_RETRIED).contains(&limit) => limit,
        Some(limit) => return Err(Failure::invalid(format!("limit: must be 1 to {MAX_RETRIED}, not {limit}")).into()),
    };
    let filter = Filter { limit: part, ..asked.filter()? };
    let operations = &caller.state.operations;
    if many.dry_run {
        let found = operations.count_retryable(&caller.actor, filter, MAX_COUNTED).await?;
        return ok(Part { found: Some(found), at_least: Some(found == MAX_COUNTED), ..Part::default() });
    }
    let how = RetryHow { latest: many.latest, from_start: many.from_start };
    let batch = operations.retry_found(&caller.actor, filter, how, asked.place()?.as_ref()).await?;
    let refused = batch.refused.into_iter().map(|(id, reason)| Refused { id: id.to_string(), reason });
    ok(Part { retried: batch.retried, refused: refused.collect(), next: batch.next.map(|id| id.to_string()), ..Part::default() })
}

/// `GET /executions/live`: server-sent events. `executions` holds an array of executions; `missed`: some may have been missed.
pub(super) async fn live(caller: Caller, asked: web::Query<Asked>) -> ApiResult {
    let filter = asked.filter()?;
    if let Some(tenant) = asked.tenant.as_deref() {
        let denied = caller.actor.may(&name(tenant)?, forebay_store::Role::Viewer).err();
        if let Some(denied) = denied {
            return Err(ApiError(denied.into()));
        }
    }
    Ok(stream(caller, filter, HEARTBEAT, STILL_HERE, |followed| match followed {
        Followed::Interrupted => "event: missed\ndata: {}\n\n".to_owned(),
        Followed::Rows { rows, left_out } => {
            let rows: Vec<Execution> = rows.iter().map(shown).collect();
            let missed = if left_out > 0 { "event: missed\ndata: {}\n\n" } else { "" };
            format!("event: executions\ndata: {}\n\n{missed}", json!(rows))
        }
    }))
}
