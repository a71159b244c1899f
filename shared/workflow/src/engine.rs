//! Runs a program on an envelope: input, steps in order, response, within a deadline and memory limits.

use crate::context::{BodyOptions, Context};
use crate::flow::{Execution, Flow, Scope, State};
use crate::host::{Host, NoHost};
use crate::in_step::InStep;
use crate::journal::Journal;
use crate::program::Program;
use crate::respond::{self, Answer};
use crate::step_log::StepLog;
use forebay_connectors::http::client::client;
use forebay_connectors::{Connectors, Reach};
use forebay_contract::Label;
use forebay_contract::connection::{Connection, TokenStore};
use forebay_contract::definition::MAX_BODY_BYTES;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Checkpoint, ExecutionError, Response, StepRecord};
use forebay_contract::{UnixMicros, UnixMillis, VariableLog};
use forebay_mapping::Budget;
use forebay_mapping::failure;
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Returns the `traceparent` and `tracestate` of the current span, for calls to other systems; `None` if there is no trace.
pub type InjectTrace = Arc<dyn Fn() -> Option<(String, Option<String>)> + Send + Sync>;

/// The limits of one execution, and the services of the process.
#[derive(Clone)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Maximum processor time of one mapping or template; it also ends at the execution's deadline. Default 2 s.
    pub mapping_time: Duration,
    /// Maximum memory of one mapping or template, in bytes, and the size of its output as JSON. Default 64 MiB.
    pub mapping_memory: usize,
    /// Maximum memory of the outputs of `input` and all steps together, in bytes, counted as if they shared nothing. Default 64 MiB.
    pub context_memory: usize,
    /// Maximum time of an HTTP step whose definition sets none. Default 30 s.
    pub step_timeout: Duration,
    /// Maximum bytes of a remote system's response, both before and after its Content-Encoding is undone. Default 8 MiB.
    pub remote_bytes: usize,
    /// Maximum bytes of the body of a response to the caller. Default [`MAX_BODY_BYTES`], since it is one message of the broker.
    pub answer_bytes: usize,
    /// The addresses that steps may connect to. Default: all.
    pub reach: Reach,
    /// The trace of the current span; absent, or if it returns `None`: the envelope's trace is forwarded.
    pub inject: Option<InjectTrace>,
    /// The store in which processes share access tokens of connections; absent: each process fetches its own.
    pub tokens: Option<Arc<dyn TokenStore>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            mapping_time: Duration::from_secs(2),
            mapping_memory: 64 * 1024 * 1024,
            context_memory: 64 * 1024 * 1024,
            step_timeout: Duration::from_secs(30),
            remote_bytes: 8 * 1024 * 1024,
            answer_bytes: MAX_BODY_BYTES,
            reach: Reach::allow(),
            inject: None,
            tokens: None,
        }
    }
}

/// The reason for which an [`Engine`] cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the HTTP client of the workflow engine")]
pub struct EngineError(#[source] reqwest::Error);

/// Runs programs. Clones share the HTTP client and its connections; one engine is enough for a process.
#[derive(Clone)]
pub struct Engine {
    options: Arc<EngineOptions>,
    client: reqwest::Client,
    connectors: Connectors,
}

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
    /// Creates an engine with its own HTTP client.
    ///
    /// # Errors
    /// The HTTP client cannot be created.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let client = client(&options.reach, forebay_tls::client_config()).map_err(EngineError)?;
        let connectors = Connectors::sharing(options.reach.clone(), options.tokens.clone());
        Ok(Self { options: Arc::new(options), client, connectors })
    }

    /// Runs the program on the envelope, once. Any failure, including a panic, is the end of this run only.
    ///
    /// Requires a Tokio runtime with time and I/O, whose threads have at least the default stack of 2 MiB. The future may be dropped: the
    /// run does not continue then, but a remote system may already have been called.
    pub async fn run(&self, program: &Program, envelope: &Envelope, mut execution: ExecutionContext) -> Run {
        let (started_at, started) = (UnixMicros::now(), Instant::now());
        let journal = Journal::new(std::mem::take(&mut execution.checkpoints), std::mem::take(&mut execution.unstored));
        let log = StepLog::new(program.definition().diagnostics.steps || execution.diagnosed, execution.diagnosed);
        let state = Mutex::new(State { log, journal, answered: None, labels: Vec::new() });
        let budget = Budget {
            tenant: envelope.tenant.clone(),
            deadline: execution.deadline,
            mapping_time: self.options.mapping_time,
            mapping_memory: self.options.mapping_memory,
        };
        let run = Execution { engine: self, program, envelope, execution: &execution, budget, state: &state };
        let work = AssertUnwindSafe(run.execute()).catch_unwind();
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
            answered: state.answered,
            labels: state.labels,
            steps,
            variables,
            unstored: state.journal.into_unstored(),
            started_at,
            ended_at,
        }
    }

    /// Tests a connection: see [`Connectors::test`].
    ///
    /// # Errors
    /// The problem, and the remedy.
    pub async fn test(&self, connection: &Connection) -> Result<String, String> {
        self.connectors.test(&self.client, connection).await
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.options
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) fn connectors(&self) -> &Connectors {
        &self.connectors
    }
}

impl Execution<'_> {
    /// Returns the response, or the time until which the execution is deferred.
    async fn execute(&self) -> Result<RunEnd, ExecutionError> {
        let (options, program) = (self.engine.options(), self.program);
        let reading = program.definition().trigger.reading(&self.envelope.request);
        let body_options = BodyOptions { reading, wants_raw: program.wants_raw };
        let mut context = Context::of(self.envelope, self.execution.attempt, body_options, options.context_memory).await?;
        let input = match &program.input {
            None => Ok(None),
            Some(mapping) => mapping.output("", context.value(), &self.budget).await.map(Some),
        };
        let input = input.and_then(|input| context.set_input(input)).in_step("input");
        // Labels are also set if the input failed, since such executions are searched for.
        self.label(&context).await;
        input?;
        let input = context.input().clone();
        self.note(&mut context, || "input".to_owned(), &input);
        let mut scope = Scope { context, last: None, prefix: String::new() };
        if let Flow::Wait(until) = self.steps(&program.steps, &mut scope).await? {
            return Ok(RunEnd::WaitsUntil(until));
        }
        if let Some(answered) = self.state().answered.clone() {
            return Ok(RunEnd::Succeeded(answered));
        }
        let answer = Answer { context: &scope.context, last_output: scope.last.as_ref(), max_bytes: options.answer_bytes };
        respond::answer(program.respond.as_ref(), answer, &self.budget).await.in_step("respond").map(RunEnd::Succeeded)
    }
}
