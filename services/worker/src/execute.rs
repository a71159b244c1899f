//! One delivery from its arrival to a durable outcome: claim -> run workflow (with retries) -> reply -> record.
//!
//! The reply goes out before the record is durable, so that a caller does not wait for the database's disk; the
//! acknowledgement comes after both. What is lost between them is delivered again.

use crate::measure;
use crate::programs::{NoProgram, Programs};
use crate::recorder::Recorder;
use forebay_broker::{Delivery, Destination, Publisher, Reply, encode_reply};
use forebay_contract::definition::{Definition, OnFailure};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, ExecutionStatus, StepRecord};
use forebay_store::{Decision, FinishedExecution, Record, SnapshotHandle, Store, StoredRequest, StoredResponse, TriggerKind};
use forebay_workflow::{Engine, ExecutionContext, Program};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Redeliveries past which a message is taken to be what kills its workers. Messages that only stood behind it, prefetched, are
/// counted by the broker too, so the bound is well above a rolling restart.
const MOST_REDELIVERIES: u32 = 20;
/// In-process retrying of one delivery stays well below RabbitMQ's acknowledgement timeout of 30 minutes.
const LONGEST_RETRYING: Duration = Duration::from_secs(15 * 60);
/// A reply posted this long before the caller's deadline reaches it.
const ANSWERED_BEFORE_MILLIS: i64 = 500;
const SHOWN_AFTER: Duration = Duration::from_secs(1);
const STORE_PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Everything that an execution needs.
pub(crate) struct Executor {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) programs: Programs,
    pub(crate) recorder: Recorder,
    pub(crate) publisher: Publisher,
    pub(crate) worker: String,
    pub(crate) execution_timeout: Duration,
}

/// What to do with the delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    /// The outcome is durable: acknowledge.
    Recorded,
    /// The trigger is halted by this execution: leave it at the head of its queue.
    Halted,
    /// The delivery is no longer ours, or nothing durable came of it: leave it.
    Left,
}

struct Attempted {
    ending: Ending,
    steps: Vec<StepRecord>,
    started_at: Option<i64>,
    ended_at: i64,
    attempts: u32,
}

impl Executor {
    /// Executes a call. `lost` is cancelled when the delivery is no longer this worker's.
    /// `before_recording` is called once the workflow has ended: a lane gives its place to the next one there.
    pub(crate) async fn execute(
        &self,
        envelope: &Envelope,
        delivery: &Delivery,
        lost: &CancellationToken,
        before_recording: impl FnOnce() + Send,
    ) -> Executed {
        let mut earlier_attempts = envelope.attempts;
        if delivery.redelivered() {
            measure::redelivered();
            match self.recorded_before(envelope, lost).await {
                None => {}
                Some(finished) if !finished.halted => return Executed::Recorded,
                Some(finished) => match self.decision(envelope) {
                    None => return self.stay_halted(envelope, lost).await,
                    Some(Decision::Skip) => return self.skip(envelope, &finished).await,
                    Some(Decision::Resume) => earlier_attempts = u32::try_from(finished.attempts).unwrap_or_default(),
                },
            }
        }
        let span = self.span(envelope);
        let program = self.program(envelope, lost).instrument(span.clone()).await;
        let Some(program) = program else { return Executed::Left };
        let compiled = program.as_ref().ok().cloned();
        let definition = compiled.as_deref().map(Program::definition);
        let attempting = std::pin::pin!(self.attempt(program, envelope, delivery, earlier_attempts, lost).instrument(span));
        let attempted = match self.shown_while_running(envelope, earlier_attempts + 1, attempting).await {
            Some(attempted) if !lost.is_cancelled() => attempted,
            _ => return Executed::Left,
        };
        before_recording();
        let halts =
            matches!(attempted.ending, Ending::Failed(_)) && definition.is_some_and(|definition| definition.on_failure == OnFailure::Halt);
        self.reply(envelope, &attempted.ending);
        let started_at = attempted.started_at.unwrap_or(attempted.ended_at);
        measure::finished(envelope, attempted.ending.status(), started_at, attempted.ended_at);
        let record = self.record_of(envelope, &attempted, definition, delivery.redeliveries(), halts);
        if let Err(error) = self.recorder.record(record).await {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "the execution will be delivered again");
            return Executed::Left;
        }
        match &attempted.ending {
            Ending::Failed(error) if halts => self.halt(envelope, error, lost).await,
            _ => {
                self.release(envelope).await;
                Executed::Recorded
            }
        }
    }

    /// Records that an execution is running when it takes long enough for somebody to ask; short ones cost no write.
    async fn shown_while_running<T>(&self, envelope: &Envelope, attempt: u32, mut work: std::pin::Pin<&mut impl Future<Output = T>>) -> T {
        let started_at = now_micros();
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SHOWN_AFTER) => {}
        }
        let record = Record {
            status: ExecutionStatus::Running,
            attempts: i32::try_from(attempt).unwrap_or(i32::MAX),
            started_at: Some(started_at),
            ..self.empty_record(envelope)
        };
        let recorder = self.recorder.clone();
        // Nothing depends on it: when it is lost, the execution is shown as queued.
        tokio::spawn(async move { recorder.record(record).await });
        work.await
    }

    /// Waits for the store when the trigger halts on failure: running again what halted it would break the promise.
    async fn recorded_before(&self, envelope: &Envelope, lost: &CancellationToken) -> Option<FinishedExecution> {
        let id = envelope.execution_id.unique();
        loop {
            let asked = tokio::time::timeout(STORE_PATIENCE, self.store.finished(&[id])).await;
            if let Ok(Ok(mut finished)) = asked {
                return finished.remove(&id);
            }
            let snapshot = self.snapshot.current();
            let halts =
                snapshot.integration_by_id(envelope.integration_id).is_some_and(|known| known.definition.on_failure == OnFailure::Halt);
            if !halts || lost.is_cancelled() {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn decision(&self, envelope: &Envelope) -> Option<Decision> {
        let snapshot = self.snapshot.current();
        let state = snapshot.trigger_state(envelope.integration_id)?;
        if state.execution_id == Some(envelope.execution_id.unique()) { state.decision } else { None }
    }

    async fn skip(&self, envelope: &Envelope, finished: &FinishedExecution) -> Executed {
        let error = self.snapshot.current().trigger_state(envelope.integration_id).and_then(|state| state.error.clone());
        let record = Record {
            status: ExecutionStatus::Failed,
            attempts: finished.attempts,
            error,
            skipped: true,
            input: Some(stored_request(envelope)),
            ..self.empty_record(envelope)
        };
        let executed = self.recorded(record).await;
        if executed == Executed::Recorded {
            self.release(envelope).await;
        }
        executed
    }

    /// Ends a halt that was this execution's.
    async fn release(&self, envelope: &Envelope) {
        let snapshot = self.snapshot.current();
        let is_ours =
            snapshot.trigger_state(envelope.integration_id).is_some_and(|state| state.execution_id == Some(envelope.execution_id.unique()));
        if is_ours {
            measure::halted(envelope, false);
            if let Err(error) = self.store.clear_halt(envelope.integration_id).await {
                tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "the trigger's halt could not be cleared");
            }
        }
    }

    /// The execution has halted its trigger before. Its worker may have gone away between the two writes, so the halt is written when nobody knows of it.
    async fn stay_halted(&self, envelope: &Envelope, lost: &CancellationToken) -> Executed {
        if self.snapshot.current().trigger_state(envelope.integration_id).is_some() {
            return Executed::Halted;
        }
        let message = "the execution failed; its worker went away before it could say why the trigger is halted".to_owned();
        let error = ExecutionError { code: ErrorCode::Crashed, step: None, message, transient: false };
        self.halt(envelope, &error, lost).await
    }

    /// Writes the halt down, however long the database is away: the trigger must not go on before.
    async fn halt(&self, envelope: &Envelope, error: &ExecutionError, lost: &CancellationToken) -> Executed {
        measure::halted(envelope, true);
        tracing::warn!(forebay.tenant = %envelope.tenant, forebay.integration = %envelope.integration, forebay.execution.id = %envelope.execution_id, "the trigger is halted until a person resumes or skips");
        while let Err(cause) = self.store.halt_trigger(envelope.integration_id, &envelope.execution_id, error).await {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, error = %cause, "the halt could not be written down; trying again");
            if lost.is_cancelled() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Executed::Halted
    }

    /// `None` when the delivery was lost before the store could be asked.
    async fn program(&self, envelope: &Envelope, lost: &CancellationToken) -> Option<Result<Arc<Program>, ExecutionError>> {
        loop {
            match self.programs.get(envelope.integration_id, envelope.version).await {
                Ok(program) => return Some(Ok(program)),
                Err(NoProgram::Never(error)) => return Some(Err(error)),
                Err(NoProgram::NotNow) => {}
            }
            tokio::select! {
                () = lost.cancelled() => return None,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn attempt(
        &self,
        program: Result<Arc<Program>, ExecutionError>,
        envelope: &Envelope,
        delivery: &Delivery,
        earlier_attempts: u32,
        lost: &CancellationToken,
    ) -> Option<Attempted> {
        let mut attempts = earlier_attempts + 1;
        let not_run = |ending, attempts| Some(Attempted { ending, steps: Vec::new(), started_at: None, ended_at: now_micros(), attempts });
        if envelope.deadline.is_some_and(|deadline| now_micros() / 1000 >= deadline) {
            return not_run(Ending::Expired, earlier_attempts);
        }
        if delivery.redeliveries() > MOST_REDELIVERIES {
            let message = format!("the execution was begun {} times and its worker went away each time", delivery.redeliveries());
            return not_run(Ending::Failed(ExecutionError { code: ErrorCode::Crashed, step: None, message, transient: false }), attempts);
        }
        let program = match program {
            Ok(program) => program,
            Err(error) => return not_run(Ending::Failed(error), attempts),
        };
        let give_up_at = tokio::time::Instant::now() + LONGEST_RETRYING;
        let mut first_started_at = None;
        loop {
            measure::running(1.0);
            let deadline = tokio::time::Instant::now() + self.execution_timeout;
            let context = ExecutionContext { attempt: attempts, deadline: deadline.into(), cancel: lost.clone() };
            let run = self.engine.run(&program, envelope, context).await;
            measure::running(-1.0);
            let started_at = *first_started_at.get_or_insert(run.started_at);
            let pause = match &run.ending {
                Ending::Failed(error) if error.transient && !lost.is_cancelled() => {
                    program.definition().retry.pause_after(attempts - earlier_attempts)
                }
                _ => None,
            };
            let Some(pause) = pause.filter(|pause| tokio::time::Instant::now() + *pause < give_up_at) else {
                return Some(Attempted {
                    ending: run.ending,
                    steps: run.steps,
                    started_at: Some(started_at),
                    ended_at: run.ended_at,
                    attempts,
                });
            };
            tokio::select! {
                () = lost.cancelled() => return None,
                () = tokio::time::sleep(pause) => attempts += 1,
            }
        }
    }

    pub(crate) fn reply(&self, envelope: &Envelope, ending: &Ending) {
        let Some(reply_to) = &envelope.reply_to else { return };
        let message = encode_reply(&Reply { execution_id: envelope.execution_id, ending: ending.clone() });
        self.publisher.post(Destination::Named(reply_to.clone()), message);
        measure::replied();
    }

    /// Records a failure without running anything.
    pub(crate) async fn fail(&self, envelope: &Envelope, error: ExecutionError, redeliveries: u32) -> Executed {
        self.reply(envelope, &Ending::Failed(error.clone()));
        let record = Record {
            status: ExecutionStatus::Failed,
            attempts: i32::try_from(envelope.attempts).unwrap_or(i32::MAX),
            redeliveries: i32::try_from(redeliveries).unwrap_or(i32::MAX),
            error: Some(error),
            input: Some(stored_request(envelope)),
            ..self.empty_record(envelope)
        };
        self.recorded(record).await
    }

    /// Records a call whose caller had gone before it could start.
    pub(crate) async fn expire(&self, envelope: &Envelope) -> Executed {
        self.recorded(self.empty_record(envelope)).await
    }

    async fn recorded(&self, record: Record) -> Executed {
        match self.recorder.record(record).await {
            Ok(()) => Executed::Recorded,
            Err(_) => Executed::Left,
        }
    }

    /// The key after which a by-key trigger orders this call.
    pub(crate) async fn ordering_key(&self, program: &Program, envelope: &Envelope) -> Result<String, ExecutionError> {
        program.ordering_key(envelope).await
    }

    fn record_of(
        &self,
        envelope: &Envelope,
        attempted: &Attempted,
        definition: Option<&Definition>,
        redeliveries: u32,
        halted: bool,
    ) -> Record {
        let diagnostics = definition.map(|definition| definition.diagnostics).unwrap_or_default();
        let (error, response) = match &attempted.ending {
            Ending::Succeeded(response) => (None, Some(response)),
            Ending::Failed(error) => (Some(error.clone()), None),
            Ending::Expired => (None, None),
        };
        // A failed execution always keeps the input that its retry needs.
        let failed = error.is_some();
        let keeps_input = diagnostics.input || failed;
        let keeps_output = diagnostics.output || may_be_asked_for_later(envelope);
        let mut steps = attempted.steps.clone();
        if !diagnostics.steps {
            steps.iter_mut().for_each(|step| step.output = None);
        }
        Record {
            status: attempted.ending.status(),
            attempts: i32::try_from(attempted.attempts).unwrap_or(i32::MAX),
            started_at: attempted.started_at,
            ended_at: attempted.ended_at,
            error,
            response_status: response.map(|response| response.status),
            steps,
            redeliveries: i32::try_from(redeliveries).unwrap_or(i32::MAX),
            input: keeps_input.then(|| stored_request(envelope)),
            output: response.filter(|_| keeps_output).map(StoredResponse::from),
            // What a retry by hand needs is kept as long as the history is.
            keep: diagnostics.keep.filter(|_| !failed),
            halted,
            ..self.empty_record(envelope)
        }
    }

    /// A record of an execution that did not run.
    pub(crate) fn empty_record(&self, envelope: &Envelope) -> Record {
        Record {
            execution_id: envelope.execution_id,
            integration_id: envelope.integration_id,
            version: envelope.version,
            trigger_kind: TriggerKind::Webhook,
            status: ExecutionStatus::Expired,
            attempts: 0,
            started_at: None,
            ended_at: now_micros(),
            worker: self.worker.clone(),
            error: None,
            response_status: None,
            steps: Vec::new(),
            redeliveries: 0,
            input: None,
            output: None,
            keep: None,
            halted: false,
            skipped: false,
        }
    }

    /// The span that continues the caller's trace, named by the OpenTelemetry conventions for messaging; none where traces are not exported.
    fn span(&self, envelope: &Envelope) -> tracing::Span {
        if !forebay_runtime::telemetry::tracing_enabled() {
            return tracing::Span::none();
        }
        let span = tracing::info_span!(
            "execution",
            otel.name = format!("process {}/{}", envelope.tenant, envelope.integration),
            otel.kind = "consumer",
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.message.id = %envelope.execution_id,
            forebay.tenant = %envelope.tenant,
            forebay.integration = %envelope.integration,
        );
        if let Some(trace) = &envelope.trace {
            let parent = forebay_runtime::telemetry::continue_from(Some(&trace.traceparent), trace.tracestate.as_deref());
            forebay_runtime::telemetry::set_parent(&span, &parent);
        }
        span
    }
}

/// Whether the caller may come back for the answer: not when it had one in time.
fn may_be_asked_for_later(envelope: &Envelope) -> bool {
    let in_time = |deadline| now_micros() / 1000 + ANSWERED_BEFORE_MILLIS < deadline;
    envelope.reply_to.is_some() && !envelope.deadline.is_some_and(in_time)
}

pub(crate) fn stored_request(envelope: &Envelope) -> StoredRequest {
    StoredRequest {
        request: envelope.request.clone(),
        content_type: envelope.content_type.clone(),
        content_encoding: envelope.content_encoding.clone(),
        body: envelope.body.clone(),
    }
}

/// Microseconds of Unix time.
pub(crate) fn now_micros() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
