//! Due times of schedules. No clock is read here: results depend only on the given times, and are the same on every machine.

mod cron;
mod field;
#[cfg(test)]
mod tests;
mod wall_clock;

pub use cron::Cron;

use crate::duration::format_duration;
use crate::unix_time::UnixMillis;
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// The times at which runs are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// `starting` and every multiple of `every` after it, in real time: independent of time zones and daylight saving time.
    Every {
        /// The interval, at least a second.
        every: Duration,
        /// The first due time.
        starting: UnixMillis,
    },
    /// The times at which the clock of a time zone matches an expression.
    Cron(Cron),
}

/// Length of the first part of the past in which due times are searched; each further part is twice as long.
const FIRST_PART: Duration = Duration::from_secs(3600);

impl Timing {
    /// Creates an interval. `starting` is RFC 3339; absent: the epoch, so that runs are at multiples of `every`.
    ///
    /// # Errors
    /// A `starting` that is not a time.
    pub fn every(every: Duration, starting: Option<&str>) -> Result<Self, String> {
        let starting = match starting {
            None => UnixMillis::default(),
            Some(text) => {
                let time: Result<Timestamp, _> = text.parse();
                let time = time.map_err(|_| format!("must be a time such as 2026-12-01T06:00:00Z, not '{text}'"))?;
                UnixMillis::new(time.as_millisecond())
            }
        };
        Ok(Self::Every { every, starting })
    }

    /// Creates a cron expression in a time zone; see [`Cron`] for the rules.
    ///
    /// # Errors
    /// The field that is wrong (`cron` or `timezone`), the problem, and the allowed values.
    pub fn cron(expression: &str, timezone: &str) -> Result<Self, (&'static str, String)> {
        Cron::new(expression, timezone).map(Self::Cron)
    }

    /// Returns the first due time after `time`; `None` past the year 9999.
    #[must_use]
    pub fn next_after(&self, time: UnixMillis) -> Option<UnixMillis> {
        let due = match self {
            Self::Every { every, starting } => next_of_every(period(*every), starting.get(), time.get()),
            Self::Cron(cron) => cron.next_after(time.get()),
        };
        due.map(UnixMillis::new)
    }

    /// Returns the latest due times from `from` to `to`, both included, the oldest first, at most `max`. The cost depends on `max`, not on
    /// the distance.
    #[must_use]
    pub fn latest(&self, from: UnixMillis, to: UnixMillis, max: usize) -> Vec<UnixMillis> {
        let mut part = FIRST_PART;
        loop {
            let begin = (to - part).max(from);
            let mut found = Vec::new();
            let mut at = begin - Duration::from_millis(1);
            while let Some(due) = self.next_after(at).filter(|due| *due <= to) {
                found.push(due);
                at = due;
            }
            if found.len() >= max || begin <= from {
                return found.split_off(found.len().saturating_sub(max));
            }
            part = part.saturating_mul(2);
        }
    }

    /// Returns the time zone for showing its times: that of the expression, or `UTC`.
    #[must_use]
    pub fn timezone(&self) -> &str {
        match self {
            Self::Every { .. } => "UTC",
            Self::Cron(cron) => cron.timezone(),
        }
    }

    /// Returns a due time as RFC 3339 in the time zone of [`Timing::timezone`], with its offset; empty for a time outside of the calendar.
    #[must_use]
    pub fn on_its_clock(&self, time: UnixMillis) -> String {
        let Ok(time) = Timestamp::from_millisecond(time.get()) else { return String::new() };
        match self {
            Self::Every { .. } => time.to_string(),
            Self::Cron(cron) => cron.on_its_clock(time),
        }
    }
}

/// The text for listings. The store also uses it to recognize a timing: equal texts are equal timings.
impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { every, starting } if *starting == UnixMillis::default() => write!(f, "every {}", format_duration(*every)),
            Self::Every { every, starting } => write!(f, "every {} from {}", format_duration(*every), self.on_its_clock(*starting)),
            Self::Cron(cron) => write!(f, "{} in {}", cron.expression(), cron.timezone()),
        }
    }
}

fn period(every: Duration) -> i64 {
    i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn next_of_every(period: i64, starting: i64, millis: i64) -> Option<i64> {
    if millis < starting {
        return Some(starting);
    }
    let begun = millis.checked_sub(starting)? / period + 1;
    let due = begun.checked_mul(period)?.checked_add(starting)?;
    Timestamp::from_millisecond(due).ok().map(|_| due)
}
