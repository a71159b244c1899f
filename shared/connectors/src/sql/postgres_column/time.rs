//! PostgreSQL's dates and times: days or microseconds since the year 2000.

use super::Read;
use jiff::civil::{Date, Time};
use jiff::{Span, civil};

const EPOCH: Date = civil::date(2000, 1, 1);
const MICROS_OF_DAY: i64 = 86_400_000_000;

pub(super) fn date(days: i32) -> Read<String> {
    match days {
        i32::MAX => return Ok("infinity".to_owned()),
        i32::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let day = day(i64::from(days))?;
    Ok(format!("{}{}", written(day), era(day)))
}

/// Returns the date; PostgreSQL writes years before the year 1 as `BC`, and has no year 0.
fn written(day: Date) -> String {
    let year = i32::from(day.year());
    format!("{:04}-{:02}-{:02}", if year > 0 { year } else { 1 - year }, day.month(), day.day())
}

fn era(day: Date) -> &'static str {
    if day.year() > 0 { "" } else { " BC" }
}

fn day(days: i64) -> Read<Date> {
    let far = || "the date is too far from now: cast it to text in the SQL";
    let span = Span::new().try_days(days).map_err(|_| far())?;
    EPOCH.checked_add(span).map_err(|_| far().into())
}

pub(super) fn time(micros: i64) -> Read<String> {
    if micros == MICROS_OF_DAY {
        return Ok("24:00:00".to_owned());
    }
    of_day(micros).map(|time| time.to_string())
}

fn of_day(micros: i64) -> Read<Time> {
    Ok(Time::midnight().checked_add(Span::new().try_microseconds(micros)?)?)
}

/// Returns the time; `zone` is `Z` or empty.
pub(super) fn timestamp(micros: i64, zone: &str) -> Read<String> {
    match micros {
        i64::MAX => return Ok("infinity".to_owned()),
        i64::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let date = day(micros.div_euclid(MICROS_OF_DAY))?;
    Ok(format!("{}T{}{zone}{}", written(date), of_day(micros.rem_euclid(MICROS_OF_DAY))?, era(date)))
}

/// Returns `06:07:08.5+02:00`; `west` is the offset west of UTC in seconds.
pub(super) fn time_with_zone(micros: i64, west: i32) -> Read<String> {
    let (sign, zone) = (if west > 0 { '-' } else { '+' }, west.unsigned_abs());
    let seconds = if zone % 60 == 0 { String::new() } else { format!(":{:02}", zone % 60) };
    Ok(format!("{}{sign}{:02}:{:02}{seconds}", time(micros)?, zone / 3600, zone / 60 % 60))
}

/// Returns ISO 8601, such as `P1Y2M3DT4H5M6.5S`, or `PT0S` for zero. The parts may have their own signs.
pub(super) fn interval(months: i32, days: i32, micros: i64) -> String {
    let part = |number: i64, unit: &str| if number == 0 { String::new() } else { format!("{number}{unit}") };
    let (seconds, fraction) = (micros / 1_000_000 % 60, (micros % 1_000_000).abs());
    let sign = if micros < 0 && seconds == 0 { "-" } else { "" };
    let seconds = match fraction {
        0 => part(seconds, "S"),
        _ => format!("{sign}{seconds}.{}S", format!("{fraction:06}").trim_end_matches('0')),
    };
    let time = format!("{}{}{seconds}", part(micros / 3_600_000_000, "H"), part(micros / 60_000_000 % 60, "M"));
    let date = format!("{}{}{}", part(i64::from(months / 12), "Y"), part(i64::from(months % 12), "M"), part(days.into(), "D"));
    match (date.is_empty(), time.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (_, true) => format!("P{date}"),
        _ => format!("P{date}T{time}"),
    }
}
