//! The `wait` step: waits in place if the time is short; otherwise the execution is deferred.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, shortened};
use crate::compiler::Compiler;
use crate::context::time_value;
use crate::execution::Scope;
use crate::flow::{Done, Flow};
use crate::trial::{self, Fault, Trial};
use forebay_contract::definition::Wait;
use forebay_contract::json::object_of;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{Name, UnixMillis, format_duration};
use forebay_mapping::{Mapping, Paced, Value};
use serde_json::json;
use std::time::Duration;

const NO_TIME: &str = "the mapping must give a time (RFC 3339, or seconds of Unix time), and gave";

enum CompiledWait {
    For(Duration),
    Until(Paced<Mapping>),
}

impl StepKind for Wait {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        compiler.waits = true;
        Some(Box::new(match self {
            Self::For(pause) => CompiledWait::For(*pause),
            Self::Until(source) => CompiledWait::Until(compiler.mapping(&format!("{path}.until"), source)?),
        }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let source = match self {
            Self::For(pause) => return Ok(trial::Done::Request(json!({ "for": format_duration(*pause) }))),
            Self::Until(source) => source,
        };
        let part = format!("{}.until", step.part);
        let output = scope.mapping(&part, source)?;
        if time_of(&output).is_none() {
            return Err(Fault::of_output(&part, source, &output, format!("{NO_TIME} {}", output.kind())));
        }
        Ok(trial::Done::Request(object_of([("until", serde_json::Value::from(&output))])))
    }
}

impl CompiledKind for CompiledWait {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(self.wait(step, scope))
    }
}

impl CompiledWait {
    /// Waits until a time that is recorded when the step is first reached: in place if that is soon; otherwise the execution is deferred.
    async fn wait(&self, step: StepRun<'_>, scope: &Scope) -> Result<Done, ExecutionError> {
        let (state, execution) = (|| step.execution.state(), step.execution.execution);
        let begun = state().journal.output(step.path).and_then(|output| output.get("until").and_then(time_of));
        let now = UnixMillis::now();
        let until = match (begun, self) {
            (Some(until), _) => until,
            (None, Self::For(pause)) => now + *pause,
            (None, Self::Until(mapping)) => {
                let output = step.mapping("until", mapping, scope).await?;
                time_of(&output).ok_or_else(|| {
                    let message = format!("until: {NO_TIME} {}", shortened(&output.to_string(), 200));
                    ExecutionError::permanent(ErrorCode::Mapping, message)
                })?
            }
        };
        let output = Value::object([("until", time_value(until.to_micros()))]);
        let remaining = until.since(now);
        if remaining <= execution.max_wait_in_place {
            tokio::time::sleep(remaining).await;
            return Ok(Done::Output(output));
        }
        if !execution.may_be_deferred {
            let max = format_duration(execution.max_wait_in_place);
            let message = format!("wait: this execution keeps others waiting and may wait {max} at most; `call` an integration that waits");
            return Err(ExecutionError::permanent(ErrorCode::Limit, message));
        }
        if begun.is_none() {
            state().journal.add(step.path, &output, true);
        }
        Ok(Done::Ends(Flow::Wait(until)))
    }
}

/// Returns the time of a value: RFC 3339, or seconds of Unix time. `None`: it is not one.
fn time_of(value: &Value) -> Option<UnixMillis> {
    if let Some(text) = value.as_str() {
        return Some(UnixMillis::new(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    }
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite() && seconds.abs() < 1e11)?;
    Some(UnixMillis::new((seconds * 1000.0) as i64))
}
