//! Definitions: the trigger and workflow of one integration, read from YAML or JSON.
//!
//! Reading checks everything that does not require compiling a mapping: a [`Definition`] has valid fields and limits, and no unknown
//! fields. Mappings and templates stay text; the workflow crate compiles them.

mod document;
mod places;
mod read;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
mod trigger;

use crate::fields::Origin;
pub use crate::fields::Problem;
pub use document::{DocumentError, documents, to_yaml};
pub use places::{Place, Places};
pub use steps::{
    Action, AmqpCall, Assertion, Branch, Case, Each, EmailCall, HttpCall, HttpTarget, InnerSteps, IntegrationCall, LogLevel, LogLine,
    OnError, Parallel, Redirects, Set, SftpCall, SftpOperation, SqlCall, SqlStatement, Step, Stop, Switch, Wait,
};
pub use trigger::{
    Cors, DispatchPolicy, Idempotency, IdempotencyMatch, MissedRuns, OnTimeout, QueryKind, QueryParameter, Rate, RateScope, ResponseWait,
    Schedule, Trigger, Webhook,
};

use crate::name::{IntegrationPath, Name};
use crate::outcome::ExecutionError;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Default `max_bytes` of a request body: 1 MiB.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;
/// Maximum `max_bytes`: RabbitMQ 4.x refuses messages over 16 MiB, and a message has headers besides the body.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024 - 128 * 1024;
/// Maximum `response.wait`.
pub const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// Maximum pause between two attempts. Retries within a delivery must stay well below RabbitMQ's acknowledgement timeout of 30 minutes.
pub const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);
/// Maximum attempts of a definition.
pub const MAX_ATTEMPTS: u32 = 20;

/// A valid definition of one integration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Definition {
    /// The tenant that owns it: first path segment.
    pub tenant: Name,
    /// The integration's name: second path segment.
    pub name: Name,
    /// For people.
    pub description: String,
    /// True if calls are accepted.
    pub enabled: bool,
    /// True if calls are accepted and no execution starts.
    pub paused: bool,
    /// The trigger: a webhook or a schedule.
    pub trigger: Trigger,
    /// The retry policy of failed executions.
    pub retry: RetryPolicy,
    /// The effect of a final failure on an ordered trigger.
    pub on_failure: OnFailure,
    /// The data that is stored of each execution.
    pub diagnostics: Diagnostics,
    /// The mapping that returns `.input`; absent: `.input` is the body.
    pub input: Option<String>,
    /// The mapping that returns the labels of an execution; absent: it has none.
    pub label: Option<String>,
    /// The steps in the order in which they run.
    pub steps: Vec<Step>,
    /// The response of a request-response call; absent: 200 with the last output.
    pub respond: Option<Respond>,
}

impl Definition {
    /// Reads a definition from its document.
    ///
    /// # Errors
    /// All problems, each with the path of the field.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read::definition(document, Origin::Written)
    }

    /// Reads a definition that an earlier version of Forebay accepted and stored. Rules that were added later do not apply, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// Those of [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read::definition(document, Origin::Stored)
    }

    /// Returns `tenant/name`.
    #[must_use]
    pub fn path(&self) -> IntegrationPath {
        IntegrationPath { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    /// Returns the connections that its steps use, a connection once for each step.
    pub fn connections(&self) -> impl Iterator<Item = &Name> {
        Step::all(&self.steps).into_iter().filter_map(|step| step.action.connection())
    }
}

/// All problems of one definition.
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

/// The retry policy of failed executions or steps.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Maximum attempts, including the first; 1 (the default) means no retries.
    pub attempts: u32,
    /// Pause before the second attempt.
    pub first: Duration,
    /// The factor between a pause and the next one.
    pub factor: f64,
    /// Maximum pause.
    pub max: Duration,
    /// True if failures that the same input causes again (a 4xx, a mapping, an assert) are also retried (`on: any`).
    pub on_any: bool,
}

impl RetryPolicy {
    /// Returns the pause after the given attempt (1 is the first) has failed with `error`; `None` if there is no further attempt. A remote
    /// system may request a longer pause, up to [`MAX_BACKOFF`].
    #[must_use]
    pub fn pause_after_error(&self, attempt: u32, error: &ExecutionError) -> Option<Pause> {
        if !error.transient && !self.on_any {
            return None;
        }
        self.pause_after(attempt).map(|backoff| Pause { backoff, requested: error.retry_after })
    }

    /// Returns the pause after the given attempt (1 is the first) has failed; `None` if it was the last.
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

/// The pause before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    backoff: Duration,
    /// The pause that the remote system requested.
    requested: Option<Duration>,
}

impl Pause {
    /// Returns the length, without the random part of [`jittered`](Self::jittered).
    #[must_use]
    pub fn length(&self) -> Duration {
        self.backoff.max(self.requested.unwrap_or_default().min(MAX_BACKOFF))
    }

    /// Returns the requested pause, if it is longer than the maximum.
    #[must_use]
    pub fn cut_short(&self) -> Option<Duration> {
        self.requested.filter(|requested| *requested > self.length())
    }

    /// Returns the length with a random change, so that executions that failed together are not retried together: by 20 % at most, and
    /// never shorter than a requested pause.
    #[must_use]
    pub fn jittered(&self) -> Duration {
        let mut byte = [128_u8];
        let _ = getrandom::fill(&mut byte);
        self.jittered_by(byte[0])
    }

    fn jittered_by(&self, chance: u8) -> Duration {
        let shortest = if self.requested.is_some() { 1.0 } else { 0.8 };
        self.length().mul_f64(shortest + (1.2 - shortest) * f64::from(chance) / 255.0)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 1, first: Duration::from_secs(1), factor: 2.0, max: MAX_BACKOFF, on_any: false }
    }
}

/// The effect of a final failure on an ordered trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The next execution starts.
    Continue,
    /// The trigger is halted until a person decides.
    Halt,
}

/// The data that is stored of each execution. A failed execution always keeps the input that its retry needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// True if the request is stored.
    pub input: bool,
    /// True if the response is stored.
    pub output: bool,
    /// True if the output of each step is stored.
    pub steps: bool,
    /// Retention of payloads (`keep`); absent: that of the history. Payloads of a failed execution are also stored for that time, and those
    /// of a call with an idempotency key at least as long as the key is valid.
    pub retention: Option<Duration>,
    /// Names of fields whose values are never stored in clear; case is ignored.
    pub redact: Vec<String>,
}

/// The response of a request-response call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Respond {
    /// The status.
    pub status: Status,
    /// The templates of headers, by name.
    pub headers: Vec<(String, String)>,
    /// The mapping of the body; absent: the last output.
    pub body: Option<String>,
}

/// A fixed or mapped status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// A fixed status, 200 to 599.
    Fixed(u16),
    /// A mapping that returns such a number.
    Mapping(String),
}
