//! A definition: one integration's trigger and workflow, as its author wrote it in YAML or JSON.
//!
//! Reading checks everything that can be checked without compiling a mapping: an existing [`Definition`] has the right
//! shape, bounds that hold and no unknown field. Mappings and templates are kept as text; the workflow compiles them.

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

/// Bytes of a request body when the definition sets no `max_bytes`: 1 MiB.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;
/// The largest `max_bytes`: RabbitMQ 4.x refuses messages over 16 MiB, and headers travel beside the body.
pub const LARGEST_MAX_BYTES: usize = 16 * 1024 * 1024 - 128 * 1024;
/// The longest `response.wait`.
pub const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// The longest pause between two attempts. In-process retrying must stay well below RabbitMQ's delivery acknowledgement timeout of 30 minutes.
pub const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);
/// The most attempts that a definition can ask for.
pub const MAX_ATTEMPTS: u32 = 20;

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
    /// True if calls are accepted.
    pub enabled: bool,
    /// What starts an execution.
    pub trigger: Trigger,
    /// How often and how fast a failed execution is tried again.
    pub retry: RetryPolicy,
    /// What a final failure does to an ordered trigger.
    pub on_failure: OnFailure,
    /// What is kept of each execution.
    pub diagnostics: Diagnostics,
    /// The mapping that makes `.input` of the request; absent: `.input` is the body.
    pub input: Option<String>,
    /// The mapping of the labels by which executions are found; absent: they have none.
    pub label: Option<String>,
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
        read::definition(document, Origin::Written)
    }

    /// Reads a definition that an earlier version of Forebay accepted and stored. Rules that are newer than it do not hold, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// As [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read::definition(document, Origin::Stored)
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
    /// Maximum pause.
    pub max: Duration,
    /// True if failures that the same input meets again (a 4xx, a mapping, an assert) are tried again too (`on: any`).
    pub on_any: bool,
}

impl RetryPolicy {
    /// The pause after the given attempt (1 is the first) has failed with `error`; `None` when it is not tried again. A remote system
    /// that asks for a longer pause gets it, up to [`MAX_BACKOFF`].
    #[must_use]
    pub fn pause_after_error(&self, attempt: u32, error: &ExecutionError) -> Option<Pause> {
        if !error.transient && !self.on_any {
            return None;
        }
        self.pause_after(attempt).map(|backoff| Pause { backoff, asked: error.retry_after })
    }

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

/// The pause before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    backoff: Duration,
    /// How long the remote system asked to be left alone.
    asked: Option<Duration>,
}

impl Pause {
    /// At least so long, but for chance: see [`jittered`](Self::jittered).
    #[must_use]
    pub fn length(&self) -> Duration {
        self.backoff.max(self.asked.unwrap_or_default().min(MAX_BACKOFF))
    }

    /// The time that the remote system asked for, where that is longer than any pause.
    #[must_use]
    pub fn cut_short(&self) -> Option<Duration> {
        self.asked.filter(|asked| *asked > self.length())
    }

    /// The pause made longer or shorter by chance, so that what failed together does not come again together: by 20 % at most, and
    /// never shorter where the remote system named a time.
    #[must_use]
    pub fn jittered(&self) -> Duration {
        let mut byte = [128_u8];
        let _ = getrandom::fill(&mut byte);
        self.jittered_by(byte[0])
    }

    fn jittered_by(&self, chance: u8) -> Duration {
        let shortest = if self.asked.is_some() { 1.0 } else { 0.8 };
        self.length().mul_f64(shortest + (1.2 - shortest) * f64::from(chance) / 255.0)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 1, first: Duration::from_secs(1), factor: 2.0, max: MAX_BACKOFF, on_any: false }
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Keep the request.
    pub input: bool,
    /// Keep the answer.
    pub output: bool,
    /// Keep each step's output.
    pub steps: bool,
    /// Retention of payloads (`keep`); absent: as long as the installation keeps history. Those of a failed execution are kept that
    /// long too, and those of a call with an idempotency key at least as long as the key is known.
    pub retention: Option<Duration>,
    /// Names of fields whose values are written down nowhere in clear, in capital or small letters.
    pub redact: Vec<String>,
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
