//! Which step or part of a definition failed.

use forebay_contract::outcome::ExecutionError;

/// Names the step or part of the definition in which it happened, where that is not known yet.
pub(crate) trait InStep {
    fn in_step(self, step: &str) -> Self;
}

impl<T> InStep for Result<T, ExecutionError> {
    fn in_step(self, step: &str) -> Self {
        self.map_err(|error| error.in_step(step))
    }
}
