//! Failures as they are made within a run: the place (step or part of the definition) is added by who knows it.

use crate::mapping::MappingError;
use forebay_contract::outcome::{ErrorCode, ExecutionError};

/// A failure that the same input meets again.
pub(crate) fn permanent(code: ErrorCode, message: impl Into<String>) -> ExecutionError {
    ExecutionError::permanent(code, message)
}

/// A failure that another attempt may not meet.
pub(crate) fn transient(code: ErrorCode, message: impl Into<String>) -> ExecutionError {
    ExecutionError::transient(code, message)
}

/// The whole execution ran into its deadline.
pub(crate) fn deadline_reached() -> ExecutionError {
    transient(ErrorCode::Timeout, "the execution did not end within its deadline; give its steps shorter timeouts, or do less in it")
}

/// The worker withdrew the execution.
pub(crate) fn withdrawn() -> ExecutionError {
    transient(ErrorCode::Crashed, "the worker stopped this execution before its end, since it lost its queue or was shutting down")
}

/// A panic: a defect of Forebay, kept to the execution that met it.
pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> ExecutionError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "a panic without a text".to_owned());
    tracing::error!(panic = text, "a panic in a workflow");
    permanent(ErrorCode::Internal, "a defect in Forebay stopped this execution; please report it with the worker's log")
}

/// `part` is what the mapping is for, such as `when` or `headers.X-Site`; empty where the step's id says it all.
pub(crate) fn of_mapping(part: &str, error: MappingError) -> ExecutionError {
    let message = if part.is_empty() { error.to_string() } else { format!("{part}: {error}") };
    match error {
        MappingError::Time { .. } => permanent(ErrorCode::Timeout, message),
        MappingError::Deadline => deadline_reached(),
        MappingError::Memory { .. } | MappingError::Stack | MappingError::Depth { .. } => permanent(ErrorCode::Limit, message),
        MappingError::Cancelled => withdrawn(),
        MappingError::Internal { .. } => permanent(ErrorCode::Internal, message),
        _ => permanent(ErrorCode::Mapping, message),
    }
}

/// Names the step or part of the definition in which it happened, where that is not known yet.
pub(crate) trait InStep {
    fn in_step(self, step: &str) -> Self;
}

impl<T> InStep for Result<T, ExecutionError> {
    fn in_step(self, step: &str) -> Self {
        self.map_err(|error| error.in_step(step))
    }
}
