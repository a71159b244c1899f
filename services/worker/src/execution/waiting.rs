//! The state of an execution that waits for its next attempt, as the history shows it.

use forebay_contract::outcome::ExecutionError;
use forebay_contract::{UnixMicros, show_duration};
use forebay_workflow::asked_for;
use std::fmt::Write;
use std::time::Duration;

/// Replaces an error message that may contain hidden fields: they are known only when the whole execution is recorded.
const MESSAGE_IS_HIDDEN: &str = "told when the execution has ended, since its definition hides fields";

/// Returns the failure as the history shows it until the next attempt, which begins after `wait`: why the execution waits, and until when.
/// `pause` is the pause of its retry policy.
pub(super) fn waiting(error: &ExecutionError, is_hidden: bool, pause: Duration, wait: Duration) -> ExecutionError {
    let mut message = if is_hidden { MESSAGE_IS_HIDDEN.to_owned() } else { error.message.clone() };
    if error.retry_after == Some(pause) {
        let _ = write!(message, "; {}", asked_for(pause));
    }
    let at = (UnixMicros::now() + wait).to_second().rfc3339();
    let _ = write!(message, "; the next attempt begins after {}, at {}", show_duration(wait), at);
    ExecutionError { message, ..error.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::outcome::ErrorCode;

    #[test]
    fn a_failure_that_waits_says_why_and_until_when_and_hides_what_is_hidden() {
        let (minutes, wait) = (|minutes: u64| Duration::from_secs(minutes * 60), Duration::from_secs(120));
        let error = ExecutionError::transient(ErrorCode::Remote, "it answered 503");
        let shown = waiting(&error, false, minutes(1), wait).message;
        let (reason, at) = shown.split_once("; the next attempt begins after 2 min, at ").unwrap();
        assert_eq!((reason, at.len()), ("it answered 503", "2026-01-31T06:00:00Z".len()));
        let requested = ExecutionError { retry_after: Some(minutes(1)), ..error };
        let shown = waiting(&requested, true, minutes(1), wait).message;
        assert!(
            shown.starts_with(MESSAGE_IS_HIDDEN) && shown.contains("for 1 min (Retry-After); the next") && !shown.contains("503"),
            "{shown}"
        );
        assert!(!waiting(&requested, false, minutes(2), wait).message.contains("Retry-After"), "its own backoff is longer");
    }
}
