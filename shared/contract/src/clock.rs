//! The clock of records and envelopes.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds of Unix time; 0 for a clock before 1970.
#[must_use]
pub fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
