//! The clock of records and envelopes.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds of Unix time; 0 for a clock before 1970.
#[must_use]
pub fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Shows a time in microseconds of Unix time to people: `2026-01-31T06:00:00Z`. Parts below a second are dropped.
#[must_use]
pub fn show_time(micros: i64) -> String {
    jiff::Timestamp::from_second(micros.div_euclid(1_000_000)).map_or_else(|_| "an unknown time".to_owned(), |time| time.to_string())
}
