//! The `each` step: runs steps for each item of a list.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, within};
use crate::compiled::CompiledStep;
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::{Done, Flow};
use crate::trial::{self, Fault, Trial};
use forebay_contract::Name;
use forebay_contract::definition::Each;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Mapping, Paced, Value};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum items of one loop: each is at least one step with its record.
const MAX_ITEMS: usize = 100_000;

struct CompiledEach {
    items: Paced<Mapping>,
    parallel: usize,
    steps: Vec<CompiledStep>,
    output: Option<Paced<Mapping>>,
}

impl StepKind for Each {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let items = compiler.mapping(&format!("{path}.in"), &self.items);
        let steps = compiler.steps(&format!("{path}.steps"), &self.steps);
        let output = compiler.optional_mapping(&format!("{path}.output"), self.output.as_ref());
        Some(Box::new(CompiledEach { items: items?, parallel: self.parallel, steps, output: output? }))
    }

    /// Items of a trial run one after another.
    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let part = step.part;
        let items = scope.mapping(&format!("{part}.in"), &self.items)?;
        let Some(items) = items.as_array() else {
            return Err(Fault::of_output(&format!("{part}.in"), &self.items, &items, not_a_list(&items)));
        };
        let (mut outputs, mut ends) = (Vec::with_capacity(items.len()), trial::Flow::Next);
        for (index, item) in items.iter().enumerate() {
            let mut inner = scope.of_item(step.id, index, item.clone());
            if trial.steps(&format!("{part}.steps"), &self.steps, &mut inner)? == trial::Flow::Stop {
                ends = trial::Flow::Stop;
                continue;
            }
            outputs.push(match &self.output {
                Some(source) => inner.mapping(&format!("{part}.output"), source)?,
                None => inner.last.unwrap_or(Value::NULL),
            });
        }
        Ok(trial::Done::of(ends, Value::array(outputs)))
    }
}

fn not_a_list(value: &Value) -> String {
    format!("the mapping must give a list, and gave {}; `// []` makes an empty one of null", value.kind())
}

impl CompiledKind for CompiledEach {
    fn effect(&self) -> Effect {
        Effect::None
    }

    fn connection(&self) -> Option<&Name> {
        None
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(within(step.timeout, "each", ExecutionError::transient, self.each(step, scope)))
    }
}

impl CompiledEach {
    /// Runs at most `parallel` items in parallel. Outputs are in the list's order. After a failure no further item begins.
    async fn each(&self, step: StepRun<'_>, scope: &Scope) -> Result<Done, ExecutionError> {
        let list = step.mapping("in", &self.items, scope).await?;
        let Some(items) = list.as_array() else {
            return Err(ExecutionError::permanent(ErrorCode::Mapping, format!("in: {}", not_a_list(&list))));
        };
        if items.len() > MAX_ITEMS {
            let message = format!("in: the list has {} items, more than {MAX_ITEMS}; take them in pages", items.len());
            return Err(ExecutionError::permanent(ErrorCode::Limit, message));
        }
        let has_failed = AtomicBool::new(false);
        let of = Loop { each: self, step, outer: scope, has_failed: &has_failed };
        let (mut running, mut ended) = (FuturesOrdered::new(), Vec::with_capacity(items.len()));
        let mut remaining = items.iter().enumerate();
        loop {
            while running.len() < self.parallel
                && let Some((index, item)) = remaining.next()
            {
                running.push_back(of.item(index, item.clone()));
            }
            let Some(item) = running.next().await else { break };
            ended.push(item);
        }
        let (mut outputs, mut ends) = (Vec::with_capacity(items.len()), Flow::Next);
        for ended in ended {
            let (flow, output) = ended?;
            ends = ends.sooner(flow);
            outputs.push(output);
        }
        Ok(Done::of(ends, || Value::array(outputs)))
    }
}

/// The parts that the items of one loop share.
#[derive(Clone, Copy)]
struct Loop<'a> {
    each: &'a CompiledEach,
    step: StepRun<'a>,
    outer: &'a Scope,
    has_failed: &'a AtomicBool,
}

impl Loop<'_> {
    async fn item(self, index: usize, item: Value) -> Result<(Flow, Value), ExecutionError> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Ok((Flow::Next, Value::NULL));
        }
        let ended = self.run_item(index, item).await;
        self.has_failed.fetch_or(ended.is_err(), Ordering::Relaxed);
        ended
    }

    async fn run_item(self, index: usize, item: Value) -> Result<(Flow, Value), ExecutionError> {
        let execution = self.step.execution;
        let mut context = self.outer.context.of_item(index, item.clone())?;
        execution.note(&mut context, || "item".to_owned(), &item);
        execution.note(&mut context, || "index".to_owned(), &Value::from(index));
        let mut scope = Scope { context, last: None, prefix: format!("{}[{index}]/", self.step.path) };
        let flow = execution.steps(&self.each.steps, &mut scope).await;
        let output = match (&flow, &self.each.output) {
            (Ok(Flow::Next), Some(mapping)) => self.step.mapping("output", mapping, &scope).await,
            _ => Ok(scope.last.take().unwrap_or(Value::NULL)),
        };
        scope.context.release(&self.outer.context);
        Ok((flow?, output?))
    }
}
