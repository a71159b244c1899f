//! Times as RFC 3339 text, with calendars and time zones.
//!
//! A time is text of RFC 3339 or ISO 8601, or a number: seconds since 1970. Text without an offset is in the given zone, otherwise in UTC,
//! and a date alone is its midnight. Results are RFC 3339 in UTC, except those of `in_timezone`. Days, weeks, months and years are those of
//! the given zone, otherwise of the offset of the text, otherwise of UTC. The zones are built in, so results do not depend on the machine.

mod moment;
mod of_jq;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::OnceLock;

use jaq_core::native::v;
use jaq_core::{Cv, Error, ValR, ValXs};
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Unit};

use self::moment::{Moment, NoMoment};
use super::Function;
use super::arguments::{Options, binary, failed, misfit, nullary, text, unary};
use super::numbers::Decimal;
use crate::meter::tick;
use crate::program::Metered;
use crate::value::{Value, described, number_from_text};

/// Maximum bytes of a format, and of the text of a time.
const MAX_TEXT_LENGTH: usize = 1000;
const SPAN_UNITS: [&str; 8] = ["years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"];

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("parse_date", v(0), |cv| nullary(cv, |time| utc("parse_date", &moment("parse_date", time, None)?))),
        ("parse_date", v(1), |cv| unary(cv, |text, format| parse_date(text, format, &Value::NULL))),
        ("parse_date", v(2), |cv| binary(cv, parse_date)),
        ("format_date", v(1), |cv| unary(cv, |time, format| format_date(time, format, &Value::NULL))),
        ("format_date", v(2), |cv| binary(cv, format_date)),
        ("in_timezone", v(1), |cv| unary(cv, in_timezone)),
        ("to_epoch", v(0), |cv| nullary(cv, to_epoch)),
        ("date_add", v(1), |cv| unary(cv, |time, span| date_add(time, span, &Value::NULL))),
        ("date_add", v(2), |cv| binary(cv, date_add)),
        ("date_diff", v(2), |cv| binary(cv, |time, other, unit| date_diff(time, other, unit, &Value::NULL))),
        ("date_diff", v(3), date_diff_in_zone),
        ("start_of", v(1), |cv| unary(cv, |time, unit| start_of(time, unit, &Value::NULL))),
        ("start_of", v(2), |cv| binary(cv, start_of)),
        ("strptime", v(1), |cv| unary(cv, of_jq::strptime)),
        ("strftime", v(1), |cv| unary(cv, of_jq::strftime)),
        ("gmtime", v(0), |cv| nullary(cv, of_jq::gmtime)),
        ("mktime", v(0), |cv| nullary(cv, of_jq::mktime)),
        ("todateiso8601", v(0), |cv| nullary(cv, of_jq::todateiso8601)),
        ("fromdateiso8601", v(0), |cv| nullary(cv, of_jq::fromdateiso8601)),
    ]
}

/// Returns the time zone of this name; `None` for null.
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

fn unfit<'f>(function: &'f str) -> impl Fn(NoMoment) -> Error<Value> + 'f {
    move |error| failed(function, error)
}

/// Returns the moment of `time`, in `zone`, otherwise with its own offset.
fn moment(function: &str, time: &Value, zone: Option<TimeZone>) -> Result<Moment, Error<Value>> {
    tick(16);
    if time.as_f64().is_some() {
        let out_of_range = || failed(function, format_args!("{} is no time between the years -9999 and 9999", described(time)));
        let nanoseconds = nanoseconds_of(function, time).ok_or_else(out_of_range)?;
        return Moment::new(nanoseconds, zone.unwrap_or(TimeZone::UTC)).map_err(|_| out_of_range());
    }
    let takes = "a time: RFC 3339 text such as \"2026-03-01T09:30:00Z\", or seconds since 1970";
    let written = text(function, takes, time)?.trim();
    let pieces = (written.len() <= MAX_TEXT_LENGTH).then(|| Pieces::parse(written).ok()).flatten();
    let pieces = pieces.ok_or_else(|| misfit(function, takes, time))?;
    let local = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_else(Time::midnight));
    let moment = match pieces.to_numeric_offset() {
        Some(offset) => {
            let fixed = Moment::of_local(local, TimeZone::fixed(offset));
            fixed.map(|moment| if let Some(zone) = zone { moment.with_zone(zone) } else { moment })
        }
        None => Moment::of_local(local, zone.unwrap_or(TimeZone::UTC)),
    };
    moment.map_err(unfit(function))
}

/// Converts seconds since 1970 to nanoseconds. A float, which is not more precise, is rounded to microseconds.
fn nanoseconds_of(function: &str, seconds: &Value) -> Option<i128> {
    let decimals = if seconds.is_float() { 6 } else { 9 };
    Decimal::of(function, seconds).ok()?.rounded(decimals).scaled(9)
}

/// Returns seconds since 1970: whole ones as an integer, others with all their decimals.
fn seconds(nanoseconds: i128) -> Value {
    let (sign, size) = (if nanoseconds < 0 { "-" } else { "" }, nanoseconds.unsigned_abs());
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    number_from_text(text.trim_end_matches('0').trim_end_matches('.')).unwrap_or_default()
}

fn utc(function: &str, moment: &Moment) -> ValR<Value> {
    moment.text().map(Value::string).map_err(unfit(function))
}

fn format_text<'v>(function: &str, format: &'v Value) -> Result<&'v str, Error<Value>> {
    let takes = "a format such as \"%d.%m.%Y %H:%M\"";
    let text = text(function, takes, format)?;
    // A width could produce any text from a few characters.
    let has_width =
        text.split('%').skip(1).any(|part| part.trim_start_matches(['-', '_', '^', '#', '0']).starts_with(|c: char| c.is_ascii_digit()));
    if text.len() > MAX_TEXT_LENGTH || (has_width && function != "parse_date") {
        return Err(failed(function, format_args!("a format has at most {MAX_TEXT_LENGTH} characters, and no widths")));
    }
    Ok(text)
}

fn parse_date(time: &Value, format: &Value, zone_name: &Value) -> ValR<Value> {
    let zone = zone("parse_date", zone_name)?;
    let format = format_text("parse_date", format)?;
    let written = text("parse_date", "a string", time)?;
    tick(16 + format.len());
    if written.len() > MAX_TEXT_LENGTH {
        return Err(failed("parse_date", "the text is too long for a time"));
    }
    let misread = |error: &dyn Display| failed("parse_date", format_args!("{} is not as {format:?}: {error}", described(time)));
    let parts = strtime::parse(format, written).map_err(|error| misread(&error))?;
    utc("parse_date", &Moment::of_parts(&parts, zone).map_err(|error| misread(&error))?)
}

fn format_date(time: &Value, format: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "format_date";
    let format = format_text(function, format)?;
    let moment = moment(function, time, Some(zone(function, zone_name)?.unwrap_or(TimeZone::UTC)))?;
    tick(format.len());
    moment.format(format).map(Value::string).map_err(unfit(function))
}

fn in_timezone(time: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "in_timezone";
    let moment = moment(function, time, Some(zone(function, zone_name)?.unwrap_or(TimeZone::UTC)))?;
    moment.local_text().map(Value::string).map_err(unfit(function))
}

fn to_epoch(time: &Value) -> ValR<Value> {
    Ok(seconds(moment("to_epoch", time, None)?.nanoseconds()))
}

/// Adds one unit after another, years first; a day that the month lacks becomes its last one.
fn date_add(time: &Value, span: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "date_add";
    let options = Options::new(function, &SPAN_UNITS, span)?;
    let mut moment = moment(function, time, zone(function, zone_name)?)?;
    for unit in SPAN_UNITS {
        let Some(number) = options.whole(unit, -1_000_000_000_000..=1_000_000_000_000)? else { continue };
        moment = later(&moment, unit, number).map_err(unfit(function))?;
    }
    utc(function, &moment)
}

/// Days and longer units are counted on the calendar of the zone, hours and shorter ones on the clock.
fn later(moment: &Moment, unit: &str, number: i64) -> Result<Moment, NoMoment> {
    // When summer time ends, clocks show the same hour twice, and local time is ambiguous.
    if number == 0 {
        return Ok(moment.clone());
    }
    let span = match unit {
        "years" => Span::new().try_years(number),
        "months" => Span::new().try_months(number),
        "weeks" => Span::new().try_weeks(number),
        "days" => Span::new().try_days(number),
        _ => {
            let seconds: i128 = match unit {
                "hours" => 3600,
                "minutes" => 60,
                "seconds" => 1,
                _ => return Moment::new(moment.nanoseconds() + i128::from(number) * 1_000_000, moment.zone().clone()),
            };
            return Moment::new(moment.nanoseconds() + i128::from(number) * seconds * 1_000_000_000, moment.zone().clone());
        }
    };
    let span = span.map_err(|_| NoMoment::Outside)?;
    let local = moment.local()?.checked_add(span).map_err(|_| NoMoment::Outside)?;
    Moment::of_local(local, moment.zone().clone())
}

fn date_diff_in_zone<'a>(mut cv: Cv<'a, Metered>) -> ValXs<'a, Value> {
    let zone = cv.0.pop_var();
    binary(cv, move |time, other, unit| date_diff(time, other, unit, &zone))
}

/// Returns the difference of the times: days and longer units as whole numbers, truncated; hours and shorter ones with a fraction.
fn date_diff(time: &Value, other: &Value, unit: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "date_diff";
    let zone = zone(function, zone_name)?;
    let (later, earlier) = (moment(function, time, zone.clone())?, moment(function, other, zone)?);
    let per_unit: i128 = match unit.as_str() {
        Some("milliseconds") => 1_000_000,
        Some("seconds") => 1_000_000_000,
        Some("minutes") => 60_000_000_000,
        Some("hours") => 3_600_000_000_000,
        Some("days") => return whole_units(&later, &earlier, Unit::Day),
        Some("weeks") => return whole_units(&later, &earlier, Unit::Week),
        Some("months") => return whole_units(&later, &earlier, Unit::Month),
        Some("years") => return whole_units(&later, &earlier, Unit::Year),
        _ => return Err(misfit(function, &format!("a unit ({})", SPAN_UNITS.join(", ")), unit)),
    };
    let nanoseconds = later.nanoseconds() - earlier.nanoseconds();
    let (whole, rest) = (nanoseconds / per_unit, nanoseconds % per_unit);
    // In two parts: a float does not hold the nanoseconds of many years.
    Ok(if rest == 0 { Value::from(whole as i64) } else { Value::from(whole as f64 + rest as f64 / per_unit as f64) })
}

fn whole_units(later: &Moment, earlier: &Moment, unit: Unit) -> ValR<Value> {
    // Calendars are compared in one zone.
    let earlier = earlier.clone().with_zone(later.zone().clone());
    let span = match (later.zoned(), earlier.zoned()) {
        (Some(later), Some(earlier)) => later.since((unit, &earlier)),
        // At the edge of the calendar local times are compared: no zone has a transition there.
        _ => later.local().map_err(unfit("date_diff"))?.since((unit, earlier.local().map_err(unfit("date_diff"))?)),
    };
    let span = span.map_err(|error| failed("date_diff", error))?;
    let number = match unit {
        Unit::Year => i64::from(span.get_years()),
        Unit::Month => i64::from(span.get_months()),
        Unit::Week => i64::from(span.get_weeks()),
        _ => i64::from(span.get_days()),
    };
    Ok(Value::from(number))
}

/// Returns the start of a unit. Weeks start on Monday (ISO 8601).
fn start_of(time: &Value, unit: &Value, zone_name: &Value) -> ValR<Value> {
    let function = "start_of";
    let moment = moment(function, time, zone(function, zone_name)?)?;
    let local = moment.local().map_err(unfit(function))?;
    let (date, clock) = (local.date(), local.time());
    // Subtracts the time that has passed: local time may be ambiguous.
    let within_day = |passed: i128| Moment::new(moment.nanoseconds() - passed, moment.zone().clone());
    let of_date = |date: Result<Date, jiff::Error>| {
        let date = date.map_err(|_| NoMoment::Outside)?;
        Moment::of_local(date.to_datetime(Time::midnight()), moment.zone().clone())
    };
    let below_second = i128::from(clock.subsec_nanosecond());
    let below_minute = below_second + i128::from(clock.second()) * 1_000_000_000;
    let start = match unit.as_str() {
        Some("second") => within_day(below_second),
        Some("minute") => within_day(below_minute),
        Some("hour") => within_day(below_minute + i128::from(clock.minute()) * 60_000_000_000),
        Some("day") => of_date(Ok(date)),
        Some("week") => of_date(date.checked_sub(Span::new().days(date.weekday().to_monday_zero_offset()))),
        Some("month") => of_date(Ok(date.first_of_month())),
        Some("quarter") => of_date(Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1)),
        Some("year") => of_date(Ok(date.first_of_year())),
        _ => return Err(misfit(function, "a unit (second, minute, hour, day, week, month, quarter, year)", unit)),
    };
    utc(function, &start.map_err(unfit(function))?)
}
