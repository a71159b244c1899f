//! The `switch` step: runs the steps of the first case whose condition is true.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, within};
use crate::compiled::CompiledStep;
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Switch;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::{Mapping, Paced, Value};

struct CompiledSwitch {
    cases: Vec<CompiledCase>,
    default: Vec<CompiledStep>,
}

struct CompiledCase {
    when: Paced<Mapping>,
    steps: Vec<CompiledStep>,
}

impl StepKind for Switch {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let mut cases = Vec::with_capacity(self.cases.len());
        for (index, case) in self.cases.iter().enumerate() {
            let when = compiler.mapping(&format!("{path}.cases[{index}].when"), &case.when);
            let steps = compiler.steps(&format!("{path}.cases[{index}].steps"), &case.steps);
            cases.extend(when.map(|when| CompiledCase { when, steps }));
        }
        let default = compiler.steps(&format!("{path}.default"), &self.default);
        Some(Box::new(CompiledSwitch { cases, default }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let part = step.part;
        let (mut path, mut chosen) = (format!("{part}.default"), &self.default);
        for (index, case) in self.cases.iter().enumerate() {
            if scope.mapping(&format!("{part}.cases[{index}].when"), &case.when)?.is_truthy() {
                (path, chosen) = (format!("{part}.cases[{index}].steps"), &case.steps);
                break;
            }
        }
        let before = scope.last.take();
        let flow = trial.steps(&path, chosen, scope)?;
        let output = std::mem::replace(&mut scope.last, before);
        Ok(trial::Done::of(flow, output.unwrap_or(Value::NULL)))
    }
}

impl CompiledKind for CompiledSwitch {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(within(step.timeout, "switch", ExecutionError::transient, self.choose(step, scope)))
    }
}

impl CompiledSwitch {
    /// Runs a case. The output is that of the last nested step that ran; null if none did.
    async fn choose(&self, step: StepRun<'_>, scope: &mut Scope) -> Result<Done, ExecutionError> {
        let mut chosen = &self.default;
        for (index, case) in self.cases.iter().enumerate() {
            if step.mapping(&format!("cases[{index}].when"), &case.when, scope).await?.is_truthy() {
                chosen = &case.steps;
                break;
            }
        }
        let before = scope.last.take();
        let flow = step.execution.steps(chosen, scope).await;
        let output = std::mem::replace(&mut scope.last, before);
        Ok(Done::of(flow?, || output.unwrap_or(Value::NULL)))
    }
}
