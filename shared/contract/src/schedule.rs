//! When a schedule's runs are due.

use std::time::Duration;

/// When runs are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// At `starting` and every `every` after it.
    Every {
        /// At least a second.
        every: Duration,
        /// Milliseconds of Unix time.
        starting: i64,
    },
    /// When the clock of a time zone fits an expression.
    Cron {
        /// Five fields: minute, hour, day of month, month, day of week.
        expression: String,
        /// IANA name, such as `Europe/Stockholm`.
        timezone: String,
    },
}

impl Timing {
    /// `starting` is RFC 3339; absent: the epoch, so that runs fall on whole multiples of `every`.
    ///
    /// # Errors
    /// A `starting` that is no time.
    pub fn every(every: Duration, starting: Option<&str>) -> Result<Self, String> {
        let starting = match starting {
            None => 0,
            Some(text) => {
                let time: Result<jiff::Timestamp, _> = text.parse();
                time.map_err(|_| format!("must be a time such as 2026-12-01T06:00:00Z, not '{text}'"))?.as_millisecond()
            }
        };
        Ok(Self::Every { every, starting })
    }

    /// A cron expression in a time zone.
    ///
    /// # Errors
    /// The field that is wrong (`cron` or `timezone`), and why.
    pub fn cron(expression: &str, timezone: &str) -> Result<Self, (&'static str, String)> {
        Ok(Self::Cron { expression: expression.to_owned(), timezone: timezone.to_owned() })
    }
}
