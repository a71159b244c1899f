//! Conversion between values and those of MySQL. The server does not return the types of parameters, so they follow from the value: whole
//! numbers stay numbers, other numbers are sent as text, which keeps every decimal; `{ base64 }` is sent as bytes; other arrays and objects
//! are sent as JSON. A text is sent unchanged, except a time with a zone (RFC 3339) for a time column, which MySQL and MariaDB would refuse
//! or truncate.

use super::bytes_of;
use super::instant::{Instant, instant};
use data_encoding::BASE64;
use forebay_mapping::{Value, parse_json, to_json};
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value as Sql};

/// Converts a parameter. `column` is its column, if that is known.
///
/// # Errors
/// The problem of the value.
pub(super) fn parameter(value: &Value, column: Option<&Column>) -> Result<Sql, String> {
    if value.is_null() {
        return Ok(Sql::NULL);
    }
    if let Some(truth) = value.as_bool() {
        return Ok(Sql::Int(truth.into()));
    }
    if let Some(text) = value.as_str() {
        return Ok(time(text, column).unwrap_or_else(|| Sql::Bytes(text.as_bytes().to_vec())));
    }
    if let Some(bytes) = bytes_of(value) {
        return bytes.map(Sql::Bytes);
    }
    // `1.00` is not sent as 1: a text column stores it as it is written.
    let json = to_json(value);
    let whole = std::str::from_utf8(&json).ok().filter(|text| *text != "-0");
    let number = whole.and_then(|text| text.parse().map(Sql::Int).or_else(|_| text.parse().map(Sql::UInt)).ok());
    Ok(number.unwrap_or(Sql::Bytes(json)))
}

/// Converts a time with a zone for a time column, to UTC, the timezone of the session; for a date column, to its date as written.
fn time(text: &str, column: Option<&Column>) -> Option<Sql> {
    let kind = column?.column_type();
    let stamps = [
        ColumnType::MYSQL_TYPE_TIMESTAMP,
        ColumnType::MYSQL_TYPE_TIMESTAMP2,
        ColumnType::MYSQL_TYPE_DATETIME,
        ColumnType::MYSQL_TYPE_DATETIME2,
    ];
    let dates = [ColumnType::MYSQL_TYPE_DATE, ColumnType::MYSQL_TYPE_NEWDATE];
    let text = match instant(text)? {
        Instant::At(utc) if stamps.contains(&kind) => utc.strftime("%Y-%m-%d %H:%M:%S%.f").to_string(),
        // MySQL's zero date is outside of the calendar.
        Instant::Never(local) if stamps.contains(&kind) => local.to_owned(),
        _ if dates.contains(&kind) => text.get(..10)?.to_owned(),
        _ => return None,
    };
    Some(Sql::Bytes(text.into_bytes()))
}

/// The character set of binary columns.
const BINARY: u16 = 63;

/// Converts a cell: exact numbers, ISO dates, JSON as JSON, bytes as `{ base64 }`. TIMESTAMP is in UTC, the timezone of the session;
/// DATETIME has no zone.
pub(super) fn cell(value: Sql, column: &Column) -> Result<Value, String> {
    let kind = column.column_type();
    Ok(match value {
        Sql::NULL => Value::NULL,
        Sql::Int(number) => Value::from(number),
        Sql::UInt(number) => Value::from(number),
        // The shortest text: 1.1 and not 1.10000002384185791015625.
        Sql::Float(float) => number(&float.to_string()),
        Sql::Double(float) => Value::from(float),
        Sql::Date(year, month, day, ..) if [ColumnType::MYSQL_TYPE_DATE, ColumnType::MYSQL_TYPE_NEWDATE].contains(&kind) => {
            Value::string(format!("{year:04}-{month:02}-{day:02}"))
        }
        Sql::Date(year, month, day, hour, minute, second, micros) => {
            let is_stamp = [ColumnType::MYSQL_TYPE_TIMESTAMP, ColumnType::MYSQL_TYPE_TIMESTAMP2].contains(&kind);
            let zone = if is_stamp { "Z" } else { "" };
            let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
            Value::string(format!("{date}{}{zone}", fraction(micros)))
        }
        Sql::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let sign = if is_negative { "-" } else { "" };
            let hours = days * 24 + u32::from(hours);
            Value::string(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(micros)))
        }
        Sql::Bytes(bytes) => of_bytes(&bytes, kind, column)?,
    })
}

fn of_bytes(bytes: &[u8], kind: ColumnType, column: &Column) -> Result<Value, String> {
    let text = || std::str::from_utf8(bytes).map_err(|_| "its text is not UTF-8; cast it to BINARY".to_owned());
    Ok(match kind {
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => number(text()?),
        ColumnType::MYSQL_TYPE_JSON => parse_json(bytes).map_err(|error| error.message)?,
        ColumnType::MYSQL_TYPE_BIT => Value::from(bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte))),
        _ if is_binary(kind, column) => Value::object([("base64", Value::string(BASE64.encode(bytes)))]),
        _ => Value::string(text()?),
    })
}

/// Returns true if a column is binary. ENUM and SET with a binary collation also have the flag, and are text.
fn is_binary(kind: ColumnType, column: &Column) -> bool {
    let is_word = [ColumnType::MYSQL_TYPE_ENUM, ColumnType::MYSQL_TYPE_SET].contains(&kind)
        || column.flags().intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG);
    column.character_set() == BINARY && !is_word
}

fn number(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap_or_else(|_| Value::string(text))
}

fn fraction(micros: u32) -> String {
    if micros == 0 { String::new() } else { format!(".{}", format!("{micros:06}").trim_end_matches('0')) }
}
