//! Results of running an execution, each with the fields that it needs.

use super::checkpoints::Checkpoints;
use forebay_contract::outcome::{Checkpoint, Ending, ExecutionError, Response, StepRecord};
use forebay_contract::{Label, SharedQueueNumber, UnixMicros, UnixMillis, VariableLog};
use forebay_workflow::{Run, RunEnd};
use std::sync::Arc;
use std::time::Duration;

/// The result of running an execution in this delivery.
pub(crate) enum Attempted {
    /// The delivery was lost: it will be redelivered.
    Lost,
    /// The execution has ended.
    Ended(Outcome),
    /// It failed and is retried by a later delivery.
    RetryLater {
        /// The failure.
        error: ExecutionError,
        /// The shared queue to which the execution returns.
        shared_queue: SharedQueueNumber,
        /// The pause before the retry.
        pause: Duration,
        /// Attempts so far, including those of earlier deliveries.
        attempts: u32,
        /// The last attempt.
        ran: Ran,
    },
    /// A `wait` defers it.
    WaitsUntil {
        /// The time until which it waits.
        until: UnixMillis,
        /// Attempts so far, including those of earlier deliveries.
        attempts: u32,
        /// The last attempt.
        ran: Ran,
    },
}

/// The outcome of an execution.
pub(crate) struct Outcome {
    /// The end.
    pub(crate) ending: Ending,
    /// Attempts so far, including those of earlier deliveries.
    pub(crate) attempts: u32,
    /// True if a person has switched diagnostics on.
    pub(crate) is_diagnosed: bool,
    /// The last attempt; absent if this delivery did not run the execution.
    pub(crate) ran: Option<Ran>,
}

impl Outcome {
    /// Returns the outcome of an execution that this delivery did not run.
    pub(crate) fn not_run(ending: Ending, attempts_before: u32, is_diagnosed: bool) -> Self {
        // A failure counts as an attempt; an expired call never began.
        let attempts = match ending {
            Ending::Expired => attempts_before,
            Ending::Succeeded(_) | Ending::Failed(_) => attempts_before + 1,
        };
        Self { ending, attempts, is_diagnosed, ran: None }
    }
}

/// The last attempt of a delivery.
pub(crate) struct Ran {
    /// The steps that were reached.
    pub(crate) steps: Vec<StepRecord>,
    /// Labels of the execution.
    pub(crate) labels: Vec<Label>,
    /// The variables before and after the steps, where diagnostics record them.
    pub(crate) variables: Option<VariableLog>,
    /// Start of the first attempt of this delivery.
    pub(crate) started_at: UnixMicros,
    /// End of the last attempt.
    pub(crate) ended_at: UnixMicros,
    /// The response of a `respond` step, which was already sent to the caller.
    pub(crate) answered: Option<Response>,
    /// Checkpoints that a later attempt needs and that are not stored yet.
    pub(crate) unstored: Vec<Checkpoint>,
    /// The outputs that are durable.
    pub(crate) checkpoints: Arc<Checkpoints>,
}

impl Ran {
    /// Splits a run into its end and the rest.
    pub(super) fn of(run: Run, started_at: UnixMicros, checkpoints: Arc<Checkpoints>) -> (RunEnd, Self) {
        let Run { end, answered, unstored, labels, steps, variables, started_at: _, ended_at } = run;
        (end, Self { steps, labels, variables, started_at, ended_at, answered, unstored, checkpoints })
    }
}

/// The disposition of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Acknowledge it: the outcome is durable.
    Acknowledge,
    /// Leave it at the head of its queue: the trigger is halted by this execution.
    Halt,
    /// Do not begin: the integration is paused.
    Pause,
    /// Leave it to be redelivered: it was lost to this worker, or its outcome is not durable.
    Leave,
}
