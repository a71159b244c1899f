//! The outcome of an execution: for a waiting caller, for the store, for the history.

use crate::unix_time::UnixMicros;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The status of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// Received, not yet started.
    Queued,
    /// Started.
    Running,
    /// Ended successfully.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Never started: its deadline passed, and the caller received 504.
    Expired,
}

impl ExecutionStatus {
    /// All, in the order of an execution's life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Expired];

    /// Returns the word of the API, the command and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ExecutionStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("'{text}' is no status: use one of queued, running, succeeded, failed, expired"))
    }
}

/// The reason for which an execution failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionError {
    /// A stable word for programs.
    pub code: ErrorCode,
    /// The step, or the part of the definition (`input`, `respond`, `by`), in which it failed; absent: none of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<String>,
    /// The problem and the remedy, for the caller and the developer; contains no secret.
    pub message: String,
    /// True if another attempt may succeed.
    pub transient: bool,
    /// The pause that the remote system requests (`Retry-After`); known only to the attempt that received it.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl ExecutionError {
    /// Creates a failure that the same input causes again, without a step yet.
    #[must_use]
    pub fn permanent(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, step: None, message: message.into(), transient: false, retry_after: None }
    }

    /// Creates a failure that another attempt may avoid, without a step yet.
    #[must_use]
    pub fn transient(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { transient: true, ..Self::permanent(code, message) }
    }

    /// Sets the step or part of the definition in which it happened, if it is not set yet.
    #[must_use]
    pub fn in_step(mut self, step: &str) -> Self {
        self.step.get_or_insert_with(|| step.to_owned());
        self
    }
}

impl fmt::Display for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "{step}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// A mapping or template failed on this input.
    Mapping,
    /// The body is not valid for its Content-Type.
    Body,
    /// A remote system answered with an error.
    Remote,
    /// A remote system could not be reached or did not answer in time.
    Unreachable,
    /// The execution or a step exceeded its timeout.
    Timeout,
    /// A limit of memory, stack or size was reached.
    Limit,
    /// The worker that ran it stopped repeatedly.
    Crashed,
    /// The version of the definition is not in the store.
    Definition,
    /// A condition of the workflow does not hold (`assert`), or the workflow failed itself (`stop`).
    Refused,
    /// A connection is missing, not enabled, or its credentials are not accepted.
    Connection,
    /// A bug in Forebay.
    Internal,
}

impl ErrorCode {
    /// All, in the order of their description.
    pub const ALL: [Self; 11] = [
        Self::Mapping,
        Self::Body,
        Self::Remote,
        Self::Unreachable,
        Self::Timeout,
        Self::Limit,
        Self::Crashed,
        Self::Definition,
        Self::Refused,
        Self::Connection,
        Self::Internal,
    ];

    /// Returns the stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Body => "body",
            Self::Remote => "remote",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Crashed => "crashed",
            Self::Definition => "definition",
            Self::Refused => "refused",
            Self::Connection => "connection",
            Self::Internal => "internal",
        }
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
            format!("'{text}' is no kind of failure: use one of {}", words.join(", "))
        })
    }
}

/// The response of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers, with names in lower case; they include `content-type` if there is a body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// The end of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Succeeded, with a response.
    Succeeded(Response),
    /// Failed.
    Failed(ExecutionError),
    /// Expired: it was not started.
    Expired,
}

impl Ending {
    /// Returns the status of the execution after this end.
    #[must_use]
    pub fn status(&self) -> ExecutionStatus {
        match self {
            Self::Succeeded(_) => ExecutionStatus::Succeeded,
            Self::Failed(_) => ExecutionStatus::Failed,
            Self::Expired => ExecutionStatus::Expired,
        }
    }
}

/// The stored output of a step, so that no later attempt repeats the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step's id; in a loop the item is before it, such as `lines[3]/send`.
    pub path: String,
    /// Its output as JSON.
    pub output: Vec<u8>,
}

/// The record of a step, for the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's id.
    pub id: String,
    /// Its result.
    pub status: StepStatus,
    /// The time at which it began.
    pub started_at: UnixMicros,
    /// Its duration in microseconds, stored as `took`.
    #[serde(rename = "took")]
    pub duration: i64,
    /// Its output, if diagnostics store it.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "crate::json::optional_value")]
    pub output: Option<Value>,
    /// The reason for which it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// A remark on its retries, such as a pause shorter than the remote system requested.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// The status of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Ended successfully.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Skipped: its `when` was false.
    Skipped,
    /// Waiting: the execution is deferred until a time.
    Waiting,
}

impl StepStatus {
    /// Returns the word of the API and the command.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_a_step_has_the_stored_names_of_earlier_versions() {
        let stored = r#"{"id":"a","status":"succeeded","started_at":1,"took":7}"#;
        let record: StepRecord = serde_json::from_str(stored).unwrap();
        assert_eq!(record.duration, 7);
        assert_eq!(serde_json::to_string(&record).unwrap(), stored);
    }
}
