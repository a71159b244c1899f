//! A definition: one integration's trigger and workflow, as its author wrote it in YAML or JSON.
//!
//! Reading checks everything that can be checked without compiling a mapping: an existing [`Definition`] has the right
//! shape, bounds that hold and no unknown field. Mappings and templates are kept as text; the workflow compiles them.

mod document;
mod fields;
mod read;
#[cfg(test)]
mod tests;

pub use document::{DocumentError, documents};
pub use fields::Problem;

use crate::name::{IntegrationPath, Name};
use http::Method;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Bytes of a request body when the definition sets no `max_bytes`: 1 MiB.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;
/// The largest `max_bytes`: RabbitMQ 4.x refuses messages over 16 MiB, and headers travel beside the body.
pub const LARGEST_MAX_BYTES: usize = 16 * 1024 * 1024 - 128 * 1024;
/// The longest `response.wait`.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The longest pause between two attempts. In-process retrying must stay well below RabbitMQ's delivery acknowledgement timeout of 30 minutes.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(5 * 60);
/// The most attempts that a definition can ask for.
pub const MOST_ATTEMPTS: u32 = 20;

/// One integration as its author wrote it, checked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Definition {
    /// The tenant that owns it: first path segment.
    pub tenant: Name,
    /// The integration's name: second path segment.
    pub name: Name,
    /// For people.
    pub description: String,
    /// Whether calls are accepted.
    pub enabled: bool,
    /// What starts an execution.
    pub trigger: Webhook,
    /// How often and how fast a failed execution is tried again.
    pub retry: RetryPolicy,
    /// What a final failure does to an ordered trigger.
    pub on_failure: OnFailure,
    /// What is kept of each execution.
    pub diagnostics: Diagnostics,
    /// The mapping that makes `.input` of the request; absent: `.input` is the body.
    pub input: Option<String>,
    /// The steps in the order in which they run.
    pub steps: Vec<Step>,
    /// The answer of a request-response call; absent: 200 with the last output.
    pub respond: Option<Respond>,
}

impl Definition {
    /// Reads one definition from its JSON shape.
    ///
    /// # Errors
    /// Every problem found, each with the path of the field.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read::definition(document)
    }

    /// `tenant/name`.
    #[must_use]
    pub fn path(&self) -> IntegrationPath {
        IntegrationPath { tenant: self.tenant.clone(), name: self.name.clone() }
    }
}

/// All that is wrong with one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionError {}

/// A webhook trigger.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Webhook {
    /// Accepted methods, at least one, without repeats.
    pub methods: Vec<Method>,
    /// Who may call.
    pub authentication: Authentication,
    /// Declared query parameters in the order of the file.
    pub query: Vec<QueryParameter>,
    /// Most bytes of a body, as it travels and after a `Content-Encoding` is undone.
    pub max_bytes: usize,
    /// How accepted calls are handed to workers.
    pub delivery: Delivery,
    /// Whether the caller waits for the outcome; absent: 202 at once.
    pub response: Option<ResponseWait>,
    /// Which browser origins may call; absent: none.
    pub cors: Option<Cors>,
}

/// Who may call a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// A holder of an API key that is granted to the integration.
    ApiKey,
    /// Anybody: said out loud in the definition.
    None,
}

/// One declared query parameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueryParameter {
    /// As it stands in the query string; case matters.
    pub name: String,
    /// What its text must be.
    pub kind: QueryKind,
    /// Whether a call without it is refused.
    pub required: bool,
    /// Its value when absent: of the parameter's type.
    pub default: Option<Value>,
}

/// Types of query parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKind {
    /// Text as it is.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl QueryKind {
    /// The word used in definitions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// How accepted calls are handed to workers: over a shared lane, or over an exclusive queue of the trigger's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Any worker, any number at once.
    Lane,
    /// One at a time, in the order of acceptance (`ordered: true`).
    Serial,
    /// One at a time for each key, `concurrency` keys at once (`ordered: { by, concurrency }`).
    ByKey {
        /// The mapping whose output is the key.
        by: String,
        /// Keys at once.
        concurrency: usize,
    },
    /// Without order, at most this many at once in the whole cluster (`concurrency: N`).
    Parallel(usize),
}

impl Delivery {
    /// Whether calls travel over the trigger's own exclusive queue.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        *self != Self::Lane
    }

    /// Whether the order of acceptance is kept.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Serial | Self::ByKey { .. })
    }
}

/// Request-response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseWait {
    /// Longest time the caller waits.
    pub wait: Duration,
    /// What the caller gets after that.
    pub on_timeout: OnTimeout,
}

/// What a caller gets who waited in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// 504, and an execution that has not started by then never starts.
    Error,
    /// 202, and the execution always runs.
    Accepted,
}

/// Cross-origin calls from browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cors {
    /// Origins such as `https://portal.example`, or `*`.
    pub origins: Vec<String>,
}

/// How a failed execution is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all, the first included; 1 (the default) never tries again.
    pub attempts: u32,
    /// Pause before the second attempt.
    pub first: Duration,
    /// What each further pause is multiplied by.
    pub factor: f64,
    /// Longest pause.
    pub max: Duration,
}

impl RetryPolicy {
    /// The pause after the given attempt (1 is the first) has failed; `None` when it was the last.
    #[must_use]
    pub fn pause_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(exponent);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 1, first: Duration::from_secs(1), factor: 2.0, max: LONGEST_BACKOFF }
    }
}

/// What a final failure does to an ordered trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The next execution starts.
    Continue,
    /// The trigger stops until a person decides.
    Halt,
}

/// What is kept of each execution. A failed execution always keeps the input that its retry needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Keep the request.
    pub input: bool,
    /// Keep the answer.
    pub output: bool,
    /// Keep each step's output.
    pub steps: bool,
    /// How long payloads are kept; absent: as long as the installation keeps history.
    pub keep: Option<Duration>,
}

/// One step of a workflow.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Unique in the workflow; `.steps.<id>` is its output.
    pub id: String,
    /// The mapping that decides whether the step runs; absent: it runs.
    pub when: Option<String>,
    /// Longest time of the step; absent: its kind's own.
    pub timeout: Option<Duration>,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Calls an HTTP service; output `{ status, headers, body }`.
    Http(HttpCall),
    /// Computes a value; its output is the mapping's.
    Set(String),
}

/// One HTTP call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpCall {
    /// Default: GET, or POST with a body.
    pub method: Method,
    /// Template of the whole address.
    pub url: String,
    /// Templates of query parameters, by name.
    pub query: Vec<(String, String)>,
    /// Templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// Mapping of the body: sent as JSON, or as it is when the output is a string and a Content-Type is set.
    pub body: Option<String>,
}

/// The answer of a request-response call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Respond {
    /// The answer's status.
    pub status: Status,
    /// Templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// Mapping of the body; absent: the last output.
    pub body: Option<String>,
}

/// A status that is fixed or mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// 200 to 599.
    Fixed(u16),
    /// A mapping with such a number as its output.
    Mapping(String),
}
