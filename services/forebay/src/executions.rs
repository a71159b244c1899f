//! The `executions` verbs.

use crate::api::Api;
use crate::args::Executions;
use crate::error::Error;
use crate::output::{Output, Row, pretty};
use crate::shown::{error, path, plain, second, text, took};
use forebay_contract::Label;
use forebay_contract::json::read_json;
use serde_json::{Value, json};

/// `forebay executions ...`.
pub(crate) async fn perform(output: &Output, api: &Api, command: Executions) -> Result<(), Error> {
    match command {
        Executions::List { found, limit } => {
            let rows = api.list_some("executions", &found.query(), limit).await?.into_iter().map(row).collect();
            let columns = ["execution", "integration", "status", "received", "duration", "attempts", "response", "error"];
            output.listing(&columns, rows, "no executions")
        }
        Executions::Show { id } => {
            let execution = api.get(&format!("executions/{id}"), &[]).await?;
            output.one(&lines(&execution).join("\n"), &execution)
        }
        Executions::Retry(retry) => crate::retry::retry(output, api, retry).await,
    }
}

fn row(execution: Value) -> Row {
    let cells = vec![
        text(&execution, "id"),
        path(&execution),
        text(&execution, "status"),
        second(&execution, "acceptedAt"),
        took(&execution),
        text(&execution, "attempts"),
        text(&execution, "responseStatus"),
        error(&execution),
    ];
    Row { cells, object: execution }
}

/// By their names.
pub(crate) fn labels_object(labels: &[Label]) -> Value {
    labels.iter().map(|label| (label.name().to_owned(), Value::from(label.value()))).collect()
}

/// JSON as it is, other text as text, anything else as `{ base64, size }`; null for none.
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

fn lines(execution: &Value) -> Vec<String> {
    let of = |field: &str| text(execution, field);
    let or = |field: &str, none: &str| if execution[field].is_null() { none.to_owned() } else { of(field) };
    let (halted, skipped) = (execution["halted"] == true, execution["skipped"] == true);
    let mut lines = vec![
        format!("execution    {}", of("id")),
        format!("integration  {} version {}", path(execution), of("version")),
        format!(
            "status       {}{}{}",
            of("status"),
            if halted { ", halted its trigger" } else { "" },
            if skipped { ", skipped" } else { "" }
        ),
        format!("started by   {}", of("trigger")),
        format!("accepted     {}", of("acceptedAt")),
        format!("started      {}", or("startedAt", "never")),
        format!("ended        {}", or("endedAt", "not yet")),
        format!("attempts     {} ({} redeliveries)", of("attempts"), of("redeliveries")),
        format!("worker       {}", of("worker")),
    ];
    let labels: Vec<String> =
        execution["labels"].as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    if !labels.is_empty() {
        lines.push(format!("labels       {}", labels.join(", ")));
    }
    if execution["error"].is_object() {
        lines.push(format!("error        {}: {}", text(&execution["error"], "code"), error(execution)));
    }
    for step in execution["steps"].as_array().into_iter().flatten() {
        let why = step["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
        let took = step["tookMs"].as_f64().unwrap_or_default();
        lines.push(format!("step         {} {} in {took:.1} ms{why}", text(step, "id"), text(step, "status")));
        lines.extend(step["note"].as_str().map(|note| format!("             {note}")));
        if !step["output"].is_null() {
            lines.push(format!("             {}", step["output"]));
        }
    }
    for (title, field) in [("input        ", "input"), ("answer       ", "output")] {
        if !execution[field].is_null() {
            lines.push(format!("{title}{}", pretty(&execution[field])));
        }
    }
    lines
}
