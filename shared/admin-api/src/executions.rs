//! Executions: the history, and retries.

use crate::json::{both, whole};
use crate::text::{ErrorCodeName, ExecutionIdText, MomentText, NameText, StatusList};
use crate::time::Time;
use forebay_contract::outcome::{ExecutionStatus, StepStatus};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Maximum executions of one [`RetryFoundRequest`].
pub const MAX_RETRIED: u32 = 100;

/// An execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The integration's id.
    pub integration_id: String,
    /// The version of the definition that ran.
    pub version: i32,
    /// `webhook` or `schedule`.
    pub trigger: String,
    /// `queued`, `running`, `succeeded`, `failed` or `expired`.
    #[schema(value_type = String)]
    pub status: ExecutionStatus,
    /// The number of attempts that began.
    pub attempts: i32,
    /// The time at which it was received.
    pub received_at: Time,
    /// The former name of `receivedAt`, for one release.
    #[schema(deprecated, value_type = String, format = DateTime)]
    pub accepted_at: Time,
    /// The time at which its last attempt began; null: none has.
    pub started_at: Option<Time>,
    /// Null: it has not ended.
    pub ended_at: Option<Time>,
    /// The worker that ran it.
    pub worker: String,
    /// Null: it has not failed.
    #[schema(required = true)]
    pub error: Option<ExecutionFailure>,
    /// Labels by their names.
    #[schema(value_type = Object)]
    pub labels: Map<String, Value>,
    /// The status of the response.
    pub response_status: Option<i32>,
    /// The number of redeliveries by the broker.
    pub redeliveries: i32,
    /// True if it halted its trigger.
    pub halted: bool,
    /// True if a person has skipped it.
    pub skipped: bool,
    /// The trace that it belongs to (W3C Trace Context); null: of none that is stored anywhere.
    pub trace_id: Option<String>,
}

impl Execution {
    /// `tenant/integration`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.tenant, self.integration)
    }

    /// The duration of the last attempt in milliseconds; `None` where none began or it has not ended.
    #[must_use]
    pub fn duration_ms(&self) -> Option<f64> {
        let micros = |time: &Option<Time>| time.as_ref()?.timestamp().map(|time| time.as_microsecond());
        Some((micros(&self.ended_at)? - micros(&self.started_at)?) as f64 / 1000.0)
    }
}

/// The failure of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionFailure {
    /// The kind of the failure, such as `mapping`.
    pub code: String,
    /// The step, or the part of the definition, in which it failed; absent: none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The cause, and the remedy.
    pub message: String,
    /// True if another attempt may succeed.
    pub transient: bool,
}

/// An execution with all that is stored of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionDetail {
    /// The execution.
    #[serde(flatten)]
    pub execution: Execution,
    /// The steps that ran.
    pub steps: Vec<Step>,
    /// The call: method, path, queryString, query, headers, contentType, body; null: it is not stored.
    pub input: Value,
    /// The response: status, headers, body; null: it is not stored, or there was none.
    pub output: Value,
}

impl<'de> Deserialize<'de> for ExecutionDetail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Stored {
            steps: Vec<Step>,
            #[serde(deserialize_with = "forebay_contract::json::value")]
            input: Value,
            #[serde(deserialize_with = "forebay_contract::json::value")]
            output: Value,
        }
        let (execution, Stored { steps, input, output }) = both(deserializer)?;
        Ok(Self { execution, steps, input, output })
    }
}

/// A step that ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its id.
    pub id: String,
    /// `succeeded`, `failed`, `skipped` or `waiting`.
    #[schema(value_type = String)]
    pub status: StepStatus,
    /// The time at which it began.
    pub started_at: Time,
    /// Its duration in milliseconds.
    pub duration_ms: f64,
    /// The former name of `durationMs`, for one release.
    #[schema(deprecated)]
    pub took_ms: f64,
    /// Null: it is not stored.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub output: Value,
    /// The reason for which it failed.
    pub error: Option<String>,
    /// A remark on its retries, such as a pause shorter than the remote system asked for.
    pub note: Option<String>,
    /// The variables before it, where diagnostics recorded them.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub before: Value,
    /// The variables after it.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub after: Value,
}

crate::paging::filter_with_pages! {
    /// A search for executions; all fields that are given must match.
    ExecutionFilter,
    /// A page of executions.
    ExecutionQuery,
    cursor: "^[0-9a-vA-V]{38}[08goGO]$",
    {
        /// Only this tenant's
        #[param(inline)]
        tenant: Option<NameText>,
        /// The integration's name
        #[param(inline)]
        integration: Option<NameText>,
        /// One or several states, with commas between them
        #[param(inline)]
        status: Option<StatusList>,
        /// Received since: a time, or how long ago, such as 1h
        #[param(inline)]
        since: Option<MomentText>,
        /// Received before
        #[param(inline)]
        until: Option<MomentText>,
        /// name=value, or a value under any name
        label: Option<String>,
        /// A code of errors, such as mapping
        #[param(inline)]
        error: Option<ErrorCodeName>,
    }
}

/// A retry of one execution.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct RetryRequest {
    /// Runs with the current version of the integration.
    pub latest: bool,
    /// Runs every step again, not only from the failed one on.
    pub from_start: bool,
}

/// An execution that runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriedExecution {
    /// The execution's id.
    pub execution_id: String,
    /// The version that runs.
    pub version: i32,
    /// The number of the attempt.
    pub attempt: u32,
}

/// A retry of all executions that a filter finds.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct RetryFoundRequest {
    /// Only this tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<NameText>,
    /// The integration's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<NameText>,
    /// `failed` or `expired`; both without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusList>,
    /// Received since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<MomentText>,
    /// Received before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<MomentText>,
    /// `name=value`, or a value under any name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A code of errors, such as `mapping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorCodeName>,
    /// Runs with the current version of each integration.
    pub latest: bool,
    /// Runs every step again, not only from the failed one on.
    pub from_start: bool,
    /// Only counts the executions.
    pub dry_run: bool,
    /// Maximum executions of this call, 1 to 100.
    #[serde(deserialize_with = "whole", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// The `next` of the part before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<ExecutionIdText>,
}

impl RetryFoundRequest {
    /// Returns the filter, without the options.
    #[must_use]
    pub fn filter(&self) -> ExecutionFilter {
        let Self { tenant, integration, status, since, until, label, error, .. } = self.clone();
        ExecutionFilter { tenant, integration, status, since, until, label, error }
    }
}

impl From<ExecutionFilter> for RetryFoundRequest {
    fn from(filter: ExecutionFilter) -> Self {
        let ExecutionFilter { tenant, integration, status, since, until, label, error } = filter;
        Self { tenant, integration, status, since, until, label, error, ..Self::default() }
    }
}

/// A part of a retry of many executions, or the number that it would retry.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryFoundResponse {
    /// Of a dry run: the number of executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
    /// Of a dry run: there are more than were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<bool>,
    /// The number of executions that run again.
    pub retried: u32,
    /// Executions that do not run again.
    pub refused: Vec<RefusedRetry>,
    /// The `cursor` of the next part; null: nothing is left.
    pub next: Option<String>,
}

/// An execution that does not run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRetry {
    /// Its id.
    pub id: String,
    /// The reason.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_detail_is_read_as_it_was_written_to_the_last_digit() {
        let execution = json!({
            "id": "x1", "tenant": "t", "integration": "n", "integrationId": "i", "version": 3, "trigger": "webhook", "status": "failed",
            "attempts": 1, "receivedAt": "2026-11-24T10:00:00Z", "acceptedAt": "2026-11-24T10:00:00Z",
            "startedAt": "2026-11-24T10:00:00.5Z", "endedAt": "2026-11-24T10:00:02Z", "worker": "w",
            "error": { "code": "remote", "message": "no", "transient": true }, "labels": { "b": "1", "a": "2" },
            "responseStatus": 502, "redeliveries": 0, "halted": false, "skipped": false, "traceId": null,
        });
        let steps = r#"[{"id":"s","status":"failed","startedAt":"2026-11-24T10:00:01Z","durationMs":1.5,"tookMs":1.5,"output":1E5,"error":null,"note":null,"before":null,"after":null}]"#;
        let mut text = execution.to_string();
        text.truncate(text.len() - 1);
        let text = format!(r#"{text},"steps":{steps},"input":{{"body":-0}},"output":null}}"#);
        let read: ExecutionDetail = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!((read.execution.duration_ms(), read.execution.path().as_str()), (Some(1500.0), "t/n"));
    }

    #[test]
    fn a_limit_is_whole_also_as_3_point_0() {
        let limit =
            |text: &str| serde_json::from_str::<RetryFoundRequest>(text).map(|request| request.limit).map_err(|error| error.to_string());
        assert_eq!(limit(r#"{ "limit": 3.0 }"#), Ok(Some(3)));
        assert_eq!(limit(r#"{ "limit": null }"#), Ok(None));
        assert!(limit(r#"{ "limit": 3.5 }"#).unwrap_err().contains("3.5 is not a whole number"));
    }
}
