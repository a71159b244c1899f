//! Triggers, which start executions: webhooks and schedules.

use crate::authentication::Authentication;
use crate::body::{BodyRule, Reading};
use crate::duration::format_duration;
use crate::request::{CALL_METHOD, Request};
use crate::schedule::Timing;
use http::Method;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Default `max_bytes` of a request body: 1 MiB.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;
/// Maximum `max_bytes`: RabbitMQ 4.x refuses messages over 16 MiB, and a message has headers besides the body.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024 - 128 * 1024;
/// Maximum `response.wait`.
pub const MAX_WAIT: Duration = Duration::from_secs(15 * 60);

/// The trigger of executions.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// An HTTP call.
    Webhook(Webhook),
    /// A schedule.
    Schedule(Schedule),
}

impl Trigger {
    /// Returns the webhook; `None` for a schedule.
    #[must_use]
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Self::Webhook(webhook) => Some(webhook),
            Self::Schedule(_) => None,
        }
    }

    /// Returns the schedule; `None` for a webhook.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Webhook(_) => None,
            Self::Schedule(schedule) => Some(schedule),
        }
    }

    /// Returns the policy by which accepted calls or due runs are handed to workers.
    #[must_use]
    pub fn policy(&self) -> &DispatchPolicy {
        match self {
            Self::Webhook(webhook) => &webhook.policy,
            Self::Schedule(schedule) => &schedule.policy,
        }
    }

    /// Returns the options of reading the body of a request. Bodies of calls by other integrations are JSON, whatever the rule for callers.
    #[must_use]
    pub fn reading(&self, request: &Request) -> Reading<'_> {
        match self {
            Self::Webhook(webhook) if request.method == CALL_METHOD => Reading::as_sent(webhook.max_bytes),
            Self::Webhook(webhook) => webhook.reading(),
            Self::Schedule(_) => Reading::as_sent(MAX_BODY_BYTES),
        }
    }
}

/// A schedule trigger.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Schedule {
    /// The due times.
    pub timing: Timing,
    /// [`DispatchPolicy::Parallel`]: a run may overlap the one before. [`DispatchPolicy::Ordered`] (`ordered: true`): it may not.
    pub policy: DispatchPolicy,
    /// The handling of missed runs.
    pub missed: MissedRuns,
    /// The maximum of the random delay of each run; zero: no delay.
    pub jitter: Duration,
    /// The `.body` of the workflow.
    pub input: Value,
}

/// The handling of runs that were due while no scheduler ran, or while the integration was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissedRuns {
    /// They are skipped.
    Skip,
    /// One run replaces all of them.
    Once,
    /// All of them run, the oldest first.
    All,
}

/// A webhook trigger.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Webhook {
    /// Accepted methods, at least one, without repeats.
    pub methods: Vec<Method>,
    /// The authentication of callers.
    pub authentication: Authentication,
    /// Declared query parameters in the order of the file.
    pub query: Vec<QueryParameter>,
    /// Maximum bytes of a body, both as received and after a `Content-Encoding` is undone.
    pub max_bytes: usize,
    /// The rule of reading bodies; it takes precedence over the declaration of callers.
    pub body: BodyRule,
    /// The policy by which accepted calls are handed to workers.
    pub policy: DispatchPolicy,
    /// The wait for the outcome; absent: 202 at once.
    pub response: Option<ResponseWait>,
    /// The browser origins that may call; absent: none.
    pub cors: Option<Cors>,
    /// JSON Schema of the body; absent: any.
    pub schema: Option<Value>,
    /// The recognition of repeated calls.
    pub idempotency: Idempotency,
    /// The rate limit; absent: all calls are admitted.
    pub rate: Option<Rate>,
}

impl Webhook {
    /// Returns the options of reading bodies.
    #[must_use]
    pub fn reading(&self) -> Reading<'_> {
        Reading { rule: &self.body, max_bytes: self.max_bytes }
    }
}

/// A rate limit: `calls` at the same time, and then one more every `per / calls`. Each ingress counts separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// Number of calls, at least 1.
    pub calls: u32,
    /// The period, 1 second to 1 day.
    pub per: Duration,
    /// The calls that are counted together.
    pub scope: RateScope,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.calls == 1 { "call" } else { "calls" };
        write!(f, "{} {calls} per {}", self.calls, format_duration(self.per))?;
        f.write_str(match self.scope {
            RateScope::Endpoint => "",
            RateScope::Key => " with each API key",
            RateScope::Address => " from each address",
        })
    }
}

/// The calls that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// All calls of the endpoint.
    Endpoint,
    /// Calls with the same API key.
    Key,
    /// Calls from the same client address: an IPv4 address, or the first 64 bits of an IPv6 address.
    Address,
}

impl RateScope {
    /// The scopes with their words in a definition.
    pub const ALL: [(&str, Self); 3] = [("endpoint", Self::Endpoint), ("key", Self::Key), ("address", Self::Address)];
}

/// The recognition of repeated calls. The header `Idempotency-Key` is used on every webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Idempotency {
    /// The mapping that returns the key, instead of the header; null: no key.
    pub key: Option<String>,
    /// The condition under which a call with a known key is a repetition.
    pub matched_by: IdempotencyMatch,
    /// Time for which a key is stored after its first call.
    pub retention: Duration,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { key: None, matched_by: IdempotencyMatch::Request, retention: Duration::from_secs(24 * 3600) }
    }
}

/// The condition under which a call with a known key is a repetition of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdempotencyMatch {
    /// Method, query and body must be those of the first call; otherwise the call is refused.
    Request,
    /// It always is: some senders change a time or number with each attempt.
    Key,
}

/// A declared query parameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueryParameter {
    /// The name in the query string, with its case.
    pub name: String,
    /// For people.
    pub description: String,
    /// The type of its value.
    pub kind: QueryKind,
    /// True if a call without it is refused.
    pub required: bool,
    /// Its value if it is absent, of the parameter's type.
    pub default: Option<Value>,
}

/// The type of a query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKind {
    /// Any text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl QueryKind {
    /// Returns the word of definitions.
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

/// The policy by which accepted calls are handed to workers: over a shared queue, or over an exclusive queue of the trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispatchPolicy {
    /// On any worker, any number in parallel.
    Parallel,
    /// One after another, in the order of receipt (`ordered: true`).
    Ordered,
    /// One after another for each key, `concurrency` keys in parallel (`ordered: { by, concurrency }`).
    OrderedByKey {
        /// The mapping that returns the key.
        by: String,
        /// Maximum keys in parallel.
        concurrency: usize,
    },
    /// Unordered, at most this many in parallel in the whole cluster (`concurrency: N`).
    ConcurrencyLimit(usize),
}

impl DispatchPolicy {
    /// Returns true if calls use an exclusive queue of the trigger.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        *self != Self::Parallel
    }

    /// Returns true if calls run in the order of receipt.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Ordered | Self::OrderedByKey { .. })
    }
}

/// The wait of a request-response call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseWait {
    /// Maximum wait of the caller.
    pub wait: Duration,
    /// The response after that.
    pub on_timeout: OnTimeout,
}

/// The response to a caller after the timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// 504; an execution that has not started by then never starts.
    Error,
    /// 202; the execution always runs.
    Accepted,
}

/// Cross-origin calls from browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cors {
    /// Origins such as `https://portal.example`, or `*`.
    pub origins: Vec<String>,
}
