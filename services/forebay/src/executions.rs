//! The `executions` verbs.

use crate::api::Api;
use crate::args::Executions;
use crate::error::Error;
use crate::output::{Output, Row, pretty};
use crate::shown::{duration, failure, labels, or_empty};
use forebay_admin_api::executions::{Execution, ExecutionDetail, Step};
use forebay_contract::Label;
use forebay_contract::json::read_json;
use serde_json::{Value, json};

/// `forebay executions ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Executions) -> Result<(), Error> {
    match command {
        Executions::List { filter, limit } => {
            let rows = api.executions(filter.to_api(), limit).await?.into_iter().map(row).collect();
            let columns = ["execution", "integration", "status", "received", "duration", "attempts", "response", "error"];
            output.listing(&columns, rows, "no executions")
        }
        Executions::Show { id } => {
            let execution = api.execution(&id).await?;
            output.one(&lines(&execution).join("\n"), &execution)
        }
        Executions::Retry(retry) => crate::retry::retry(output, api, retry).await,
    }
}

fn row(execution: Execution) -> Row<Execution> {
    let cells = vec![
        execution.id.clone(),
        execution.path(),
        execution.status.to_string(),
        execution.received_at.to_second(),
        duration(&execution),
        execution.attempts.to_string(),
        or_empty(execution.response_status),
        failure(execution.error.as_ref()),
    ];
    Row { cells, object: execution }
}

/// Returns the labels by their names.
pub(crate) fn labels_object(labels: &[Label]) -> Value {
    labels.iter().map(|label| (label.name().to_owned(), Value::from(label.value()))).collect()
}

/// Returns JSON unchanged, other text as text, anything else as `{ base64, size }`; null for an empty body.
pub(crate) fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    if let Ok(value) = read_json(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": data_encoding::BASE64.encode(bytes), "size": bytes.len() }),
    }
}

fn lines(detail: &ExecutionDetail) -> Vec<String> {
    let execution = &detail.execution;
    let mut lines = vec![
        format!("execution    {}", execution.id),
        format!("integration  {} version {}", execution.path(), execution.version),
        format!(
            "status       {}{}{}",
            execution.status,
            if execution.halted { ", halted its trigger" } else { "" },
            if execution.skipped { ", skipped" } else { "" }
        ),
        format!("trigger      {}", execution.trigger),
        format!("received     {}", execution.received_at),
        format!("started      {}", execution.started_at.as_ref().map_or("never", |time| time.as_str())),
        format!("ended        {}", execution.ended_at.as_ref().map_or("not yet", |time| time.as_str())),
        format!("attempts     {} ({} redeliveries)", execution.attempts, execution.redeliveries),
        format!("worker       {}", execution.worker),
    ];
    let labels = labels(&execution.labels);
    if !labels.is_empty() {
        lines.push(format!("labels       {}", labels.join(", ")));
    }
    if let Some(error) = &execution.error {
        lines.push(format!("error        {}: {}", error.code, failure(Some(error))));
    }
    lines.extend(detail.steps.iter().flat_map(step_lines));
    for (title, value) in [("input        ", &detail.input), ("response     ", &detail.output)] {
        if !value.is_null() {
            lines.push(format!("{title}{}", pretty(value)));
        }
    }
    lines
}

fn step_lines(step: &Step) -> Vec<String> {
    let error = step.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let mut lines = vec![format!("step         {} {} in {:.1} ms{error}", step.id, step.status.as_str(), step.duration_ms)];
    lines.extend(step.note.as_ref().map(|note| format!("             {note}")));
    if !step.output.is_null() {
        lines.push(format!("             {}", step.output));
    }
    lines
}
