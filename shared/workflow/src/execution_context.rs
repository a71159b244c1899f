//! The data of one execution besides its envelope.

use crate::host::{Host, NoHost};
use forebay_contract::outcome::Checkpoint;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The data of one execution besides its envelope.
#[derive(Clone)]
pub struct ExecutionContext {
    /// The attempt, from 1; mappings see it as `.execution.attempt`.
    pub attempt: u32,
    /// True if an earlier delivery was lost, so that the step that ran then may have been done.
    pub is_redelivered: bool,
    /// The time by which the execution must have ended.
    pub deadline: Instant,
    /// When cancelled, the execution ends at once, as failed with [`Crashed`](forebay_contract::outcome::ErrorCode::Crashed).
    pub cancel: CancellationToken,
    /// The stored checkpoints of earlier attempts.
    pub checkpoints: Vec<Checkpoint>,
    /// Checkpoints of earlier attempts that are not stored yet.
    pub unstored: Vec<Checkpoint>,
    /// Maximum `wait` that does not defer the execution.
    pub max_wait_in_place: Duration,
    /// True if a longer `wait` may defer the execution.
    pub may_be_deferred: bool,
    /// True if all variables are recorded before and after each step, and all outputs.
    pub diagnosed: bool,
    /// The services of the process.
    pub host: Arc<dyn Host>,
}

impl ExecutionContext {
    /// Creates the context of a first attempt outside of a worker.
    #[must_use]
    pub fn once(deadline: Instant) -> Self {
        let (cancel, host) = (CancellationToken::new(), Arc::new(NoHost));
        Self {
            attempt: 1,
            is_redelivered: false,
            deadline,
            cancel,
            checkpoints: Vec::new(),
            unstored: Vec::new(),
            max_wait_in_place: Duration::MAX,
            may_be_deferred: false,
            diagnosed: false,
            host,
        }
    }
}

impl fmt::Debug for ExecutionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionContext").field("attempt", &self.attempt).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
