//! From and to other types.

use std::fmt;
use std::sync::Arc;

use jaq_core::val::Range;
use serde_json::Value as Json;

use super::{Num, Repr, Value, shortened};

/// Most digits of an integer, and most characters of a decimal number, that are read: more has a cost that grows with the square.
pub(super) const MAX_NUMBER_CHARACTERS: usize = 4000;

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::new(Repr::Bool(truth))
    }
}

impl From<isize> for Value {
    fn from(number: isize) -> Self {
        Value::new(Repr::Num(Num::Int(number)))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Value::new(Repr::Num(Num::from_integral(number)))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::new(Repr::Num(Num::from_integral(number)))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::new(Repr::Num(Num::from_integral(number)))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::new(Repr::Num(Num::Float(number)))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::string(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::string(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    /// `None` is null.
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::NULL, Into::into)
    }
}

/// A slice as part of a path: `{"start": ..., "end": ...}`.
impl From<Range<Value>> for Value {
    fn from(range: Range<Value>) -> Self {
        let bounds = [("start", range.start), ("end", range.end)];
        Value::object(bounds.map(|(name, bound)| (name, bound.unwrap_or_default())))
    }
}

/// Nesting is kept, numbers are read from their text. Deeper than [`MAX_DEPTH`](crate::mapping::MAX_DEPTH) cannot come from
/// `serde_json`, which stops at 128.
impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Value::NULL,
            Json::Bool(truth) => Value::from(*truth),
            Json::Number(number) => {
                number_from_text(&number.to_string()).unwrap_or_else(|| Value::from(number.as_f64().unwrap_or(f64::NAN)))
            }
            Json::String(text) => Value::string(text.clone()),
            Json::Array(items) => items.iter().map(Value::from).collect(),
            Json::Object(members) => Value::object(members.iter().map(|(name, value)| (name.clone(), Value::from(value)))),
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        Value::from(&json)
    }
}

/// A number that `serde_json` cannot hold (an integer over 64 bits, a decimal with many digits) becomes the nearest float, and
/// nan becomes null; [`to_json`](crate::mapping::to_json) keeps the digits.
impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match &value.repr {
            Repr::Null => Json::Null,
            Repr::Bool(truth) => Json::Bool(*truth),
            Repr::Num(number) => json_number(number),
            Repr::Str(text) => Json::String(text.to_string()),
            Repr::Arr(array) => Json::Array(array.items.iter().map(Json::from).collect()),
            Repr::Obj(object) => Json::Object(object.members.iter().map(|(name, value)| (name.to_string(), Json::from(value))).collect()),
        }
    }
}

fn json_number(number: &Num) -> Json {
    match number {
        Num::Int(integer) => Json::from(*integer),
        Num::BigInt(integer) if u64::try_from(&**integer).is_ok() => u64::try_from(&**integer).map_or(Json::Null, Json::from),
        _ => {
            let float = float_of(number);
            let shown = super::write::finite(float);
            shown.and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number)
        }
    }
}

/// The float nearest to `number`.
pub(in crate::mapping) fn float_of(number: &Num) -> f64 {
    match number {
        Num::Int(integer) => *integer as f64,
        // The text of an integer is always a float's; it becomes infinite where it is too large.
        Num::BigInt(integer) => integer.to_string().parse().unwrap_or(f64::NAN),
        Num::Float(float) => *float,
        Num::Dec(text) => text.parse().unwrap_or(f64::NAN),
    }
}

/// A number written as in JSON; leading zeros and a leading `+` are allowed. `None` where it is no number.
///
/// An integer is exact; a decimal keeps its text, so that `19.90` stays `19.90`; one that no float can hold becomes the largest
/// float, as in jq.
pub(in crate::mapping) fn number_from_text(text: &str) -> Option<Value> {
    if text.len() > MAX_NUMBER_CHARACTERS {
        return None;
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let unsigned = if unsigned.len() == text.len() { text.strip_prefix('+').unwrap_or(text) } else { unsigned };
    let (whole, rest) = split_digits(unsigned);
    let (fraction, exponent) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    let has_fraction = rest.starts_with('.');
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if let Some(exponent) = exponent.strip_prefix(['e', 'E']) {
        let (digits, end) = split_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        if digits.is_empty() || !end.is_empty() {
            return None;
        }
    } else if !exponent.is_empty() {
        return None;
    }
    if !has_fraction && exponent.is_empty() {
        return Num::from_str_radix(text, 10).map(|number| Value::new(Repr::Num(number)));
    }
    let float: f64 = text.parse().ok()?;
    if float.is_infinite() {
        return Some(Value::from(f64::MAX.copysign(float)));
    }
    // Only a text that is JSON as it stands may be kept.
    let is_json =
        !text.starts_with('+') && (whole == "0" || !whole.is_empty() && !whole.starts_with('0')) && has_fraction != fraction.is_empty();
    Some(if is_json { Value::new(Repr::Num(Num::Dec(Arc::new(text.to_string())))) } else { Value::from(float) })
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

impl Value {
    /// A number without a fraction that fits in a machine word, whichever way it is written (`3`, `3.0`, `3e0`).
    pub(in crate::mapping) fn whole_number(&self) -> Option<isize> {
        match &self.repr {
            Repr::Num(number @ (Num::Int(_) | Num::BigInt(_))) => number.as_isize(),
            Repr::Num(number) => {
                let float = float_of(number);
                // Above 2^53 a float is not sure of its last digit, so it is not taken for an integer.
                (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as isize)
            }
            _ => None,
        }
    }
}

/// A short form, for messages; it is cut after a hundred characters or so.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shortened(self))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shortened(self))
    }
}
