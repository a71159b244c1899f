//! Moments of the whole calendar, from January 1, -9999 to December 31, 9999 in UTC.
//!
//! The moments of jiff end a day earlier on either side, so that every zone can represent them; but accounting systems write 9999-12-31 for
//! "no end".

use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const NANOSECONDS: i128 = 1_000_000_000;
/// Years after which the Gregorian calendar, and the rules of zones with it, repeat, including weekdays.
const CYCLE_YEARS: i16 = 400;
const CYCLE: i128 = 146_097 * 86_400 * NANOSECONDS;

/// The reason for which there is no such moment.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMoment {
    /// It is outside of the calendar.
    #[error("the time is not between the years -9999 and 9999")]
    Outside,
    /// An error of jiff.
    #[error(transparent)]
    Other(#[from] jiff::Error),
}

/// A moment, and the zone in which it is represented.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// Nanoseconds since 1970, in UTC.
    nanoseconds: i128,
    zone: TimeZone,
}

impl Moment {
    /// # Errors
    /// The moment is outside of the calendar in UTC.
    pub(super) fn new(nanoseconds: i128, zone: TimeZone) -> Result<Self, NoMoment> {
        civil(nanoseconds)?;
        Ok(Self { nanoseconds, zone })
    }

    /// Returns the moment of a local time in `zone`: the first one if it is ambiguous; in a gap it is moved by the length of the gap.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub(super) fn of_local(local: DateTime, zone: TimeZone) -> Result<Self, NoMoment> {
        let direct = zone.to_ambiguous_timestamp(local).compatible();
        let nanoseconds = match direct {
            Ok(moment) => moment.as_nanosecond(),
            Err(_) => {
                let (years, shift) = if local.year() > 0 { (-CYCLE_YEARS, CYCLE) } else { (CYCLE_YEARS, -CYCLE) };
                let near = local.with().year(local.year() + years).build()?;
                zone.to_ambiguous_timestamp(near).compatible()?.as_nanosecond() + shift
            }
        };
        Self::new(nanoseconds, zone)
    }

    pub(super) fn with_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Returns nanoseconds since 1970.
    pub(super) fn nanoseconds(&self) -> i128 {
        self.nanoseconds
    }

    /// Returns the time with its zone; `None` on the days at the edge of the calendar.
    pub(super) fn zoned(&self) -> Option<ZonedDateTime> {
        let moment = Timestamp::from_nanosecond(self.nanoseconds).ok()?;
        Some(moment.to_zoned_datetime(self.zone.clone()))
    }

    /// Returns the same moment 400 years nearer, if jiff does not have this one.
    fn near(&self) -> Result<Timestamp, NoMoment> {
        let shift = if self.nanoseconds > 0 { -CYCLE } else { CYCLE };
        let moment = Timestamp::from_nanosecond(self.nanoseconds).or_else(|_| Timestamp::from_nanosecond(self.nanoseconds + shift));
        Ok(moment?)
    }

    fn offset(&self) -> Result<Offset, NoMoment> {
        Ok(self.zone.to_offset(self.near()?))
    }

    /// Returns the time in UTC.
    pub(super) fn utc(&self) -> Result<DateTime, NoMoment> {
        civil(self.nanoseconds)
    }

    /// Returns the local time.
    ///
    /// # Errors
    /// The local time is outside of the calendar.
    pub(super) fn local(&self) -> Result<DateTime, NoMoment> {
        civil(self.nanoseconds + i128::from(self.offset()?.seconds()) * NANOSECONDS)
    }

    /// Returns RFC 3339 in UTC.
    pub(super) fn text(&self) -> Result<String, NoMoment> {
        Ok(format!("{}Z", self.utc()?))
    }

    /// Returns RFC 3339 with the offset of the zone.
    pub(super) fn local_text(&self) -> Result<String, NoMoment> {
        Ok(format!("{}{}", self.local()?, full(self.offset()?)))
    }

    /// Returns the text by a format of strftime, in the C locale.
    ///
    /// # Errors
    /// Those of [`Self::local`], an invalid format, and `%s` at the edge of the calendar.
    pub(super) fn format(&self, format: &str) -> Result<String, NoMoment> {
        let config = Config::new().custom(PosixCustom::new());
        let local = self.local()?;
        let mut parts = BrokenDownTime::from(&self.near()?.to_zoned_datetime(self.zone.clone()));
        if parts.year() != Some(local.year()) {
            if format.contains("%s") {
                return Err(NoMoment::Outside);
            }
            parts.set_year(Some(local.year()))?;
        }
        Ok(parts.to_string_with_config(&config, format)?)
    }

    /// Returns the moment of parsed parts; without an offset it is in `zone`, otherwise in UTC, and without a time it is midnight.
    pub(super) fn of_parts(parts: &BrokenDownTime, zone: Option<TimeZone>) -> Result<Self, NoMoment> {
        let shown = zone.clone().unwrap_or(TimeZone::UTC);
        if let Some(moment) = parts.timestamp() {
            return Self::new(moment.as_nanosecond(), shown);
        }
        if parts.iana_time_zone().is_some() {
            return Self::new(parts.to_timestamp()?.as_nanosecond(), shown);
        }
        let local = match parts.to_time() {
            Ok(time) => parts.to_date()?.to_datetime(time),
            Err(error) if parts.hour().is_some() || parts.minute().is_some() || parts.second().is_some() => return Err(error.into()),
            Err(_) => parts.to_date()?.to_datetime(jiff::civil::Time::midnight()),
        };
        match parts.offset() {
            Some(offset) => Ok(Self::of_local(local, TimeZone::fixed(offset))?.with_zone(shown)),
            None => Self::of_local(local, shown),
        }
    }
}

fn civil(nanoseconds: i128) -> Result<DateTime, NoMoment> {
    let seconds = i64::try_from(nanoseconds.div_euclid(NANOSECONDS)).map_err(|_| NoMoment::Outside)?;
    let rest = i32::try_from(nanoseconds.rem_euclid(NANOSECONDS)).map_err(|_| NoMoment::Outside)?;
    let since = SignedDuration::from_secs(seconds).checked_add(SignedDuration::from_nanos(rest.into())).ok_or(NoMoment::Outside)?;
    EPOCH.checked_add(since).map_err(|_| NoMoment::Outside)
}

/// Returns nanoseconds since 1970 of a time in UTC.
pub(super) fn since_epoch(utc: DateTime) -> i128 {
    utc.duration_since(EPOCH).as_nanos()
}

/// Returns `+02:00`, with seconds if there are any.
fn full(offset: Offset) -> String {
    let seconds = offset.seconds().abs();
    let sign = if offset.seconds() < 0 { '-' } else { '+' };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let seconds = if seconds == 0 { String::new() } else { format!(":{seconds:02}") };
    format!("{sign}{hours:02}:{minutes:02}{seconds}")
}
