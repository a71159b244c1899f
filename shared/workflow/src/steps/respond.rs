//! The `respond` step: sends the response to the caller while the workflow continues.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::respond::{self, CompiledRespond, ResponseInput};
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Respond;
use forebay_mapping::Value;
use serde_json::json;

impl StepKind for Respond {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        compiler.respond(path, self).map(|respond| Box::new(respond) as _)
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let response = trial::response(step.part, Some(self), scope)?;
        let output = Value::from(&json!({ "status": response["status"] }));
        trial.set_early_response(response);
        Ok(trial::Done::Output(output))
    }
}

impl CompiledKind for CompiledRespond {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move {
            let max_bytes = step.engine().options().answer_bytes;
            let input = ResponseInput { context: &scope.context, last_output: scope.last.as_ref(), max_bytes };
            let response = respond::response(Some(self), input, step.budget()).await?;
            let output = Value::object([("status", Value::from(i64::from(response.status)))]);
            step.host().answer(&response);
            step.execution.state().early_response = Some(response);
            Ok(Done::Output(output))
        })
    }
}
