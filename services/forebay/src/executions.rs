//! The `executions` verbs.

use forebay_contract::outcome::{StepRecord, StepStatus};
use forebay_contract::{ExecutionId, Label, VariableLog};
use forebay_operations::{Actor, Operations, RetryHow};
use forebay_runtime::settings::Settings;
use forebay_store::{ExecutionDetail, ExecutionRow, Filter, LabelFilter, Store, StoredRequest, StoredResponse};
use serde_json::{Map, Value, json};

use crate::apply::author;
use crate::args::Executions;
use crate::error::Error;
use crate::output::{Output, Row, micros_ago, pretty, rfc3339, to_the_second};

/// `forebay executions ...`.
pub(crate) async fn perform(output: &Output, settings: &Settings, command: Executions) -> Result<(), Error> {
    let store = crate::client_store(settings).await?;
    match command {
        Executions::List { tenant, integration, status, since, until, label, error, limit } => {
            let (since, until) = (since.map(micros_ago), until.map(micros_ago));
            let (tenants, statuses) = (tenant.map(|tenant| vec![tenant]), status.into_iter().collect());
            let label = label.as_deref().map(LabelFilter::of_text);
            let filter = Filter { tenants, integration, statuses, since, until, label, error, limit, ..Filter::default() };
            let rows = store.list_executions(&filter).await?.iter().map(row).collect();
            let columns = ["execution", "integration", "status", "accepted", "took", "attempts", "answer", "error"];
            output.listing(&columns, rows, "no executions")
        }
        Executions::Show { id } => show(output, &store, &id).await,
        Executions::Retry { id, latest, from_start } => {
            let operations = Operations::build(settings, store, "forebay command")?;
            crate::retry::retry(output, &operations, &Actor::host(&author().name), &id, RetryHow { latest, from_start }).await
        }
    }
}

async fn show(output: &Output, store: &Store, id: &ExecutionId) -> Result<(), Error> {
    let Some(detail) = store.execution_detail(id).await? else {
        let reason = "it has not started yet, its history is gone, or it was never issued";
        return Err(Error::Failed(format!("there is no execution {id} in the history: {reason}")));
    };
    output.one(&text(&detail), &object_with_payloads(&detail))
}

fn row(execution: &ExecutionRow) -> Row {
    let cells = vec![
        execution.id.to_string(),
        format!("{}/{}", execution.tenant, execution.integration),
        execution.status.to_string(),
        to_the_second(execution.accepted_at),
        took(execution),
        execution.attempts.to_string(),
        execution.response_status.map(|status| status.to_string()).unwrap_or_default(),
        execution.error.as_ref().map(ToString::to_string).unwrap_or_default(),
    ];
    Row { cells, object: Value::Object(object(execution)) }
}

/// Of the last attempt; empty when none began or it has not ended.
fn took(execution: &ExecutionRow) -> String {
    match (execution.started_at, execution.ended_at) {
        (Some(started_at), Some(ended_at)) => milliseconds(ended_at.saturating_sub(started_at)),
        _ => String::new(),
    }
}

fn milliseconds(micros: i64) -> String {
    format!("{}.{} ms", micros / 1000, micros.rem_euclid(1000) / 100)
}

fn object(execution: &ExecutionRow) -> Map<String, Value> {
    let value = json!({
        "id": execution.id.to_string(),
        "tenant": execution.tenant,
        "integration": execution.integration,
        "integrationId": execution.integration_id.to_string(),
        "version": execution.version,
        "trigger": execution.trigger,
        "status": execution.status.as_str(),
        "attempts": execution.attempts,
        "acceptedAt": rfc3339(execution.accepted_at),
        "startedAt": execution.started_at.map(rfc3339),
        "endedAt": execution.ended_at.map(rfc3339),
        "worker": execution.worker,
        "error": execution.error,
        "labels": labels_object(&execution.labels),
        "responseStatus": execution.response_status,
        "redeliveries": execution.redeliveries,
        "halted": execution.halted,
        "skipped": execution.skipped,
    });
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// By their names.
pub(crate) fn labels_object(labels: &[Label]) -> Value {
    labels.iter().map(|label| (label.name().to_owned(), Value::from(label.value()))).collect()
}

fn object_with_payloads(detail: &ExecutionDetail) -> Value {
    let mut object = object(&detail.row);
    let steps = detail.steps.iter().enumerate().map(|(place, record)| step(record, place, detail.variables.as_ref()));
    object.insert("steps".to_owned(), steps.collect());
    object.insert("input".to_owned(), detail.input.as_ref().map(input).unwrap_or_default());
    object.insert("output".to_owned(), detail.output.as_ref().map(answer).unwrap_or_default());
    Value::Object(object)
}

fn step(step: &StepRecord, place: usize, variables: Option<&VariableLog>) -> Value {
    json!({
        "id": step.id,
        "status": status_word(step.status),
        "startedAt": rfc3339(step.started_at),
        "tookMs": step.took as f64 / 1000.0,
        "output": step.output,
        "error": step.error,
        "before": variables.and_then(|variables| variables.before(place)),
        "after": variables.and_then(|variables| variables.after(place)),
    })
}

fn status_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Succeeded => "succeeded",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
        StepStatus::Waiting => "waiting",
    }
}

fn input(stored: &StoredRequest) -> Value {
    let request = &stored.request;
    json!({
        "method": request.method,
        "path": request.path,
        "queryString": request.query_string,
        "query": request.query,
        "headers": headers(&request.headers),
        "contentType": stored.content_type,
        "body": body(&stored.body),
    })
}

fn answer(response: &StoredResponse) -> Value {
    json!({ "status": response.status, "headers": headers(&response.headers), "body": body(&response.body) })
}

/// Names may repeat, so pairs: `[["accept", "a"], ["accept", "b"]]`.
fn headers(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| json!([name, value])).collect()
}

/// JSON as it is, other text as text, anything else as `{ base64, size }`; null for none.
pub(crate) fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": data_encoding::BASE64.encode(bytes), "size": bytes.len() }),
    }
}

fn text(detail: &ExecutionDetail) -> String {
    let row = &detail.row;
    let mut lines = vec![
        format!("execution    {}", row.id),
        format!("integration  {}/{} version {}", row.tenant, row.integration, row.version),
        format!(
            "status       {}{}{}",
            row.status,
            if row.halted { ", halted its trigger" } else { "" },
            if row.skipped { ", skipped" } else { "" }
        ),
        format!("started by   {}", row.trigger),
        format!("accepted     {}", rfc3339(row.accepted_at)),
        format!("started      {}", row.started_at.map_or_else(|| "never".to_owned(), rfc3339)),
        format!("ended        {}", row.ended_at.map_or_else(|| "not yet".to_owned(), rfc3339)),
        format!("attempts     {} ({} redeliveries)", row.attempts, row.redeliveries),
        format!("worker       {}", row.worker),
    ];
    if !row.labels.is_empty() {
        let labels: Vec<&str> = row.labels.iter().map(Label::as_str).collect();
        lines.push(format!("labels       {}", labels.join(", ")));
    }
    if let Some(error) = &row.error {
        lines.push(format!("error        {}: {error}", error.code.as_str()));
    }
    for step in &detail.steps {
        let error = step.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        lines.push(format!("step         {} {} in {}{error}", step.id, status_word(step.status), milliseconds(step.took)));
        if let Some(output) = &step.output {
            lines.push(format!("             {output}"));
        }
    }
    if let Some(stored) = &detail.input {
        lines.push(format!("input        {}", pretty(&input(stored))));
    }
    if let Some(response) = &detail.output {
        lines.push(format!("answer       {}", pretty(&answer(response))));
    }
    lines.join("\n")
}
