//! A kind of step in definitions.

use super::CompiledKind;
use crate::compiler::Compiler;
use crate::trial::{self, Fault, Trial};

/// A kind of step in definitions.
pub(crate) trait StepKind {
    /// Compiles the mappings and templates. `path` is that of the kind's field, such as `steps[1].http`. `None`: problems were added.
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>>;

    /// Runs the step in a trial. A step that uses a remote system is not run: its request is rendered.
    ///
    /// # Errors
    /// The mapping or template that failed.
    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, trial: &mut Trial<'_>) -> Result<trial::Done, Fault>;
}

/// A step of a trial.
#[derive(Clone, Copy)]
pub(crate) struct TrialStep<'a> {
    /// The path of the kind's field, such as `steps[1].http`.
    pub part: &'a str,
    pub id: &'a str,
}
