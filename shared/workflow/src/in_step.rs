//! Adds the failed step or part of a definition to errors.

use forebay_contract::outcome::ExecutionError;

/// Sets the step or part of the definition in which the error happened, if it is not set yet.
pub(crate) trait InStep {
    fn in_step(self, step: &str) -> Self;
}

impl<T> InStep for Result<T, ExecutionError> {
    fn in_step(self, step: &str) -> Self {
        self.map_err(|error| error.in_step(step))
    }
}
