//! Points in time in records and messages: microseconds and milliseconds of Unix time.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in microseconds of Unix time. Arithmetic saturates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(i64);

/// A point in time, in milliseconds of Unix time. Arithmetic saturates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(i64);

impl UnixMicros {
    /// The latest time.
    pub const MAX: Self = Self(i64::MAX);

    /// Returns the time at this number of microseconds.
    #[must_use]
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the number of microseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns the time of this machine's clock; 1970 for a clock before it.
    #[must_use]
    pub fn now() -> Self {
        Self(micros_of(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// Returns the millisecond that contains this time.
    #[must_use]
    pub const fn to_millis(self) -> UnixMillis {
        UnixMillis(self.0.div_euclid(1000))
    }

    /// Returns the first millisecond that is not before this time.
    #[must_use]
    pub fn to_next_millis(self) -> UnixMillis {
        UnixMillis(self.0.div_euclid(1000) + i64::from(self.0.rem_euclid(1000) != 0))
    }

    /// Returns the begin of the second that contains this time.
    #[must_use]
    pub const fn to_second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(1_000_000)))
    }

    /// Returns the time as RFC 3339 in UTC, with as many digits of the second as needed: `2026-01-31T06:00:00.5Z`. Empty for a time after
    /// the year 9999.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0).map(|time| time.to_string()).unwrap_or_default()
    }
}

impl UnixMillis {
    /// Returns the time at this number of milliseconds.
    #[must_use]
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the number of milliseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns the time of this machine's clock; 1970 for a clock before it.
    #[must_use]
    pub fn now() -> Self {
        UnixMicros::now().to_millis()
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// Returns the same time in microseconds.
    #[must_use]
    pub const fn to_micros(self) -> UnixMicros {
        UnixMicros(self.0.saturating_mul(1000))
    }

    /// Returns the time as RFC 3339, as [`UnixMicros::rfc3339`] does.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.to_micros().rfc3339()
    }
}

impl Add<Duration> for UnixMicros {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(time)))
    }
}

impl Sub<Duration> for UnixMicros {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(time)))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(time)))
    }
}

impl Sub<Duration> for UnixMillis {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(time)))
    }
}

fn micros_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn millis_of(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_time_is_shown_as_rfc_3339_with_the_digits_that_it_has() {
        let time = UnixMicros::new(1_500_000);
        assert_eq!(time.rfc3339(), "1970-01-01T00:00:01.5Z");
        assert_eq!(time.to_second().rfc3339(), "1970-01-01T00:00:01Z");
        assert_eq!(UnixMicros::new(-1).to_second().rfc3339(), "1969-12-31T23:59:59Z");
        assert_eq!(UnixMillis::new(1).rfc3339(), "1970-01-01T00:00:00.001Z");
        assert_eq!((UnixMicros::MAX.rfc3339(), UnixMicros::MAX.to_second().rfc3339()), (String::new(), String::new()));
    }

    #[test]
    fn arithmetic_saturates() {
        let time = UnixMicros::new(5);
        assert_eq!((time + HOUR).since(time), HOUR);
        assert_eq!(time.since(time + HOUR), Duration::ZERO);
        assert_eq!((time - HOUR) + HOUR, time);
        assert_eq!(UnixMicros::MAX + HOUR, UnixMicros::MAX);
        assert_eq!(time + Duration::MAX, UnixMicros::MAX);
        assert_eq!((UnixMillis::new(5) + HOUR).since(UnixMillis::new(5)), HOUR);
    }

    #[test]
    fn a_millisecond_contains_its_microseconds() {
        let millis = |micros: i64| (UnixMicros::new(micros).to_millis().get(), UnixMicros::new(micros).to_next_millis().get());
        assert_eq!([1999, 2000, 2001, -1].map(millis), [(1, 2), (2, 2), (2, 3), (-1, 0)]);
        assert_eq!(UnixMillis::new(2).to_micros(), UnixMicros::new(2000));
    }

    #[test]
    fn a_time_is_a_number_in_json() {
        assert_eq!(serde_json::to_string(&UnixMicros::new(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<UnixMillis>("-7").unwrap(), UnixMillis::new(-7));
    }
}
