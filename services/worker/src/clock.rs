//! The clock of records.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds of Unix time.
pub(crate) fn now_micros() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
