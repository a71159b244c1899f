//! When a schedule's runs are due. No clock is read here: times come in, due times go out, the same on every machine.

mod cron;
mod field;
#[cfg(test)]
mod tests;
mod wall_clock;

pub use cron::Cron;

use crate::duration::format_duration;
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// When runs are due. Times are milliseconds of Unix time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// At `starting` and every `every` after it, in real time: no time zone and no daylight saving time moves it.
    Every {
        /// At least a second.
        every: Duration,
        /// The first due time.
        starting: i64,
    },
    /// When the clock of a time zone fits an expression.
    Cron(Cron),
}

/// Of a search backwards for due times: so far first, then twice as far each time.
const FIRST_LOOK_BACK: i64 = 3_600_000;

impl Timing {
    /// `starting` is RFC 3339; absent: the epoch, so that runs fall on whole multiples of `every`.
    ///
    /// # Errors
    /// A `starting` that is no time.
    pub fn every(every: Duration, starting: Option<&str>) -> Result<Self, String> {
        let starting = match starting {
            None => 0,
            Some(text) => {
                let time: Result<Timestamp, _> = text.parse();
                time.map_err(|_| format!("must be a time such as 2026-12-01T06:00:00Z, not '{text}'"))?.as_millisecond()
            }
        };
        Ok(Self::Every { every, starting })
    }

    /// A cron expression in a time zone; [`Cron`] states the rules.
    ///
    /// # Errors
    /// The field that is wrong (`cron` or `timezone`), and what is wrong and allowed there.
    pub fn cron(expression: &str, timezone: &str) -> Result<Self, (&'static str, String)> {
        Cron::new(expression, timezone).map(Self::Cron)
    }

    /// The first due time after `millis`; `None` past the year 9999.
    #[must_use]
    pub fn next_after(&self, millis: i64) -> Option<i64> {
        match self {
            Self::Every { every, starting } => next_of_every(period(*every), *starting, millis),
            Self::Cron(cron) => cron.next_after(millis),
        }
    }

    /// The latest `most` due times from `from` to `to`, both included, the oldest first. Costs time by `most`, not by the distance.
    #[must_use]
    pub fn latest(&self, from: i64, to: i64, most: usize) -> Vec<i64> {
        let mut look_back = FIRST_LOOK_BACK;
        loop {
            let begin = to.saturating_sub(look_back).max(from);
            let mut found = Vec::new();
            let mut at = begin.saturating_sub(1);
            while let Some(due) = self.next_after(at).filter(|due| *due <= to) {
                found.push(due);
                at = due;
            }
            if found.len() >= most || begin <= from {
                return found.split_off(found.len().saturating_sub(most));
            }
            look_back = look_back.saturating_mul(2);
        }
    }

    /// The zone in which its times are best shown: the expression's, `UTC` for real time.
    #[must_use]
    pub fn timezone(&self) -> &str {
        match self {
            Self::Every { .. } => "UTC",
            Self::Cron(cron) => cron.timezone(),
        }
    }

    /// A due time as RFC 3339 on the clock of [`Timing::timezone`], with its offset; empty for a time that no calendar has.
    #[must_use]
    pub fn on_its_clock(&self, millis: i64) -> String {
        let Ok(time) = Timestamp::from_millisecond(millis) else { return String::new() };
        match self {
            Self::Every { .. } => time.to_string(),
            Self::Cron(cron) => cron.on_its_clock(time),
        }
    }
}

/// Equal texts are equal timings: the store keeps a schedule's place by it. Also what people read in listings.
impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { every, starting: 0 } => write!(f, "every {}", format_duration(*every)),
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
