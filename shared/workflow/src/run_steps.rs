//! Runs lists of steps: each step with its condition, its retries, its checkpoint and its error handling.

use crate::compiled::{CompiledOnError, CompiledStep};
use crate::execution::{Execution, Scope, State, lock};
use crate::flow::{Done, Flow};
use crate::step_log::StepEnd;
use crate::steps::{Effect, StepRun};
use forebay_connectors::concealment::Concealment;
use forebay_contract::outcome::{Checkpoint, ExecutionError};
use forebay_contract::show_duration;
use forebay_mapping::Value;
use forebay_mapping::failure;
use parking_lot::Mutex;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tracing::Instrument;

pub(crate) type Steps<'s> = Pin<Box<dyn Future<Output = Result<Flow, ExecutionError>> + Send + 's>>;

impl Execution<'_> {
    pub(crate) fn steps<'s>(&'s self, steps: &'s [CompiledStep], scope: &'s mut Scope) -> Steps<'s> {
        Box::pin(async move {
            for step in steps {
                if self.execution.cancel.is_cancelled() {
                    return Err(failure::withdrawn());
                }
                let flow = self.step(step, scope).await?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
            }
            Ok(Flow::Next)
        })
    }

    async fn step(&self, step: &CompiledStep, scope: &mut Scope) -> Result<Flow, ExecutionError> {
        let path = format!("{}{}", scope.prefix, step.id);
        self.state().log.begin(&path, &scope.context.numbers);
        let span =
            tracing::info_span!("step", forebay.step.id = path, forebay.step.kind = step.kind, forebay.step.status = tracing::field::Empty);
        let done = self.until_done(step, scope, &path).instrument(span.clone()).await;
        let done = done.and_then(|done| {
            match &done {
                None => self.add_step(scope, &step.id, Value::NULL)?,
                Some(Done::Output(output)) => self.add_step(scope, &step.id, output.clone())?,
                Some(Done::Ends(_)) => {}
            }
            Ok(done)
        });
        let status = self.state().log.end(
            &path,
            &match &done {
                Ok(None) => StepEnd::Skipped,
                Ok(Some(Done::Output(output))) => StepEnd::Succeeded(output),
                Ok(Some(Done::Ends(Flow::Wait(_)))) => StepEnd::Waits,
                Ok(Some(Done::Ends(_))) => StepEnd::Succeeded(&Value::NULL),
                Err(error) => StepEnd::Failed(error),
            },
            Some(&scope.context.numbers),
        );
        span.record("forebay.step.status", status.as_str());
        match done {
            Ok(None) => Ok(Flow::Next),
            Ok(Some(Done::Output(output))) => {
                scope.last = Some(output);
                Ok(Flow::Next)
            }
            Ok(Some(Done::Ends(flow))) => Ok(flow),
            Err(error) => self.after_error(step, scope, &path, error.in_step(&path)).await,
        }
    }

    fn add_step(&self, scope: &mut Scope, id: &str, output: Value) -> Result<(), ExecutionError> {
        self.note(&mut scope.context, || format!("steps.{id}"), &output);
        scope.context.add_step(id, output)
    }

    /// Returns the final result of the step; `None` if its `when` is false.
    async fn until_done(&self, step: &CompiledStep, scope: &mut Scope, path: &str) -> Result<Option<Done>, ExecutionError> {
        if let Some(when) = &step.when
            && !when.output("when", scope.context.value(), &self.budget).await?.is_truthy()
        {
            return Ok(None);
        }
        let reaches_out = step.action.effect().reaches_out();
        if reaches_out && let Some(output) = self.state().journal.output(path) {
            return Ok(Some(Done::Output(output)));
        }
        let mut attempt = 1;
        loop {
            let error = match self.act(step, scope, path).await {
                Ok(done) => {
                    if reaches_out && let Done::Output(output) = &done {
                        self.state().journal.add(path, output, step.action.effect() == Effect::Writes);
                    }
                    return Ok(Some(done));
                }
                Err(error) => error,
            };
            let Some(pause) = step.retry.and_then(|retry| retry.pause_after_error(attempt, &error)) else { return Err(error) };
            // A longer backoff of the step itself is not caused by the remote system.
            if let Some(requested) = error.retry_after.filter(|requested| *requested >= pause.length())
                && Instant::now() + pause.length() >= self.execution.deadline
            {
                // The pause would exceed the execution's timeout and hide the error.
                let message = format!("{}; {}, which is longer than this execution may take", error.message, asked_for(requested));
                return Err(ExecutionError { message, ..error });
            }
            if let Some(requested) = pause.cut_short() {
                let note =
                    format!("{}; it was called again after {}, the longest pause", asked_for(requested), show_duration(pause.length()));
                tracing::info!(forebay.execution.id = %self.envelope.execution_id, forebay.step.id = path, "{note}");
                self.state().log.set_note(path, note);
            }
            tokio::time::sleep(pause.jittered()).await;
            attempt += 1;
        }
    }

    /// Makes one attempt. Errors do not contain secrets of the connection that the remote system repeats.
    async fn act(&self, step: &CompiledStep, scope: &mut Scope, path: &str) -> Result<Done, ExecutionError> {
        if step.action.effect() == Effect::Writes {
            self.store_before_effect().await;
        }
        let error = match step.action.run(StepRun { execution: self, path, timeout: step.timeout }, scope).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match step.action.connection().map(|name| self.execution.host.connection(name)) {
            Some(Ok(connection)) => Err(Concealment::of(&connection).conceal_in(error)),
            Some(Err(_)) | None => Err(error),
        }
    }

    /// Stores the checkpoints that must be durable before the next effect begins. Those that were not stored return to the journal, also if
    /// the run is cancelled meanwhile.
    pub(crate) async fn store_before_effect(&self) {
        let Some(steps) = self.state().journal.take_urgent() else { return };
        let mut taken = Taken { state: self.state, steps };
        if self.execution.host.store_checkpoints(&taken.steps).await {
            taken.steps.clear();
        }
    }

    async fn after_error(&self, step: &CompiledStep, scope: &mut Scope, path: &str, error: ExecutionError) -> Result<Flow, ExecutionError> {
        let handler = match &step.on_error {
            CompiledOnError::Fail => return Err(error),
            CompiledOnError::Continue => &[][..],
            CompiledOnError::Steps(steps) => steps,
        };
        let described = [("code", Value::string(error.code.as_str())), ("message", Value::string(error.message.as_str()))];
        let output = Value::object([("error", Value::object(described))]);
        if step.action.effect().reaches_out() {
            self.state().journal.add(path, &output, step.action.effect() == Effect::Writes);
        }
        self.add_step(scope, &step.id, output.clone())?;
        scope.last = Some(output);
        self.steps(handler, scope).await
    }
}

/// Checkpoints that are being stored; those that were not stored return to the journal.
struct Taken<'a> {
    state: &'a Mutex<State>,
    steps: Vec<Checkpoint>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.steps.is_empty() {
            lock(self.state).journal.put_back(std::mem::take(&mut self.steps));
        }
    }
}

/// Returns the text about a pause that the remote system requested.
pub fn asked_for(requested: Duration) -> String {
    format!("it asked to be left alone for {} (Retry-After)", show_duration(requested))
}
