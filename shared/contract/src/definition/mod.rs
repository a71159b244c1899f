//! Definitions: the trigger and workflow of one integration, read from YAML or JSON.
//!
//! Reading checks everything that does not require compiling a mapping: a [`Definition`] has valid fields and limits, and no unknown
//! fields. Mappings and templates stay text; the workflow crate compiles them.

mod document;
mod places;
mod read;
mod respond;
mod retry;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
mod trigger;

pub use crate::fields::{DefinitionError, Problem};
pub use document::{DocumentError, documents, to_yaml};
pub use places::{Place, Places};
pub use respond::{Respond, Status};
pub use retry::{MAX_ATTEMPTS, MAX_BACKOFF, Pause, RetryPolicy};
pub use steps::{
    Action, AmqpCall, Assertion, Branch, Case, Each, EmailCall, HttpCall, HttpTarget, InnerSteps, IntegrationCall, LogLevel, LogLine,
    OnError, Parallel, Redirects, Set, SftpCall, SftpOperation, SqlCall, SqlStatement, Step, Stop, Switch, Wait,
};
pub use trigger::{
    Cors, DEFAULT_MAX_BYTES, DispatchPolicy, Idempotency, IdempotencyMatch, MAX_BODY_BYTES, MAX_WAIT, MissedRuns, OnTimeout, QueryKind,
    QueryParameter, Rate, RateScope, ResponseWait, Schedule, Trigger, Webhook,
};

use crate::name::{IntegrationPath, Name};
use std::time::Duration;

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
