//! Cron expressions in a time zone, in local time. `wall_clock` converts them to real time.

use super::field::{Field, KINDS};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The time zones of this program, not of the machine, so that every process and every test has the same due times.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
/// Years after which every day of the year was on every day of the week, including a century without a leap day such as 2100.
const MAX_GAP_YEARS: i16 = 40;

const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A cron expression in a time zone.
///
/// Five fields: minute (0-59), hour (0-23), day of month (1-31, `L`: the last), month (1-12, JAN-DEC), day of week (0-7, SUN-SAT; 0 and 7
/// are Sunday). Each is `*`, a number, a name, a range, a list of them, with steps (`*/15`, `8-18/2`). If both days are given and neither
/// begins with `*`, one of them must match. `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` are
/// abbreviations.
///
/// When the clock changes (daylight saving time):
/// - Expressions whose minute or hour begins with `*` (`*/15 * * * *`, `0 * * * *`) follow real time: nothing is due in a skipped hour, and
///   a repeated hour has its runs twice.
/// - For all others (`30 2 * * *`), a skipped time is due at the first moment after the gap, once for all times in the gap, and a repeated
///   time is due once, the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    expression: String,
    timezone: String,
    pub(super) zone: TimeZone,
    minute: Field,
    hour: Field,
    day: Field,
    last_day: bool,
    month: Field,
    weekday: Field,
}

impl Cron {
    /// Reads an expression and the IANA name of a time zone.
    ///
    /// # Errors
    /// The field of the definition that is wrong (`cron` or `timezone`), the problem, and the allowed values.
    pub(super) fn new(expression: &str, timezone: &str) -> Result<Self, (&'static str, String)> {
        let zone = zone(timezone).map_err(|message| ("timezone", message))?;
        let timezone = zone.iana_name().unwrap_or(timezone).to_owned();
        Self::read(expression, timezone, zone).map_err(|message| ("cron", message))
    }

    fn read(expression: &str, timezone: String, zone: TimeZone) -> Result<Self, String> {
        let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        let written = if expression.starts_with('@') { word(&expression)?.to_owned() } else { expression.clone() };
        let fields: Vec<&str> = written.split(' ').filter(|field| !field.is_empty()).collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            let count = fields.len();
            return Err(format!("has {count} fields; write five: minute, hour, day of month, month, day of week, such as '0 6 * * 1-5'"));
        };
        let [minutes, hours, days, months, weekdays] = &KINDS;
        let last_day = day.eq_ignore_ascii_case("L");
        let cron = Self {
            minute: minutes.read(minute)?,
            hour: hours.read(hour)?,
            // The reader of numbers does not know L, which is another day each month.
            day: days.read(if last_day { "31" } else { day })?,
            last_day,
            month: months.read(month)?,
            weekday: weekdays.read(weekday)?,
            expression,
            timezone,
            zone,
        };
        // These years, the first of which is a leap year, contain every possible day.
        match cron.next_on_the_wall(DateTime::constant(2000, 1, 1, 0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err(format!("never happens: no month that '{month}' allows has a day '{day}'")),
        }
    }

    /// Returns the expression as written, with single spaces.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Returns the IANA name of its time zone.
    #[must_use]
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    pub(super) fn on_its_clock(&self, time: Timestamp) -> String {
        time.display_with_offset(self.zone.to_offset(time)).to_string()
    }

    /// Returns true if it follows real time when the clock changes.
    pub(super) fn is_interval(&self) -> bool {
        self.minute.is_star || self.hour.is_star
    }

    /// Returns the first matching minute since `from`, as if the clock never changed.
    pub(super) fn next_on_the_wall(&self, from: DateTime) -> Option<DateTime> {
        let from = whole_minute(from)?;
        let last_year = from.year().saturating_add(MAX_GAP_YEARS);
        let mut date = from.date();
        let mut earliest = from.time();
        while date.year() <= last_year {
            if !self.month.allows(date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                earliest = Time::midnight();
                continue;
            }
            if self.fits(date)
                && let Some(time) = self.time_from(earliest)
            {
                return Some(date.to_datetime(time));
            }
            date = date.tomorrow().ok()?;
            earliest = Time::midnight();
        }
        None
    }

    /// Returns true if the day matches; its month does.
    fn fits(&self, date: Date) -> bool {
        let by_month = if self.last_day { date == date.last_of_month() } else { self.day.allows(date.day()) };
        let by_week = self.weekday.allows(date.weekday().to_sunday_zero_offset());
        let either = !self.day.is_star && !self.weekday.is_star;
        if either { by_month || by_week } else { by_month && by_week }
    }

    fn time_from(&self, earliest: Time) -> Option<Time> {
        for hour in self.hour.from(earliest.hour()) {
            let lowest = if hour == earliest.hour() { earliest.minute() } else { 0 };
            if let Some(minute) = self.minute.from(lowest).next() {
                return Time::new(hour, minute, 0, 0).ok();
            }
        }
        None
    }
}

/// Returns this minute if it begins here, otherwise the next one.
fn whole_minute(at: DateTime) -> Option<DateTime> {
    let begun = at.with().second(0).subsec_nanosecond(0).build().ok()?;
    if begun == at { Some(at) } else { begun.checked_add(jiff::Span::new().minutes(1)).ok() }
}

fn word(word: &str) -> Result<&'static str, String> {
    let found = WORDS.iter().find(|(allowed, _)| allowed.eq_ignore_ascii_case(word));
    found.map(|(_, fields)| *fields).ok_or_else(|| {
        let all = WORDS.map(|(allowed, _)| allowed).join(", ");
        format!("has no '{word}': write five fields, or one of {all}")
    })
}

fn zone(name: &str) -> Result<TimeZone, String> {
    if let Ok(zone) = ZONES.get(name)
        && !zone.is_unknown()
    {
        return Ok(zone);
    }
    let nearest = ZONES.available().map(|available| available.to_string()).min_by_key(|available| strsim::osa_distance(available, name));
    let suggestion =
        nearest.filter(|nearest| strsim::osa_distance(nearest, name) <= 3).map(|nearest| format!(" (did you mean {nearest}?)"));
    Err(format!("must be an IANA time zone such as Europe/Stockholm or UTC, not '{name}'{}", suggestion.unwrap_or_default()))
}
