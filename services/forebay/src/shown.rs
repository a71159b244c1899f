//! Values of the API as cells of a table.

use forebay_admin_api::Time;
use forebay_admin_api::executions::{Execution, ExecutionFailure};
use serde_json::{Map, Value};
use std::fmt::Display;

/// Returns a value that may be absent; empty without it.
pub(crate) fn or_empty(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Returns a time to the second; empty without it.
pub(crate) fn second_or_empty(time: Option<&Time>) -> String {
    time.map(Time::to_second).unwrap_or_default()
}

/// Returns a time to the second, or `never`.
pub(crate) fn second_or_never(time: Option<&Time>) -> String {
    time.map_or_else(|| "never".to_owned(), Time::to_second)
}

/// Returns `yes` or `no`.
pub(crate) fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// Returns `name=value` of each label.
pub(crate) fn labels(labels: &Map<String, Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    labels.iter().map(|(name, value)| format!("{name}={}", text(value))).collect()
}

/// Returns the duration of the last attempt; empty if none began or it has not ended.
pub(crate) fn duration(execution: &Execution) -> String {
    execution.duration_ms().map(|ms| format!("{ms:.1} ms")).unwrap_or_default()
}

/// Returns the reason for which an execution failed; empty if it has not.
pub(crate) fn failure(failure: Option<&ExecutionFailure>) -> String {
    match failure {
        Some(ExecutionFailure { step: Some(step), message, .. }) => format!("{step}: {message}"),
        Some(ExecutionFailure { message, .. }) => message.clone(),
        None => String::new(),
    }
}
