//! The `assert` step: fails, without retries, unless its mapping returns true.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, shortened, within};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Assertion;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Encoding, Mapping, Paced, Template};

struct CompiledAssertion {
    that: Paced<Mapping>,
    message: Option<Paced<Template>>,
}

impl StepKind for Assertion {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let that = compiler.mapping(path, &self.that);
        let message = compiler.optional_template(&format!("{path}.message"), self.message.as_ref(), Encoding::None);
        Some(Box::new(CompiledAssertion { that: that?, message: message? }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let part = format!("{}.that", step.part);
        let output = scope.mapping(&part, &self.that)?;
        if output.as_bool() == Some(true) {
            return Ok(trial::Done::Output(output));
        }
        let message = match &self.message {
            Some(source) => scope.template(&format!("{}.message", step.part), source, Encoding::None)?,
            None => format!("the mapping must give true, and gave {output}"),
        };
        Err(Fault::of_output(&part, &self.that, &output, message))
    }
}

impl CompiledKind for CompiledAssertion {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(within(step.timeout, "assert", ExecutionError::permanent, self.holds(step, scope)))
    }
}

impl CompiledAssertion {
    async fn holds(&self, step: StepRun<'_>, scope: &Scope) -> Result<Done, ExecutionError> {
        let output = step.mapping("assert", &self.that, scope).await?;
        if output.as_bool() == Some(true) {
            return Ok(Done::Output(output));
        }
        let message = match &self.message {
            Some(message) => step.template("message", message, scope).await?,
            None => format!("assert: the mapping must give true, and gave {}", shortened(&output.to_string(), 200)),
        };
        Err(ExecutionError::permanent(ErrorCode::Refused, message))
    }
}
