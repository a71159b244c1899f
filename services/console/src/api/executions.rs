//! The history: search, details, retries, server-sent events.

use super::paging::{limit, name, optional_time};
use super::response::{ApiError, ApiResult, accepted, ok, optional, required};
use crate::auth::Caller;
use crate::failure::Failure;
use crate::live::{HEARTBEAT, STILL_HERE, stream};
use actix_web::web;
use forebay_admin_api::executions::{
    Execution, ExecutionDetail, ExecutionFailure, ExecutionFilter, ExecutionQuery, MAX_RETRIED, RefusedRetry, RetriedExecution,
    RetryFoundRequest, RetryFoundResponse, RetryRequest, Step,
};
use forebay_admin_api::{ExecutionIdText, ExecutionPath, Page, Time};
use forebay_contract::body::shown_body;
use forebay_contract::json::object_of;
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus};
use forebay_contract::{ExecutionId, Label};
use forebay_operations::RetryOptions;
use forebay_store::{ExecutionDetail as StoredExecution, ExecutionRow, Filter, Followed, LabelFilter, StoredRequest, StoredResponse};
use serde_json::{Map, Value, json};

/// Maximum executions that are counted before a retry.
const MAX_COUNTED: u32 = 100_000;
fn shown(row: &ExecutionRow) -> Execution {
    Execution {
        id: row.id.to_string(),
        tenant: row.tenant.clone(),
        integration: row.integration.clone(),
        integration_id: row.integration_id.to_string(),
        version: row.version,
        trigger: row.trigger.as_str().to_owned(),
        status: row.status,
        attempts: row.attempts,
        received_at: Time::from(row.accepted_at),
        accepted_at: Time::from(row.accepted_at),
        started_at: row.started_at.map(Time::from),
        ended_at: row.ended_at.map(Time::from),
        worker: row.worker.clone(),
        error: row.error.as_ref().map(failure),
        labels: labels(&row.labels),
        response_status: row.response_status.map(i32::from),
        redeliveries: row.redeliveries,
        halted: row.halted,
        skipped: row.skipped,
        trace_id: row.trace.map(|trace| trace.simple().to_string()),
    }
}

fn failure(error: &ExecutionError) -> ExecutionFailure {
    let ExecutionError { code, step, message, transient, retry_after: _ } = error;
    ExecutionFailure { code: code.as_str().to_owned(), step: step.clone(), message: message.clone(), transient: *transient }
}

fn labels(labels: &[Label]) -> Map<String, Value> {
    labels.iter().map(|label| (label.name().to_owned(), Value::from(label.value()))).collect()
}

fn detailed(detail: &StoredExecution) -> ExecutionDetail {
    let variables = detail.variables.as_ref();
    let steps = detail.steps.iter().enumerate().map(|(place, step)| Step {
        id: step.id.clone(),
        status: step.status,
        started_at: Time::from(step.started_at),
        duration_ms: step.duration as f64 / 1000.0,
        took_ms: step.duration as f64 / 1000.0,
        output: step.output.clone().unwrap_or_default(),
        error: step.error.clone(),
        note: step.note.clone(),
        before: variables.and_then(|variables| variables.before(place)).map(Value::Object).unwrap_or_default(),
        after: variables.and_then(|variables| variables.after(place)).map(Value::Object).unwrap_or_default(),
    });
    ExecutionDetail {
        execution: shown(&detail.row),
        steps: steps.collect(),
        input: detail.input.as_ref().map(input).unwrap_or_default(),
        output: detail.output.as_ref().map(output).unwrap_or_default(),
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

fn output(response: &StoredResponse) -> Value {
    object_of([
        ("status", response.status.into()),
        ("headers", json!(response.headers)),
        ("body", body(response.content_type(), &response.body)),
    ])
}

/// Returns the body in the form of its Content-Type; null for an empty one.
fn body(content_type: Option<&str>, bytes: &[u8]) -> Value {
    if bytes.is_empty() { Value::Null } else { shown_body(content_type, bytes) }
}

fn stored(filter: &ExecutionFilter) -> Result<Filter, Failure> {
    let statuses = filter.status.as_ref().map(|list| list.as_str().split(',').map(|word| word.trim().parse::<ExecutionStatus>()).collect());
    let error = filter.error.as_ref().map(|code| code.as_str().parse::<ErrorCode>());
    Ok(Filter {
        tenants: filter.tenant.as_ref().map(name).transpose()?.map(|tenant| vec![tenant]),
        integration: filter.integration.as_ref().map(name).transpose()?,
        statuses: statuses.unwrap_or_else(|| Ok(Vec::new())).map_err(Failure::bad_request)?,
        since: optional_time("since", filter.since.as_ref())?,
        until: optional_time("until", filter.until.as_ref())?,
        label: filter.label.as_deref().map(LabelFilter::of_text),
        error: error.transpose().map_err(Failure::bad_request)?,
        ..Filter::default()
    })
}

fn read_cursor(text: Option<&str>) -> Result<Option<ExecutionId>, Failure> {
    let broken = |_| Failure::bad_request("cursor: is not valid: send the value of `next` in the previous page");
    text.map(str::parse).transpose().map_err(broken)
}

/// `GET /executions`.
pub(super) async fn list(caller: Caller, query: web::Query<ExecutionQuery>) -> ApiResult {
    let limit = limit(query.limit)?;
    let filter = Filter { limit: limit + 1, before: read_cursor(query.cursor.as_deref())?, ..stored(&query.filter())? };
    let mut rows = caller.state.operations.list_executions(&caller.actor, filter).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    ok(Page { items: rows.iter().map(shown).collect(), next })
}

fn read_id(text: &ExecutionIdText) -> Result<ExecutionId, Failure> {
    text.as_str().parse().map_err(|error: forebay_contract::ExecutionIdError| Failure::not_found(error.to_string()))
}

/// `GET /executions/{id}`.
pub(super) async fn get(caller: Caller, at: web::Path<ExecutionPath>) -> ApiResult {
    ok(detailed(&caller.state.operations.execution(&caller.actor, &read_id(&at.id)?).await?))
}

/// `POST /executions/{id}/retry`.
pub(super) async fn retry(caller: Caller, at: web::Path<ExecutionPath>, body: web::Bytes) -> ApiResult {
    let RetryRequest { latest, from_start } = optional(&body)?;
    let options = RetryOptions { latest, from_start };
    let retried = caller.state.operations.retry(&caller.actor, &read_id(&at.id)?, options).await?;
    accepted(RetriedExecution { execution_id: retried.id.to_string(), version: retried.version, attempt: retried.attempt })
}

/// `POST /executions/retry`: in the order of receipt, at most 50 per second.
pub(super) async fn retry_many(caller: Caller, body: web::Bytes) -> ApiResult {
    let request: RetryFoundRequest = required(&body)?;
    let part = match request.limit {
        None => MAX_RETRIED,
        Some(limit) if (1..=MAX_RETRIED).contains(&limit) => limit,
        Some(limit) => return Err(Failure::invalid(format!("limit: must be 1 to {MAX_RETRIED}, not {limit}")).into()),
    };
    let filter = Filter { limit: part, ..stored(&request.filter())? };
    let operations = &caller.state.operations;
    if request.dry_run {
        let found = operations.count_retryable(&caller.actor, filter, MAX_COUNTED).await?;
        return ok(RetryFoundResponse { found: Some(found), at_least: Some(found == MAX_COUNTED), ..RetryFoundResponse::default() });
    }
    let options = RetryOptions { latest: request.latest, from_start: request.from_start };
    let cursor = read_cursor(request.cursor.as_ref().map(ExecutionIdText::as_str))?;
    let batch = operations.retry_found(&caller.actor, filter, options, cursor.as_ref()).await?;
    let refused = batch.refused.into_iter().map(|(id, reason)| RefusedRetry { id: id.to_string(), reason });
    ok(RetryFoundResponse {
        retried: batch.retried,
        refused: refused.collect(),
        next: batch.next.map(|id| id.to_string()),
        ..RetryFoundResponse::default()
    })
}

/// `GET /executions/live`: server-sent events. `executions` holds an array of executions; `missed`: some may have been missed.
pub(super) async fn live(caller: Caller, query: web::Query<ExecutionFilter>) -> ApiResult {
    let filter = stored(&query)?;
    if let Some(tenant) = query.tenant.as_ref() {
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
