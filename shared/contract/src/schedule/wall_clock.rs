//! Conversion between the local time of a time zone and real time, across the changes of daylight saving time.

use super::cron::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

impl Cron {
    /// Returns the first due time after `millis`, in milliseconds of Unix time; `None` after the year 9999.
    pub(super) fn next_after(&self, millis: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(millis.max(Timestamp::MIN.as_millisecond())).ok()?;
        let due = if self.is_interval() { self.next_by_real_time(after) } else { self.next_by_the_wall(after) };
        due.map(Timestamp::as_millisecond)
    }

    /// Between two changes, local time runs like real time, so each such period is searched separately.
    fn next_by_real_time(&self, after: Timestamp) -> Option<Timestamp> {
        // A period begins at its change, which may itself be due.
        let mut begin = after.checked_add(jiff::SignedDuration::from_millis(1)).ok()?;
        loop {
            let offset = self.zone.to_offset(begin);
            let end = self.zone.following(begin).next().map(|change| change.timestamp());
            let due = self.next_on_the_wall(offset.to_datetime(begin))?;
            match (offset.to_timestamp(due).ok()?, end) {
                (due, Some(end)) if due >= end => begin = end,
                (due, _) => return Some(due),
            }
        }
    }

    /// Later local times are never earlier in real time, if those in a gap are moved to its end and repeated ones are used the first time.
    /// So the first one that is late enough is the result.
    fn next_by_the_wall(&self, after: Timestamp) -> Option<Timestamp> {
        let mut wall = self.zone.to_datetime(after);
        loop {
            let fitting = self.next_on_the_wall(wall)?;
            let due = real_time(&self.zone, fitting)?;
            if due > after {
                return Some(due);
            }
            wall = fitting.checked_add(jiff::Span::new().minutes(1)).ok()?;
        }
    }
}

/// Returns the real time of a local time: the first one if it is repeated, the first moment after the gap if it is skipped.
fn real_time(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // With the offset after the change, a skipped time is before the change.
            let before_the_change = after.to_timestamp(wall).ok()?;
            zone.following(before_the_change).next().map(|change| change.timestamp())
        }
    }
}
