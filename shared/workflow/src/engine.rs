//! Runs a program on an envelope: input, steps in order, answer, within a deadline and bounds of memory.

use crate::context::Context;
use crate::evaluate::Budget;
use crate::failure::{self, InStep};
use crate::mapping::{Mapping, Value};
use crate::program::{CompiledAction, CompiledStep, Program};
use crate::respond::{self, Answer};
use crate::step::client::{ClientError, client};
use crate::step::http::Caller;
use crate::step_log::StepLog;
use forebay_contract::definition::LARGEST_MAX_BYTES;
use forebay_contract::envelope::Envelope;
use forebay_contract::format_duration;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, Response, StepRecord, StepStatus};
use forebay_contract::unix_micros;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Gives the `traceparent` and `tracestate` of the current span, for calls to other systems; `None` when there is no trace.
pub type InjectTrace = Arc<dyn Fn() -> Option<(String, Option<String>)> + Send + Sync>;

/// The bounds of one execution, and what it needs from the process.
#[derive(Clone)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Longest time of one mapping or template; never past the execution's deadline. Default 2 s.
    pub mapping_time: Duration,
    /// Most memory of one mapping or template, in bytes, and the size of its output as JSON. Default 64 MiB.
    pub mapping_memory: usize,
    /// Most memory of the outputs of `input` and all steps together, in bytes, as if they shared nothing. Default 64 MiB.
    pub context_memory: usize,
    /// Longest time of an HTTP step whose definition sets none. Default 30 s.
    pub step_timeout: Duration,
    /// Most bytes of a remote system's answer, before and after its Content-Encoding is undone. Default 8 MiB.
    pub remote_bytes: usize,
    /// Most bytes of the body of an answer to the caller. Default [`LARGEST_MAX_BYTES`]: it travels in one message of the broker.
    pub answer_bytes: usize,
    /// The trace of the current span; absent, or when it gives `None`: the envelope's trace is sent on.
    pub inject: Option<InjectTrace>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            mapping_time: Duration::from_secs(2),
            mapping_memory: 64 * 1024 * 1024,
            context_memory: 64 * 1024 * 1024,
            step_timeout: Duration::from_secs(30),
            remote_bytes: 8 * 1024 * 1024,
            answer_bytes: LARGEST_MAX_BYTES,
            inject: None,
        }
    }
}

/// Why an [`Engine`] cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the HTTP client of the workflow engine")]
pub struct EngineError(#[source] ClientError);

/// Runs programs. Clones share the HTTP client and its connections; one is enough for a process.
#[derive(Clone)]
pub struct Engine {
    options: Arc<EngineOptions>,
    client: reqwest::Client,
}

/// What is known of one execution beside its envelope.
#[derive(Debug, Clone)]
pub struct ExecutionContext {
    /// From 1; mappings see it as `.execution.attempt`.
    pub attempt: u32,
    /// When the execution must have ended.
    pub deadline: Instant,
    /// Cancelled: the execution ends at once, as failed with [`Crashed`](forebay_contract::outcome::ErrorCode::Crashed).
    pub cancel: CancellationToken,
}

/// One execution as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Succeeded or failed; never [`Ending::Expired`].
    pub ending: Ending,
    /// The steps that were reached, in order; outputs where the definition's diagnostics ask for them.
    pub steps: Vec<StepRecord>,
    /// Microseconds of Unix time.
    pub started_at: i64,
    /// Microseconds of Unix time; never before `started_at`.
    pub ended_at: i64,
}

impl Engine {
    /// An engine with an HTTP client of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        Ok(Self { options: Arc::new(options), client: client().map_err(EngineError)? })
    }

    /// Runs the program on the envelope, once. Whatever goes wrong, a panic included, is the ending of this run only.
    ///
    /// Needs a Tokio runtime with time and I/O, whose threads have at least the usual 2 MiB of stack. The future may be dropped:
    /// nothing of the run goes on then, but a remote system may already have been called.
    pub async fn run(&self, program: &Program, envelope: &Envelope, execution: ExecutionContext) -> Run {
        let (started_at, started) = (unix_micros(), Instant::now());
        let mut log = StepLog::new(program.definition().diagnostics.steps);
        let work = AssertUnwindSafe(self.execute(program, envelope, &execution, &mut log)).catch_unwind();
        let result = tokio::select! {
            biased;
            () = execution.cancel.cancelled() => Err(failure::withdrawn()),
            () = tokio::time::sleep_until(execution.deadline.into()) => Err(failure::deadline_reached()),
            result = work => result.unwrap_or_else(|payload| Err(failure::panicked(&*payload))),
        };
        let ending = match result {
            Ok(response) => Ending::Succeeded(response),
            Err(error) => Ending::Failed(log.interrupted(error)),
        };
        let took = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
        Run { ending, steps: log.into_records(), started_at, ended_at: started_at.saturating_add(took) }
    }

    async fn execute(
        &self,
        program: &Program,
        envelope: &Envelope,
        execution: &ExecutionContext,
        log: &mut StepLog,
    ) -> Result<Response, ExecutionError> {
        let options = &*self.options;
        let budget = Budget {
            tenant: envelope.tenant.clone(),
            deadline: execution.deadline,
            mapping_time: options.mapping_time,
            mapping_memory: options.mapping_memory,
        };
        let max_bytes = program.definition().trigger.max_bytes();
        let mut context = Context::of(envelope, execution.attempt, max_bytes, options.context_memory).await?;
        let input = match &program.input {
            None => None,
            Some(mapping) => Some(mapping.evaluate("", &budget, run_on(context.value())).await.in_step("input")?),
        };
        context.set_input(input).in_step("input")?;

        let mut last_output = None;
        for step in &program.steps {
            if execution.cancel.is_cancelled() {
                return Err(failure::withdrawn());
            }
            log.begin(&step.id);
            let span = tracing::info_span!(
                "step",
                forebay.step.id = step.id,
                forebay.step.kind = step.action.kind(),
                forebay.step.status = tracing::field::Empty
            );
            let result = self.step(step, &context, envelope, &budget).instrument(span.clone()).await;
            let result = result.and_then(|output| {
                context.add_step(&step.id, output.clone().unwrap_or(Value::NULL))?;
                Ok(output)
            });
            let status = log.end(&result);
            span.record("forebay.step.status", as_word(status));
            if let Some(output) = result.in_step(&step.id)? {
                last_output = Some(output);
            }
        }
        let answer = Answer { context: &context, last_output: last_output.as_ref(), most_bytes: options.answer_bytes };
        respond::answer(program.respond.as_ref(), answer, &budget).await.in_step("respond")
    }

    /// The step's output; `None` when its `when` says no.
    async fn step(
        &self,
        step: &CompiledStep,
        context: &Context,
        envelope: &Envelope,
        budget: &Budget,
    ) -> Result<Option<Value>, ExecutionError> {
        if let Some(when) = &step.when
            && !when.evaluate("when", budget, run_on(context.value())).await?.is_truthy()
        {
            return Ok(None);
        }
        match &step.action {
            CompiledAction::Set(mapping) => {
                let output = mapping.evaluate("set", budget, run_on(context.value()));
                match step.timeout {
                    None => output.await.map(Some),
                    Some(timeout) => tokio::time::timeout(timeout, output).await.unwrap_or_else(|_| Err(too_slow(timeout))).map(Some),
                }
            }
            CompiledAction::Http(call) => {
                let caller = Caller { client: &self.client, options: &self.options, envelope, step: &step.id };
                call.run(caller, step.timeout, context, budget).await.map(Some)
            }
        }
    }
}

/// Runs a mapping on a context, for [`Paced::evaluate`](crate::evaluate::Paced::evaluate).
pub(crate) fn run_on(
    context: &Value,
) -> impl Fn(&Mapping, &crate::mapping::Limits) -> Result<Value, crate::mapping::MappingError> + Send + 'static {
    let context = context.clone();
    move |mapping, limits| mapping.run(&context, limits)
}

fn too_slow(timeout: Duration) -> ExecutionError {
    let message = format!("set: the mapping did not end within the step's timeout of {}", format_duration(timeout));
    failure::permanent(ErrorCode::Timeout, message)
}

fn as_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Succeeded => "succeeded",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
    }
}
