//! Times: moments as RFC 3339 text, with calendars and time zones.
//!
//! A time is text of RFC 3339 or ISO 8601, or a number: seconds since 1970. Text without an offset is of the zone that is given, else
//! UTC, and a date alone is its midnight. Results are RFC 3339 in UTC, but for those of `in_timezone`. Days, weeks, months and years
//! are those of the zone that is given, else of the offset of the text, else of UTC. The zones are built in, so results do not
//! depend on the machine.

use std::sync::OnceLock;

use jaq_core::native::v;
use jaq_core::{Cv, Error, ValR, ValXs};
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Unit, ZonedDateTime};

use super::Function;
use super::arguments::{Options, binary, failed, misfit, nullary, text, unary};
use crate::mapping::meter::tick;
use crate::mapping::program::Metered;
use crate::mapping::value::{Value, described};

/// Longest format, and longest text of a time, in bytes.
const LONGEST_TEXT: usize = 1000;
const SPAN_UNITS: [&str; 8] = ["years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"];

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("parse_date", v(0), |cv| nullary(cv, |time| Ok(utc(&moment("parse_date", time, None)?)))),
        ("parse_date", v(1), |cv| unary(cv, |text, format| parse_date(text, format, &Value::NULL))),
        ("parse_date", v(2), |cv| binary(cv, parse_date)),
        ("format_date", v(1), |cv| unary(cv, |time, format| format_date("format_date", time, format, &Value::NULL))),
        ("format_date", v(2), |cv| binary(cv, |time, format, zone| format_date("format_date", time, format, zone))),
        ("in_timezone", v(1), |cv| unary(cv, |time, zone| format_date("in_timezone", time, &Value::from("%Y-%m-%dT%H:%M:%S%.f%:z"), zone))),
        ("to_epoch", v(0), |cv| nullary(cv, to_epoch)),
        ("date_add", v(1), |cv| unary(cv, |time, span| date_add(time, span, &Value::NULL))),
        ("date_add", v(2), |cv| binary(cv, date_add)),
        ("date_diff", v(2), |cv| binary(cv, |time, other, unit| date_diff(time, other, unit, &Value::NULL))),
        ("date_diff", v(3), date_diff_in_zone),
        ("start_of", v(1), |cv| unary(cv, |time, unit| start_of(time, unit, &Value::NULL))),
        ("start_of", v(2), |cv| binary(cv, start_of)),
    ]
}

/// The time zone of this name; none for null.
fn zone(function: &str, name: &Value) -> Result<Option<TimeZone>, Error<Value>> {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    if name.is_null() {
        return Ok(None);
    }
    let takes = "the name of a time zone such as \"Europe/Stockholm\"";
    let text = text(function, takes, name)?;
    let known = (text.len() <= 100).then(|| ZONES.get_or_init(TimeZoneDatabase::bundled).get(text).ok()).flatten();
    known.map(Some).ok_or_else(|| misfit(function, takes, name))
}

/// The moment that `time` is, in `zone`, else with its own offset.
fn moment(function: &str, time: &Value, zone: Option<TimeZone>) -> Result<ZonedDateTime, Error<Value>> {
    tick(16);
    if let Some(seconds) = time.as_f64() {
        let out_of_range = || failed(function, format_args!("{} is no time between the years -9999 and 9999", described(time)));
        let moment = match time.as_i64() {
            Some(seconds) => Timestamp::from_second(seconds).ok(),
            None => {
                let microseconds = (seconds * 1e6).round();
                (microseconds.abs() < 1e18).then(|| Timestamp::from_microsecond(microseconds as i64).ok()).flatten()
            }
        };
        return Ok(moment.ok_or_else(out_of_range)?.to_zoned_datetime(zone.unwrap_or(TimeZone::UTC)));
    }
    let takes = "a time: RFC 3339 text such as \"2026-03-01T09:30:00Z\", or seconds since 1970";
    let written = text(function, takes, time)?.trim();
    let pieces = (written.len() <= LONGEST_TEXT).then(|| Pieces::parse(written).ok()).flatten();
    let pieces = pieces.ok_or_else(|| misfit(function, takes, time))?;
    let civil = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_else(Time::midnight));
    let moment = match pieces.to_numeric_offset() {
        Some(offset) => {
            let moment = TimeZone::fixed(offset).to_ambiguous_zoned_datetime(civil).compatible();
            moment.map(|moment| if let Some(zone) = zone { moment.with_time_zone(zone) } else { moment })
        }
        None => zone.unwrap_or(TimeZone::UTC).to_ambiguous_zoned_datetime(civil).compatible(),
    };
    moment.map_err(|error| failed(function, error))
}

fn utc(moment: &ZonedDateTime) -> Value {
    Value::string(moment.timestamp().to_string())
}

fn format_text<'v>(function: &str, format: &'v Value) -> Result<&'v str, Error<Value>> {
    let takes = "a format such as \"%d.%m.%Y %H:%M\"";
    let text = text(function, takes, format)?;
    // A width can make any text of a few characters.
    let has_width =
        text.split('%').skip(1).any(|part| part.trim_start_matches(['-', '_', '^', '#', '0']).starts_with(|c: char| c.is_ascii_digit()));
    if text.len() > LONGEST_TEXT || (has_width && function != "parse_date") {
        return Err(failed(function, format_args!("a format has at most {LONGEST_TEXT} characters, and no widths")));
    }
    Ok(text)
}

fn parse_date(time: &Value, format: &Value, zone_name: &Value) -> ValR<Value> {
    let zone = zone("parse_date", zone_name)?;
    let format = format_text("parse_date", format)?;
    let written = text("parse_date", "a string", time)?;
    tick(16 + format.len());
    if written.len() > LONGEST_TEXT {
        return Err(failed("parse_date", "the text is too long for a time"));
    }
    let unfit = |error: jiff::Error| failed("parse_date", format_args!("{} is not as {format:?}: {error}", described(time)));
    let parsed = strtime::parse(format, written).map_err(unfit)?;
    if let Ok(moment) = parsed.to_timestamp() {
        return Ok(Value::string(moment.to_string()));
    }
    let civil = match parsed.to_time() {
        Ok(time) => parsed.to_date().map(|date| DateTime::from_parts(date, time)),
        Err(_) => parsed.to_date().map(|date: Date| DateTime::from_parts(date, Time::midnight())),
    };
    let moment = zone.unwrap_or(TimeZone::UTC).to_ambiguous_zoned_datetime(civil.map_err(unfit)?).compatible();
    Ok(utc(&moment.map_err(unfit)?))
}

fn format_date(function: &str, time: &Value, format: &Value, zone_name: &Value) -> ValR<Value> {
    let format = format_text(function, format)?;
    let moment = moment(function, time, Some(zone(function, zone_name)?.unwrap_or(TimeZone::UTC)))?;
    tick(format.len());
    strtime::format(format, &moment).map(Value::string).map_err(|error| failed(function, error))
}

/// Whole seconds as an integer.
fn to_epoch(time: &Value) -> ValR<Value> {
    let moment = moment("to_epoch", time, None)?.timestamp();
    if moment.subsec_nanosecond() == 0 {
        return Ok(Value::from(moment.as_second()));
    }
    Ok(Value::from(moment.as_nanosecond() as f64 / 1e9))
}

/// One unit after the other, years first; a day that the month lacks is its last one.
fn date_add(time: &Value, span: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "date_add";
    let options = Options::new(function, &SPAN_UNITS, span)?;
    let mut moment = moment(function, time, zone(function, zone_name)?)?;
    for unit in SPAN_UNITS {
        let Some(number) = options.whole(unit, -1_000_000_000_000..=1_000_000_000_000)? else { continue };
        let span = match unit {
            "years" => Span::new().try_years(number),
            "months" => Span::new().try_months(number),
            "weeks" => Span::new().try_weeks(number),
            "days" => Span::new().try_days(number),
            "hours" => Span::new().try_hours(number),
            "minutes" => Span::new().try_minutes(number),
            "seconds" => Span::new().try_seconds(number),
            _ => Span::new().try_milliseconds(number),
        };
        moment = span.and_then(|span| moment.checked_add(span)).map_err(|error| failed(function, error))?;
    }
    Ok(utc(&moment))
}

fn date_diff_in_zone<'a>(mut cv: Cv<'a, Metered>) -> ValXs<'a, Value> {
    let zone = cv.0.pop_var();
    binary(cv, move |time, other, unit| date_diff(time, other, unit, &zone))
}

/// The time less the other: days and above whole, cut off towards zero; hours and below with a fraction.
fn date_diff(time: &Value, other: &Value, unit: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "date_diff";
    let zone = zone(function, zone_name)?;
    let (later, earlier) = (moment(function, time, zone.clone())?, moment(function, other, zone)?);
    let per_unit: f64 = match unit.as_str() {
        Some("milliseconds") => 1e6,
        Some("seconds") => 1e9,
        Some("minutes") => 60e9,
        Some("hours") => 3600e9,
        Some("days") => return whole_units(&later, &earlier, Unit::Day),
        Some("weeks") => return whole_units(&later, &earlier, Unit::Week),
        Some("months") => return whole_units(&later, &earlier, Unit::Month),
        Some("years") => return whole_units(&later, &earlier, Unit::Year),
        _ => return Err(misfit(function, &format!("a unit ({})", SPAN_UNITS.join(", ")), unit)),
    };
    let nanoseconds = later.timestamp().as_nanosecond() - earlier.timestamp().as_nanosecond();
    Ok(Value::from(nanoseconds as f64 / per_unit))
}

fn whole_units(later: &ZonedDateTime, earlier: &ZonedDateTime, unit: Unit) -> ValR<Value> {
    // Calendars are compared in one zone.
    let earlier = earlier.with_time_zone(later.time_zone().clone());
    let span = later.since((unit, &earlier)).map_err(|error| failed("date_diff", error))?;
    let number = match unit {
        Unit::Year => i64::from(span.get_years()),
        Unit::Month => i64::from(span.get_months()),
        Unit::Week => i64::from(span.get_weeks()),
        _ => i64::from(span.get_days()),
    };
    Ok(Value::from(number))
}

/// Weeks start on Monday (ISO 8601).
fn start_of(time: &Value, unit: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "start_of";
    let moment = moment(function, time, zone(function, zone_name)?)?;
    let (date, clock) = (moment.date(), moment.time());
    let within_day = |time: Option<Time>| {
        // Less what has passed, and not by the clock, which may show the same hour twice.
        let passed = time.map(|start| clock - start).unwrap_or_default();
        moment.checked_sub(passed)
    };
    let of_date = |date: Result<Date, jiff::Error>| date.and_then(|date| date.to_zoned_datetime(moment.time_zone().clone()));
    let start = match unit.as_str() {
        Some("second") => within_day(Time::new(clock.hour(), clock.minute(), clock.second(), 0).ok()),
        Some("minute") => within_day(Time::new(clock.hour(), clock.minute(), 0, 0).ok()),
        Some("hour") => within_day(Time::new(clock.hour(), 0, 0, 0).ok()),
        Some("day") => of_date(Ok(date)),
        Some("week") => of_date(date.checked_sub(Span::new().days(date.weekday().to_monday_zero_offset()))),
        Some("month") => of_date(Ok(date.first_of_month())),
        Some("quarter") => of_date(Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1)),
        Some("year") => of_date(Ok(date.first_of_year())),
        _ => return Err(misfit(function, "a unit (second, minute, hour, day, week, month, quarter, year)", unit)),
    };
    Ok(utc(&start.map_err(|error| failed(function, error))?))
}
