//! What an execution produced: for the caller who waits, for the store, for the history.

use crate::unix_time::UnixMicros;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// Accepted, not yet started.
    Queued,
    /// Started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Never started, since its caller had gone with a 504 by then.
    Expired,
}

impl ExecutionStatus {
    /// All, in the order of an execution's life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Expired];

    /// The word used in the API, the command and the store.
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
    /// What was wrong, and what to do, for the caller and the developer; holds no secret.
    pub message: String,
    /// True if another attempt may go better.
    pub transient: bool,
    /// How long the remote system asks to be left alone (`Retry-After`); known to the attempt that met it only.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl ExecutionError {
    /// A failure that the same input meets again, in no step yet.
    #[must_use]
    pub fn permanent(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, step: None, message: message.into(), transient: false, retry_after: None }
    }

    /// A failure that another attempt may not meet, in no step yet.
    #[must_use]
    pub fn transient(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { transient: true, ..Self::permanent(code, message) }
    }

    /// Names the step or part of the definition in which it happened, where that is not known yet.
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

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// A mapping or template failed on this input.
    Mapping,
    /// The body could not be read as what its Content-Type says.
    Body,
    /// A remote system answered with an error.
    Remote,
    /// A remote system could not be reached or did not answer in time.
    Unreachable,
    /// The execution or a step took longer than it may.
    Timeout,
    /// A bound on memory, stack or size was reached.
    Limit,
    /// The worker that ran it went away again and again.
    Crashed,
    /// The definition's version is unknown to the store.
    Definition,
    /// A condition of the workflow does not hold (`assert`), or the workflow ended itself as failed (`stop`).
    Refused,
    /// A connection is missing, not enabled, or its credentials are not accepted.
    Connection,
    /// A defect of Forebay.
    Internal,
}

impl ErrorCode {
    /// All, in the order in which they are described here.
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

    /// The stable word.
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

/// The answer that `respond` made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case; `content-type` included when there is a body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Ended well with an answer.
    Succeeded(Response),
    /// Ended with an error.
    Failed(ExecutionError),
    /// Was not started.
    Expired,
}

impl Ending {
    /// The status that this ending gives the execution.
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
    /// The step's id; inside a loop with the item before it, such as `lines[3]/send`.
    pub path: String,
    /// Its output as JSON.
    pub output: Vec<u8>,
}

/// One step as it went, for the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's id.
    pub id: String,
    /// How it went.
    pub status: StepStatus,
    /// The time at which it began.
    pub started_at: UnixMicros,
    /// Microseconds that it took.
    pub took: i64,
    /// Its output; kept where diagnostics ask for it.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "crate::json::optional_value")]
    pub output: Option<Value>,
    /// The reason for which it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What is worth knowing of its retries, such as a pause shorter than the remote system asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Its `when` said no.
    Skipped,
    /// The execution is deferred until a time.
    Waiting,
}

impl StepStatus {
    /// The word used in the API and the command.
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
