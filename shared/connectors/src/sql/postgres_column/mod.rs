//! Converts PostgreSQL's binary values to JSON, in the form of its own `to_json`: exact numbers, ISO dates, times with a zone in UTC. Bytes
//! are Base64. Values that JSON does not have (`NaN`, `infinity`) are text.

use data_encoding::BASE64;
use forebay_mapping::{Value, parse_json};
use std::error::Error;
use std::fmt::Write;
use tokio_postgres::types::{FromSql, Kind, Type};

mod numeric;
mod other;
mod time;

type Read<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// A value of a row.
pub(super) struct Cell(pub(super) Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Read<Self> {
        value(kind, raw).map(Self)
    }

    fn from_sql_null(_: &Type) -> Read<Self> {
        Ok(Self(Value::NULL))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Returns true if values of the type can be read; others must be cast in the SQL.
pub(super) fn is_readable(kind: &Type) -> bool {
    match kind.kind() {
        Kind::Enum(_) => true,
        Kind::Domain(inner) | Kind::Array(inner) => is_readable(inner),
        Kind::Composite(fields) => fields.iter().all(|field| is_readable(field.type_())),
        Kind::Pseudo => *kind == Type::VOID,
        Kind::Range(inner) | Kind::Multirange(inner) => is_readable(inner),
        _ => is_text(kind) || SCALARS.contains(kind),
    }
}

const SCALARS: [Type; 26] = [
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::OID,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::NUMERIC,
    Type::BYTEA,
    Type::JSON,
    Type::JSONB,
    Type::UUID,
    Type::DATE,
    Type::TIME,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::INTERVAL,
    Type::VOID,
    Type::TIMETZ,
    Type::INET,
    Type::CIDR,
    Type::MACADDR,
    Type::MACADDR8,
    Type::BIT,
    Type::VARBIT,
    Type::CHAR,
];

/// Returns true if the binary form of the type is its text.
fn is_text(kind: &Type) -> bool {
    let builtin = [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN, Type::XML];
    builtin.contains(kind) || ["citext", "ltree_text"].contains(&kind.name())
}

fn value(kind: &Type, raw: &[u8]) -> Read<Value> {
    match kind.kind() {
        Kind::Domain(inner) => return value(inner, raw),
        Kind::Array(element) => return array(element, raw),
        Kind::Enum(_) => return Ok(Value::string(std::str::from_utf8(raw)?)),
        Kind::Range(inner) => return Ok(Value::string(other::range(inner, raw)?)),
        Kind::Multirange(inner) => return Ok(Value::string(other::multirange(inner, raw)?)),
        Kind::Composite(fields) => {
            let mut rest = raw;
            number::<4>(&mut rest)?;
            let mut members = Vec::with_capacity(fields.len());
            for field in fields {
                number::<4>(&mut rest)?;
                members.push((field.name(), element(field.type_(), &mut rest)?));
            }
            return Ok(Value::object(members));
        }
        _ => {}
    }
    if is_text(kind) {
        return Ok(Value::string(std::str::from_utf8(raw)?));
    }
    let mut rest = raw;
    Ok(match *kind {
        Type::VOID => Value::NULL,
        Type::BOOL => Value::from(raw.first().is_some_and(|byte| *byte != 0)),
        Type::INT2 => Value::from(i64::from(i16::from_be_bytes(number(&mut rest)?))),
        Type::INT4 => Value::from(i64::from(i32::from_be_bytes(number(&mut rest)?))),
        Type::INT8 => Value::from(i64::from_be_bytes(number(&mut rest)?)),
        Type::OID => Value::from(i64::from(u32::from_be_bytes(number(&mut rest)?))),
        // The shortest text: 1.1 and not 1.10000002384185791015625.
        Type::FLOAT4 => number_or_text(&f32::from_be_bytes(number(&mut rest)?).to_string()),
        Type::FLOAT8 => {
            let float = f64::from_be_bytes(number(&mut rest)?);
            if float.is_finite() { Value::from(float) } else { number_or_text(&float.to_string()) }
        }
        Type::NUMERIC => number_or_text(&numeric::text(raw)?),
        Type::BYTEA => Value::string(BASE64.encode(raw)),
        Type::JSON => json(raw)?,
        Type::JSONB => json(raw.get(1..).unwrap_or_default())?,
        Type::UUID => Value::string(uuid(raw)),
        Type::DATE => Value::string(time::date(i32::from_be_bytes(number(&mut rest)?))?),
        Type::TIME => Value::string(time::time(i64::from_be_bytes(number(&mut rest)?))?),
        Type::TIMETZ => {
            let micros = i64::from_be_bytes(number(&mut rest)?);
            Value::string(time::time_with_zone(micros, i32::from_be_bytes(number(&mut rest)?))?)
        }
        Type::INET | Type::CIDR => Value::string(other::network(raw)?),
        Type::MACADDR | Type::MACADDR8 => Value::string(other::hardware_address(raw)),
        Type::BIT | Type::VARBIT => Value::string(other::bits(raw)?),
        Type::CHAR => Value::string(std::str::from_utf8(raw)?.trim_end_matches('\0')),
        Type::TIMESTAMP => Value::string(time::timestamp(i64::from_be_bytes(number(&mut rest)?), "")?),
        Type::TIMESTAMPTZ => Value::string(time::timestamp(i64::from_be_bytes(number(&mut rest)?), "Z")?),
        Type::INTERVAL => {
            let micros = i64::from_be_bytes(number(&mut rest)?);
            let (days, months) = (i32::from_be_bytes(number(&mut rest)?), i32::from_be_bytes(number(&mut rest)?));
            Value::string(time::interval(months, days, micros))
        }
        _ => return Err(format!("the type {} cannot be read", kind.name()).into()),
    })
}

/// Reads the next `N` bytes.
fn number<const N: usize>(rest: &mut &[u8]) -> Read<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>().ok_or("the value is shorter than its type")?;
    *rest = after;
    Ok(*bytes)
}

/// Returns a JSON number, or a text if JSON does not have the number: `NaN` and `inf`.
fn number_or_text(text: &str) -> Value {
    match text {
        "NaN" => Value::string("NaN"),
        "inf" | "Infinity" => Value::string("Infinity"),
        "-inf" | "-Infinity" => Value::string("-Infinity"),
        _ => parse_json(text.as_bytes()).unwrap_or_else(|_| Value::string(text)),
    }
}

fn json(raw: &[u8]) -> Read<Value> {
    parse_json(raw).map_err(|error| error.message.into())
}

fn uuid(raw: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in raw.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads an array: dimensions, flags, type, then for each dimension its length and first index, then the elements in row order.
fn array(kind: &Type, raw: &[u8]) -> Read<Value> {
    let mut rest = raw;
    let dimensions = i32::from_be_bytes(number(&mut rest)?);
    number::<8>(&mut rest)?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(i32::from_be_bytes(number(&mut rest)?));
        number::<4>(&mut rest)?;
    }
    if lengths.is_empty() {
        return Ok(Value::array([]));
    }
    dimension(kind, &lengths, &mut rest)
}

fn dimension(kind: &Type, lengths: &[i32], rest: &mut &[u8]) -> Read<Value> {
    let Some((length, inner)) = lengths.split_first() else { return element(kind, rest) };
    let mut items = Vec::new();
    for _ in 0..*length {
        items.push(dimension(kind, inner, rest)?);
    }
    Ok(Value::array(items))
}

/// Reads a length (-1: NULL), and as many bytes.
fn element(kind: &Type, rest: &mut &[u8]) -> Read<Value> {
    let Ok(length) = usize::try_from(i32::from_be_bytes(number(rest)?)) else { return Ok(Value::NULL) };
    value(kind, sized(rest, length)?)
}

fn sized<'r>(rest: &mut &'r [u8], length: usize) -> Read<&'r [u8]> {
    let (raw, after) = rest.split_at_checked(length).ok_or("an element is shorter than its length")?;
    *rest = after;
    Ok(raw)
}
