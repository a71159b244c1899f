//! Failures as they are made within a run: the place (step or part of the definition) is added by who knows it.

use crate::MappingError;
use forebay_contract::outcome::{ErrorCode, ExecutionError};

/// A failure that the same input meets again.
pub fn permanent(code: ErrorCode, message: impl Into<String>) -> ExecutionError {
    ExecutionError::permanent(code, message)
}

/// A failure that another attempt may not meet.
pub fn transient(code: ErrorCode, message: impl Into<String>) -> ExecutionError {
    ExecutionError::transient(code, message)
}

/// The whole execution ran into its deadline.
pub fn deadline_reached() -> ExecutionError {
    transient(ErrorCode::Timeout, "the execution did not end within its deadline; give its steps shorter timeouts, or do less in it")
}

/// The worker withdrew the execution.
pub fn withdrawn() -> ExecutionError {
    transient(ErrorCode::Crashed, "the worker stopped this execution before its end, since it lost its queue or was shutting down")
}

/// `part` is what the mapping is for, such as `when` or `headers.X-Site`; empty where the step's id says it all.
pub fn of_mapping(part: &str, error: MappingError) -> ExecutionError {
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
