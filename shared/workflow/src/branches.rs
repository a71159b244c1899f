//! Steps that hold steps: `switch`, `each`, `parallel`.

use crate::flow::{Done, Execution, Flow, Scope};
use crate::program::{CompiledBranch, CompiledEach, CompiledSwitch};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesOrdered;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum items of one loop: each is at least one step with its record.
const MAX_ITEMS: usize = 100_000;

impl Execution<'_> {
    /// The output is that of the last step that ran inside; null where none did.
    pub(crate) async fn switch(&self, switch: &CompiledSwitch, scope: &mut Scope) -> Result<Done, ExecutionError> {
        let mut chosen = &switch.default;
        for (index, case) in switch.cases.iter().enumerate() {
            if self.mapping(&format!("cases[{index}].when"), &case.when, scope).await?.is_truthy() {
                chosen = &case.steps;
                break;
            }
        }
        let before = scope.last.take();
        let flow = self.steps(chosen, scope).await;
        let output = std::mem::replace(&mut scope.last, before);
        Ok(match flow? {
            Flow::Next => Done::Output(output.unwrap_or(Value::NULL)),
            ends => Done::Ends(ends),
        })
    }

    /// Branches run at once in this execution's task. A failure waits for the other branches: what they do is not broken off.
    pub(crate) async fn parallel(&self, branches: &[CompiledBranch], scope: &mut Scope) -> Result<Done, ExecutionError> {
        let mut runs = Vec::with_capacity(branches.len());
        for branch in branches {
            let scope = Scope { context: scope.context.branch(), last: None, prefix: scope.prefix.clone() };
            runs.push(self.branch(branch, scope));
        }
        let ended = join_all(runs).await;
        let (mut outputs, mut ends) = (Vec::with_capacity(branches.len()), Flow::Next);
        for (branch, ended) in branches.iter().zip(ended) {
            let (flow, branch_scope) = ended?;
            ends = sooner(ends, flow);
            scope.context.join(branch_scope.context)?;
            outputs.push((branch.name.as_str(), branch_scope.last.unwrap_or(Value::NULL)));
        }
        Ok(match ends {
            Flow::Next => Done::Output(Value::object(outputs)),
            ends => Done::Ends(ends),
        })
    }

    async fn branch(&self, branch: &CompiledBranch, mut scope: Scope) -> Result<(Flow, Scope), ExecutionError> {
        let flow = self.steps(&branch.steps, &mut scope).await?;
        Ok((flow, scope))
    }

    /// At most so many items at once, collected in the list's order. After a failure no further item begins.
    pub(crate) async fn each(&self, each: &CompiledEach, scope: &mut Scope, path: &str) -> Result<Done, ExecutionError> {
        let list = self.mapping("in", &each.items, scope).await?;
        let Some(items) = list.as_array() else {
            let message = format!("in: the mapping must give a list, and gave {}; `// []` makes an empty one of null", list.kind());
            return Err(ExecutionError::permanent(ErrorCode::Mapping, message));
        };
        if items.len() > MAX_ITEMS {
            let message = format!("in: the list has {} items, more than {MAX_ITEMS}; take them in pages", items.len());
            return Err(ExecutionError::permanent(ErrorCode::Limit, message));
        }
        let has_failed = AtomicBool::new(false);
        let of = Loop { each, outer: scope, path, has_failed: &has_failed };
        let (mut running, mut ended) = (FuturesOrdered::new(), Vec::with_capacity(items.len()));
        let mut left = items.iter().enumerate();
        loop {
            while running.len() < each.parallel
                && let Some((index, item)) = left.next()
            {
                running.push_back(self.item(of, index, item.clone()));
            }
            let Some(item) = running.next().await else { break };
            ended.push(item);
        }
        let (mut outputs, mut ends) = (Vec::with_capacity(items.len()), Flow::Next);
        for ended in ended {
            let (flow, output) = ended?;
            ends = sooner(ends, flow);
            outputs.push(output);
        }
        Ok(match ends {
            Flow::Next => Done::Output(Value::array(outputs)),
            ends => Done::Ends(ends),
        })
    }

    async fn item(&self, of: Loop<'_>, index: usize, item: Value) -> Result<(Flow, Value), ExecutionError> {
        if of.has_failed.load(Ordering::Relaxed) {
            return Ok((Flow::Next, Value::NULL));
        }
        let ended = self.run_item(of, index, item).await;
        of.has_failed.fetch_or(ended.is_err(), Ordering::Relaxed);
        ended
    }

    async fn run_item(&self, of: Loop<'_>, index: usize, item: Value) -> Result<(Flow, Value), ExecutionError> {
        let mut context = of.outer.context.of_item(index, item.clone())?;
        self.note(&mut context, || "item".to_owned(), &item);
        self.note(&mut context, || "index".to_owned(), &Value::from(index));
        let mut scope = Scope { context, last: None, prefix: format!("{}[{index}]/", of.path) };
        let flow = self.steps(&of.each.steps, &mut scope).await;
        let output = match (&flow, &of.each.output) {
            (Ok(Flow::Next), Some(mapping)) => self.mapping("output", mapping, &scope).await,
            _ => Ok(scope.last.take().unwrap_or(Value::NULL)),
        };
        scope.context.release(&of.outer.context);
        Ok((flow?, output?))
    }
}

/// What the items of one loop share.
#[derive(Clone, Copy)]
struct Loop<'a> {
    each: &'a CompiledEach,
    outer: &'a Scope,
    path: &'a str,
    has_failed: &'a AtomicBool,
}

/// A stop ends the workflow, whatever waits; of two waits the earlier.
fn sooner(one: Flow, other: Flow) -> Flow {
    match (one, other) {
        (Flow::Stop, _) | (_, Flow::Stop) => Flow::Stop,
        (Flow::Wait(one), Flow::Wait(other)) => Flow::Wait(one.min(other)),
        (Flow::Next, other) => other,
        (one, Flow::Next) => one,
    }
}
