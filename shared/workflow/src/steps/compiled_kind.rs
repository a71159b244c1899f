//! A compiled step.

use super::StepRun;
use crate::execution::Scope;
use crate::flow::Done;
use forebay_contract::Name;
use forebay_contract::outcome::ExecutionError;
use std::pin::Pin;

/// A compiled step. No method has a default: a kind does not compile until it has an effect.
pub(crate) trait CompiledKind: Send + Sync {
    /// Returns the effect of a repetition.
    fn effect(&self) -> Effect;

    /// Returns the connection that it uses. The step's errors do not contain its secrets.
    fn connection(&self) -> Option<&Name>;

    /// Makes one attempt.
    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r>;
}

/// One attempt of a step.
pub(crate) type StepFuture<'r> = Pin<Box<dyn Future<Output = Result<Done, ExecutionError>> + Send + 'r>>;

/// The effect of a repetition of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It returns the same output again, or it only has nested steps.
    None,
    /// It may return another output: the output comes from outside, so it is stored.
    Reads,
    /// It repeats an effect: stored outputs are made durable before it begins, and its own output is stored.
    Writes,
}

impl Effect {
    /// Returns true if the output comes from outside, so that it is stored.
    pub(crate) fn reaches_out(self) -> bool {
        self != Self::None
    }
}
