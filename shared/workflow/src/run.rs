//! Runs a program on an envelope: input, steps in order, response, within a deadline and memory limits.

use crate::context::{BodyOptions, Context};
use crate::engine::Engine;
use crate::execution::{Execution, Scope, State};
use crate::execution_context::ExecutionContext;
use crate::flow::Flow;
use crate::in_step::InStep;
use crate::journal::Journal;
use crate::program::Program;
use crate::respond::{self, ResponseInput};
use crate::step_log::StepLog;
use forebay_contract::Label;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Checkpoint, ExecutionError, Response, StepRecord};
use forebay_contract::{UnixMicros, UnixMillis, VariableLog};
use forebay_mapping::Budget;
use forebay_mapping::failure;
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its end.
    pub end: RunEnd,
    /// The response of a `respond` step, which the host has received already.
    pub answered: Option<Response>,
    /// Checkpoints that a later attempt would need and that are not stored yet.
    pub unstored: Vec<Checkpoint>,
    /// The labels of the definition's `label`; empty if it has none or its mapping failed, which is logged.
    pub labels: Vec<Label>,
    /// The steps that were reached, in order; with outputs if the definition's diagnostics store them.
    pub steps: Vec<StepRecord>,
    /// The variables around the steps, if they are recorded.
    pub variables: Option<VariableLog>,
    /// The time at which it began.
    pub started_at: UnixMicros,
    /// The time at which it ended; never before `started_at`.
    pub ended_at: UnixMicros,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// The workflow ended with a response.
    Succeeded(Response),
    /// The workflow, or the run of it, failed.
    Failed(ExecutionError),
    /// A `wait` defers the execution until this time. The `unstored` checkpoints must be stored before.
    WaitsUntil(UnixMillis),
}

impl Engine {
    /// Runs the program on the envelope, once. Any failure, including a panic, is the end of this run only.
    ///
    /// Requires a Tokio runtime with time and I/O, whose threads have at least the default stack of 2 MiB. The future may be dropped: the
    /// run does not continue then, but a remote system may already have been called.
    pub async fn run(&self, program: &Program, envelope: &Envelope, mut execution: ExecutionContext) -> Run {
        let (started_at, started) = (UnixMicros::now(), Instant::now());
        let journal = Journal::new(std::mem::take(&mut execution.checkpoints), std::mem::take(&mut execution.unstored));
        let log = StepLog::new(program.definition().diagnostics.steps || execution.diagnosed, execution.diagnosed);
        let state = Mutex::new(State { log, journal, early_response: None, labels: Vec::new() });
        let budget = Budget {
            tenant: envelope.tenant.clone(),
            deadline: execution.deadline,
            mapping_time: self.options().mapping_time,
            mapping_memory: self.options().mapping_memory,
        };
        let run = Execution { engine: self, envelope, execution: &execution, budget, state: &state };
        let work = AssertUnwindSafe(run.execute(program)).catch_unwind();
        let result = tokio::select! {
            biased;
            () = execution.cancel.cancelled() => Err(failure::withdrawn()),
            () = tokio::time::sleep_until(execution.deadline.into()) => Err(failure::deadline_reached()),
            result = work => result.unwrap_or_else(|payload| Err(forebay_fairness::panicked(&*payload))),
        };
        let mut state = state.into_inner();
        let end = match result {
            Err(error) => RunEnd::Failed(state.log.interrupted(error)),
            Ok(end) => end,
        };
        let ended_at = started_at + started.elapsed();
        let (steps, variables) = state.log.into_parts();
        Run {
            end,
            answered: state.early_response,
            labels: state.labels,
            steps,
            variables,
            unstored: state.journal.into_unstored(),
            started_at,
            ended_at,
        }
    }
}

impl Execution<'_> {
    /// Returns the response, or the time until which the execution is deferred.
    async fn execute(&self, program: &Program) -> Result<RunEnd, ExecutionError> {
        let options = self.engine.options();
        let reading = program.definition().trigger.reading(&self.envelope.request);
        let body_options = BodyOptions { reading, uses_raw: program.uses_raw };
        let mut context = Context::of(self.envelope, self.execution.attempt, body_options, options.context_memory).await?;
        let input = match &program.input {
            None => Ok(None),
            Some(mapping) => mapping.output("", context.value(), &self.budget).await.map(Some),
        };
        let input = input.and_then(|input| context.set_input(input)).in_step("input");
        // Labels are also set if the input failed, since such executions are searched for.
        self.label(program.label.as_ref(), &context).await;
        input?;
        let input = context.input().clone();
        self.note(&mut context, || "input".to_owned(), &input);
        let mut scope = Scope { context, last: None, prefix: String::new() };
        if let Flow::Wait(until) = self.steps(&program.steps, &mut scope).await? {
            return Ok(RunEnd::WaitsUntil(until));
        }
        if let Some(response) = self.state().early_response.clone() {
            return Ok(RunEnd::Succeeded(response));
        }
        let input = ResponseInput { context: &scope.context, last_output: scope.last.as_ref(), max_bytes: options.answer_bytes };
        respond::response(program.respond.as_ref(), input, &self.budget).await.in_step("respond").map(RunEnd::Succeeded)
    }
}
