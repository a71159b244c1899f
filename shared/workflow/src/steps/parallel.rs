//! The `parallel` step: runs branches in parallel and joins them.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, within};
use crate::compiled::CompiledStep;
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::{Done, Flow};
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Parallel;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::Value;
use futures_util::future::join_all;

struct CompiledParallel(Vec<CompiledBranch>);

struct CompiledBranch {
    name: String,
    steps: Vec<CompiledStep>,
}

impl StepKind for Parallel {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let compiled = self.branches.iter().map(|branch| {
            let steps = compiler.steps(&format!("{path}.{}", branch.name), &branch.steps);
            CompiledBranch { name: branch.name.clone(), steps }
        });
        Some(Box::new(CompiledParallel(compiled.collect())))
    }

    /// Branches of a trial run one after another.
    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let (mut outputs, mut ends, mut inner) = (Vec::with_capacity(self.branches.len()), trial::Flow::Next, Vec::new());
        for branch in &self.branches {
            let mut scope = trial::Scope { last: None, ..scope.clone() };
            if trial.steps(&format!("{}.{}", step.part, branch.name), &branch.steps, &mut scope)? == trial::Flow::Stop {
                ends = trial::Flow::Stop;
            }
            outputs.push((branch.name.clone(), scope.last.unwrap_or(Value::NULL)));
            inner.extend(scope.steps);
        }
        inner.into_iter().for_each(|(id, output)| scope.add_step(&id, output));
        Ok(trial::Done::of(ends, Value::object(outputs)))
    }
}

impl CompiledKind for CompiledParallel {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(within(step.timeout, "parallel", ExecutionError::transient, self.join(step, scope)))
    }
}

impl CompiledParallel {
    /// Runs branches in parallel in this execution's task. After a failure the other branches still run to their ends.
    async fn join(&self, step: StepRun<'_>, scope: &mut Scope) -> Result<Done, ExecutionError> {
        let mut runs = Vec::with_capacity(self.0.len());
        for branch in &self.0 {
            let scope = Scope { context: scope.context.branch(), last: None, prefix: scope.prefix.clone() };
            runs.push(branch.run(step, scope));
        }
        let ended = join_all(runs).await;
        let (mut outputs, mut ends) = (Vec::with_capacity(self.0.len()), Flow::Next);
        for (branch, ended) in self.0.iter().zip(ended) {
            let (flow, branch_scope) = ended?;
            ends = ends.sooner(flow);
            scope.context.join(branch_scope.context)?;
            outputs.push((branch.name.as_str(), branch_scope.last.unwrap_or(Value::NULL)));
        }
        Ok(Done::of(ends, || Value::object(outputs)))
    }
}

impl CompiledBranch {
    async fn run(&self, step: StepRun<'_>, mut scope: Scope) -> Result<(Flow, Scope), ExecutionError> {
        let flow = step.execution.steps(&self.steps, &mut scope).await?;
        Ok((flow, scope))
    }
}
