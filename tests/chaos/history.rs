//! The observations of one run, in the form that the checker reads.

use std::fmt;

/// Microseconds since the run began.
pub(crate) type Micros = u64;

/// The observations of one run.
#[derive(Debug, Default, Clone)]
pub(crate) struct History {
    /// Calls; a call's id is its position.
    pub(crate) calls: Vec<Call>,
    /// Effects in the order in which they arrived.
    pub(crate) effects: Vec<Effect>,
    /// Executions as they were recorded after the drain.
    pub(crate) executions: Vec<Recorded>,
    /// Stretches of the run and their state. They do not overlap.
    pub(crate) windows: Vec<Window>,
    /// Recoveries, one for each fault and noise.
    pub(crate) recoveries: Vec<Recovery>,
}

/// One call; repetitions with its idempotency key are attempts of it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tenant: String,
    pub(crate) integration: String,
    pub(crate) kind: Kind,
    /// Position among the calls of the same integration.
    pub(crate) n: u64,
    /// True for a tenant that must not be affected by the others.
    pub(crate) is_quiet: bool,
    pub(crate) attempts: Vec<Attempt>,
}

/// Kinds of calls. They differ in the effects and the end that an accepted call must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The caller waits for the answer; one effect.
    Synchronous,
    /// The caller gets 202; one effect.
    Asynchronous,
    /// The caller gets 202 and then sends the next one; the effects `begin` and `end`.
    Ordered,
    /// No effect; the execution succeeds.
    Flood,
    /// The body cannot be accepted.
    Malformed,
    /// The body makes a mapping fail; no effect, and the execution fails.
    Failing,
}

impl Kind {
    /// The last effect of a successful execution.
    pub(crate) fn last_effect(self) -> Option<Stage> {
        match self {
            Self::Synchronous | Self::Asynchronous => Some(Stage::Done),
            Self::Ordered => Some(Stage::End),
            Self::Flood | Self::Malformed | Self::Failing => None,
        }
    }
}

/// One request of a call and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) sent: Micros,
    pub(crate) answered: Micros,
    pub(crate) answer: Answer,
}

/// The caller's knowledge after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 202.
    Accepted { execution: String, location: String },
    /// The answer of the workflow, which repeats the call's id and tenant.
    Replied { execution: String, call: Option<usize>, tenant: String },
    /// Nothing was accepted: 4xx, or 503 with `mayBeDelivered: false`.
    Refused { status: u16, text: String },
    /// 500: the execution failed.
    Failed { execution: String, text: String },
    /// The call may have been accepted: no answer, 502, 504, 409, 503 with `mayBeDelivered: true`.
    Unknown { text: String },
}

impl Answer {
    /// The execution of a call that was accepted.
    pub(crate) fn accepted_execution(&self) -> Option<&str> {
        match self {
            Self::Accepted { execution, .. } | Self::Replied { execution, .. } => Some(execution),
            Self::Refused { .. } | Self::Failed { .. } | Self::Unknown { .. } => None,
        }
    }

    /// A word for tables.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Replied { .. } => "replied",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { execution, .. } => write!(f, "202 {execution}"),
            Self::Replied { execution, .. } => write!(f, "200 {execution}"),
            Self::Refused { status, text } => write!(f, "{status} {text}"),
            Self::Failed { execution, text } => write!(f, "500 {execution} {text}"),
            Self::Unknown { text } => f.write_str(text),
        }
    }
}

impl Call {
    /// The execution of the first attempt that was accepted.
    pub(crate) fn accepted_execution(&self) -> Option<&str> {
        self.attempts.iter().find_map(|attempt| attempt.answer.accepted_execution())
    }

    /// Tells whether each attempt was refused for certain.
    pub(crate) fn is_refused(&self) -> bool {
        !self.attempts.is_empty() && self.attempts.iter().all(|attempt| matches!(attempt.answer, Answer::Refused { .. }))
    }
}

/// The part of an execution that an effect comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// First step of an ordered call.
    Begin,
    /// Last step of an ordered call.
    End,
    /// The one step of another call.
    Done,
}

/// One request of a step to the effect server.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) at: Micros,
    /// Tenant and integration of the execution.
    pub(crate) tenant: String,
    pub(crate) integration: String,
    pub(crate) call: usize,
    pub(crate) stage: Stage,
    pub(crate) execution: String,
}

/// One execution in the history of Forebay.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) integration: String,
    pub(crate) status: String,
    /// Code and message of its failure; empty without one.
    pub(crate) error: String,
}

/// A stretch of the run.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) state: State,
    pub(crate) begin: Micros,
    pub(crate) end: Micros,
}

/// State of the run in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Only the quiet tenants call.
    Calm,
    /// One tenant misbehaves so; every process and server is well.
    Noisy(&'static str),
    /// A fault, and the time until the recovery from it.
    Faulty(String),
}

/// The time that the quiet tenants needed after a fault or a noise.
#[derive(Debug, Clone)]
pub(crate) struct Recovery {
    pub(crate) fault: String,
    /// End of the fault.
    pub(crate) healed: Micros,
    /// `None`: not within the time that is allowed. The text says which integrations were without success.
    pub(crate) recovered: Result<Micros, String>,
}
