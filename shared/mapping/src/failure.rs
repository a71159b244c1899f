//! Failures of mappings and runs. The caller adds the step or the part of the definition.

use crate::MappingError;
use forebay_contract::outcome::{ErrorCode, ExecutionError};

/// The execution reached its deadline.
pub fn deadline_reached() -> ExecutionError {
    ExecutionError::transient(
        ErrorCode::Timeout,
        "the execution did not end within its deadline; give its steps shorter timeouts, or do less in it",
    )
}

/// The worker cancelled the execution.
pub fn withdrawn() -> ExecutionError {
    ExecutionError::transient(
        ErrorCode::Crashed,
        "the worker stopped this execution before its end, since it lost its queue or was shutting down",
    )
}

/// Returns the failure of a mapping. `part` is its field, such as `when` or `headers.X-Site`; empty if the step's id is enough.
pub fn of_mapping(part: &str, error: MappingError) -> ExecutionError {
    let message = if part.is_empty() { error.to_string() } else { format!("{part}: {error}") };
    match error {
        MappingError::Time { .. } => ExecutionError::permanent(ErrorCode::Timeout, message),
        MappingError::Deadline => deadline_reached(),
        MappingError::Memory { .. } | MappingError::Stack | MappingError::Depth { .. } => {
            ExecutionError::permanent(ErrorCode::Limit, message)
        }
        MappingError::Cancelled => withdrawn(),
        MappingError::Internal { .. } => ExecutionError::permanent(ErrorCode::Internal, message),
        _ => ExecutionError::permanent(ErrorCode::Mapping, message),
    }
}
