//! Times of responses.

use forebay_contract::UnixMicros;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A time in UTC (RFC 3339), such as `2026-11-24T20:00:00.5Z`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(format = DateTime)]
pub struct Time(String);

impl From<UnixMicros> for Time {
    fn from(time: UnixMicros) -> Self {
        Self(time.rfc3339())
    }
}

impl Time {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time to the second: what is below it is dropped.
    #[must_use]
    pub fn to_second(&self) -> String {
        match self.0.split_once('.') {
            Some((second, _)) => format!("{second}Z"),
            None => self.0.clone(),
        }
    }

    /// The time as a timestamp; `None` where the text is not a time.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_to_the_second() {
        let time = Time::from(UnixMicros::new(1_500_000));
        assert_eq!((time.as_str(), time.to_second().as_str()), ("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:01Z"));
        assert_eq!(time.timestamp().map(|time| time.as_millisecond()), Some(1500));
        assert_eq!(Time::from(UnixMicros::new(2_000_000)).to_second(), "1970-01-01T00:00:02Z");
    }
}
