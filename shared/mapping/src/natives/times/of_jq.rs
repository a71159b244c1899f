//! The time functions of jq, over the whole calendar. Unlike in jq, an offset or a fraction in a text is respected.

use jaq_core::{Error, ValR};
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

use super::moment::{Moment, since_epoch};
use super::{MAX_TEXT_LENGTH, moment, seconds, unfit};
use crate::meter::tick;
use crate::natives::arguments::{failed, misfit, text};
use crate::natives::numbers::Decimal;
use crate::value::Value;

const FORMAT: &str = "a format such as \"%Y-%m-%dT%H:%M:%SZ\"";
const BROKEN_DOWN: &str = "seconds since 1970, or a broken-down time: [year, month from 0, day, hour, minute, second]";

fn format<'v>(function: &str, value: &'v Value) -> Result<&'v str, Error<Value>> {
    let text = text(function, FORMAT, value)?;
    if text.len() > MAX_TEXT_LENGTH {
        return Err(failed(function, format_args!("a format of a time has at most {MAX_TEXT_LENGTH} characters")));
    }
    tick(16 + text.len());
    Ok(text)
}

/// Returns the broken-down time of a text, in UTC: an offset in the text is subtracted.
pub(super) fn strptime(value: &Value, wanted: &Value) -> ValR<Value> {
    let function = "strptime";
    let wanted = format(function, wanted)?;
    let written = text(function, "a string", value)?;
    if written.len() > MAX_TEXT_LENGTH {
        return Err(failed(function, "the text is too long for a time"));
    }
    let misread = |error: &dyn std::fmt::Display| failed(function, format_args!("{value} is not as {wanted:?}: {error}"));
    let parts = strtime::parse(wanted, written).map_err(|error| misread(&error))?;
    let moment = Moment::of_parts(&parts, None).map_err(|error| misread(&error))?;
    broken_down(moment.utc().map_err(unfit(function))?)
}

pub(super) fn strftime(value: &Value, wanted: &Value) -> ValR<Value> {
    let function = "strftime";
    let wanted = format(function, wanted)?;
    let has_width =
        wanted.split('%').skip(1).any(|part| part.trim_start_matches(['-', '_', '^', '#', '0']).starts_with(|c: char| c.is_ascii_digit()));
    if has_width {
        return Err(failed(function, "a format has no widths"));
    }
    of(function, value)?.format(wanted).map(Value::string).map_err(unfit(function))
}

pub(super) fn gmtime(value: &Value) -> ValR<Value> {
    let function = "gmtime";
    if value.as_f64().is_none() {
        return Err(misfit(function, "seconds since 1970", value));
    }
    broken_down(moment(function, value, None)?.utc().map_err(unfit(function))?)
}

pub(super) fn mktime(value: &Value) -> ValR<Value> {
    let function = "mktime";
    let parts =
        value.as_array().ok_or_else(|| misfit(function, "a broken-down time: [year, month from 0, day, hour, minute, second]", value))?;
    Ok(seconds(civil(function, value, parts)?.nanoseconds()))
}

pub(super) fn todateiso8601(value: &Value) -> ValR<Value> {
    let function = "todateiso8601";
    of(function, value)?.text().map(Value::string).map_err(unfit(function))
}

pub(super) fn fromdateiso8601(value: &Value) -> ValR<Value> {
    let function = "fromdateiso8601";
    let takes = "a time of RFC 3339 such as \"2026-03-01T09:30:00Z\"";
    let written = text(function, takes, value)?;
    let has_offset = written.len() <= MAX_TEXT_LENGTH && Pieces::parse(written).is_ok_and(|pieces| pieces.to_numeric_offset().is_some());
    if !has_offset {
        return Err(misfit(function, takes, value));
    }
    Ok(seconds(moment(function, value, None)?.nanoseconds()))
}

/// Reads seconds or a broken-down time.
fn of(function: &str, value: &Value) -> Result<Moment, Error<Value>> {
    match value.as_array() {
        Some(parts) => civil(function, value, parts),
        None if value.as_f64().is_some() => moment(function, value, None),
        None => Err(misfit(function, BROKEN_DOWN, value)),
    }
}

/// Reads a broken-down time. Its parts after the seconds (the day of the week and of the year) follow from the others.
fn civil(function: &str, value: &Value, parts: &[Value]) -> Result<Moment, Error<Value>> {
    let unfit = || failed(function, format_args!("{value} is no time between the years -9999 and 9999; it takes {BROKEN_DOWN}"));
    let zero = Value::from(0_usize);
    let (year, month, day) = if let [year, month, day, ..] = parts { (year, month, day) } else { return Err(unfit()) };
    let [hour, minute, second] = [3, 4, 5].map(|place| parts.get(place).unwrap_or(&zero));
    let whole = |part: &Value| part.as_f64().filter(|part| part.abs() <= 10_000.0).map(|part| part.floor() as i16);
    let small = |part: &Value| whole(part).and_then(|part| i8::try_from(part).ok());
    let date = || Some((whole(year)?, small(month)?.checked_add(1)?, small(day)?, small(hour)?, small(minute)?));
    let (year, month, day, hour, minute) = date().ok_or_else(unfit)?;
    let nanoseconds = Decimal::of(function, second)?.rounded(9).scaled(9).ok_or_else(unfit)?;
    let start = DateTime::new(year, month, day, hour, minute, 0, 0).map_err(|_| unfit())?;
    if !(0..61_000_000_000).contains(&nanoseconds) {
        return Err(unfit());
    }
    Moment::new(since_epoch(start) + nanoseconds, TimeZone::UTC).map_err(|_| unfit())
}

/// Returns `[year, month from 0, day, hour, minute, second, day of the week from Sunday, day of the year from 0]`.
fn broken_down(time: DateTime) -> ValR<Value> {
    let second = seconds(i128::from(time.second()) * 1_000_000_000 + i128::from(time.subsec_nanosecond()));
    let whole = |part: i16| Value::from(i64::from(part));
    Ok(Value::array([
        whole(time.year()),
        whole(i16::from(time.month()) - 1),
        whole(time.day().into()),
        whole(time.hour().into()),
        whole(time.minute().into()),
        second,
        whole(time.weekday().to_sunday_zero_offset().into()),
        whole(time.day_of_year() - 1),
    ]))
}
