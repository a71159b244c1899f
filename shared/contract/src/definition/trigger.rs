//! What starts an execution: a webhook or a schedule.

use crate::authentication::Authentication;
use crate::body::{BodyRule, Reading};
use crate::duration::format_duration;
use crate::envelope::{CALL_METHOD, Request};
use crate::schedule::Timing;
use http::Method;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// What starts an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// A call by HTTP.
    Webhook(Webhook),
    /// The clock.
    Schedule(Schedule),
}

impl Trigger {
    /// The webhook; absent for a schedule.
    #[must_use]
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Self::Webhook(webhook) => Some(webhook),
            Self::Schedule(_) => None,
        }
    }

    /// The schedule; absent for a webhook.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Webhook(_) => None,
            Self::Schedule(schedule) => Some(schedule),
        }
    }

    /// How accepted calls or due runs are handed to workers.
    #[must_use]
    pub fn policy(&self) -> &DispatchPolicy {
        match self {
            Self::Webhook(webhook) => &webhook.policy,
            Self::Schedule(schedule) => &schedule.policy,
        }
    }

    /// How the body of a request is read. What other integrations send is JSON, whatever the rule for callers is.
    #[must_use]
    pub fn reading(&self, request: &Request) -> Reading<'_> {
        match self {
            Self::Webhook(webhook) if request.method == CALL_METHOD => Reading::as_sent(webhook.max_bytes),
            Self::Webhook(webhook) => webhook.reading(),
            Self::Schedule(_) => Reading::as_sent(super::LARGEST_MAX_BYTES),
        }
    }
}

/// A schedule trigger.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Schedule {
    /// When runs are due.
    pub timing: Timing,
    /// [`DispatchPolicy::Parallel`]: a run may overlap the one before. [`DispatchPolicy::Ordered`] (`ordered: true`): never.
    pub policy: DispatchPolicy,
    /// What becomes of runs that were due while no scheduler ran.
    pub missed: MissedRuns,
    /// Each run is delayed by a random time up to this; zero: not delayed.
    pub jitter: Duration,
    /// What the workflow gets as `.body`.
    pub input: Value,
}

/// What becomes of runs that were due while no scheduler ran, or while the integration was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissedRuns {
    /// They are left out.
    Skip,
    /// One run makes up for all of them.
    Once,
    /// Each is made up for, the oldest first.
    All,
}

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
    /// Maximum bytes of a body, as it travels and after a `Content-Encoding` is undone.
    pub max_bytes: usize,
    /// What holds in the place of what callers say of their bodies.
    pub body: BodyRule,
    /// How accepted calls are handed to workers.
    pub policy: DispatchPolicy,
    /// Whether the caller waits for the outcome; absent: 202 at once.
    pub response: Option<ResponseWait>,
    /// Which browser origins may call; absent: none.
    pub cors: Option<Cors>,
    /// JSON Schema of the body; absent: any.
    pub schema: Option<Value>,
    /// How a repeated call is known.
    pub idempotency: Idempotency,
    /// The rate limit; absent: all calls are admitted.
    pub rate: Option<Rate>,
}

impl Webhook {
    /// How bodies are read.
    #[must_use]
    pub fn reading(&self) -> Reading<'_> {
        Reading { rule: &self.body, max_bytes: self.max_bytes }
    }
}

/// A rate limit: `calls` at the same time, and one more each `per / calls` after that. Each ingress counts for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// At least 1.
    pub calls: u32,
    /// 1 second to 1 day.
    pub per: Duration,
    /// Whose calls are counted together.
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

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// All of the endpoint.
    Endpoint,
    /// Those with the same API key.
    Key,
    /// Those from the same address of a client: an address of IPv4, or the first 64 bits of one of IPv6.
    Address,
}

impl RateScope {
    /// The scopes with their words in a definition.
    pub const ALL: [(&str, Self); 3] = [("endpoint", Self::Endpoint), ("key", Self::Key), ("address", Self::Address)];
}

/// How a repeated call is known. The header `Idempotency-Key` counts on every webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Idempotency {
    /// Mapping that gives the key, instead of the header; null: none.
    pub key: Option<String>,
    /// When a call with a known key is a repetition.
    pub matched_by: IdempotencyMatch,
    /// How long a key is known after its first call.
    pub retention: Duration,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { key: None, matched_by: IdempotencyMatch::Request, retention: Duration::from_secs(24 * 3600) }
    }
}

/// When a call with a known key is a repetition of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdempotencyMatch {
    /// Where method, query and body are those of the first call; else it is refused.
    Request,
    /// Always: senders put another time or number into each try.
    Key,
}

/// One declared query parameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueryParameter {
    /// As it stands in the query string; case matters.
    pub name: String,
    /// For people.
    pub description: String,
    /// What its text must be.
    pub kind: QueryKind,
    /// True if a call without it is refused.
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

/// How accepted calls are handed to workers: over a shared queue, or over an exclusive queue of the trigger's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispatchPolicy {
    /// Any worker, any number at once.
    Parallel,
    /// One at a time, in the order of acceptance (`ordered: true`).
    Ordered,
    /// One at a time for each key, `concurrency` keys at once (`ordered: { by, concurrency }`).
    OrderedByKey {
        /// The mapping whose output is the key.
        by: String,
        /// Keys at once.
        concurrency: usize,
    },
    /// Without order, at most this many at once in the whole cluster (`concurrency: N`).
    ConcurrencyLimit(usize),
}

impl DispatchPolicy {
    /// Returns true if calls travel over the trigger's own exclusive queue.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        *self != Self::Parallel
    }

    /// Returns true if the order of acceptance is kept.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Ordered | Self::OrderedByKey { .. })
    }
}

/// Request-response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseWait {
    /// Maximum time the caller waits.
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
