//! The `stop` step: ends the workflow.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::{Done, Flow};
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Stop;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Encoding, Paced, Template};

struct CompiledStop {
    error: Option<Paced<Template>>,
}

impl StepKind for Stop {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let error = compiler.optional_template(&format!("{path}.error"), self.error.as_ref(), Encoding::None)?;
        Some(Box::new(CompiledStop { error }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let Some(error) = &self.error else { return Ok(trial::Done::Stops) };
        let part = format!("{}.error", step.part);
        Err(Fault::at(&part, error, None, scope.template(&part, error, Encoding::None)?))
    }
}

impl CompiledKind for CompiledStop {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move {
            match &self.error {
                None => Ok(Done::Ends(Flow::Stop)),
                Some(message) => Err(ExecutionError::permanent(ErrorCode::Refused, step.template("error", message, scope).await?)),
            }
        })
    }
}
