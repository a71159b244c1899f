//! The `set` step: computes a value.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, within};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Set;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::{Mapping, Paced};

struct CompiledSet(Paced<Mapping>);

impl StepKind for Set {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        compiler.mapping(path, &self.source).map(|mapping| Box::new(CompiledSet(mapping)) as _)
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        scope.mapping(step.part, &self.source).map(trial::Done::Output)
    }
}

impl CompiledKind for CompiledSet {
    fn effect(&self) -> Effect {
        // The time and random numbers also come from outside.
        if self.0.program().is_deterministic() { Effect::None } else { Effect::Reads }
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move {
            let output = step.mapping("set", &self.0, scope);
            within(step.timeout, "set", ExecutionError::permanent, output).await.map(Done::Output)
        })
    }
}
