//! Conversion between values and other types.

use std::fmt;
use std::sync::Arc;

use jaq_core::val::Range;
use serde_json::{Number, Value as Json};

use super::{Num, Repr, Value, shortened};

/// Maximum digits of an integer, and maximum characters of a decimal number, that are read: the cost grows quadratically.
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

/// Nesting is kept, and numbers are read from their text. `serde_json` stops at 128 levels, so it cannot be deeper than
/// [`MAX_DEPTH`](crate::MAX_DEPTH).
impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Value::NULL,
            Json::Bool(truth) => Value::from(*truth),
            Json::Number(number) => {
                let text = number.as_str();
                // A number with more digits than arithmetic supports is stored as written.
                number_from_text(text).unwrap_or_else(|| Value::new(Repr::Num(Num::Dec(Arc::new(text.to_owned())))))
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

/// Numbers are written as by [`to_json`](crate::to_json), digit by digit; nan becomes null.
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
    let Some(text) = super::write::number_text(number) else { return Json::Null };
    // The text is a JSON number; parsing it would change its exponent (`1e+5` for `1E5`) and make `-0` 0.
    Json::Number(Number::from_string_unchecked(text.into_owned()))
}

/// Returns the float nearest to `number`.
pub(crate) fn float_of(number: &Num) -> f64 {
    match number {
        Num::Int(integer) => *integer as f64,
        // The text of an integer always parses as a float, which is infinite if it is too large.
        Num::BigInt(integer) => integer.to_string().parse().unwrap_or(f64::NAN),
        Num::Float(float) => *float,
        Num::Dec(text) => text.parse().unwrap_or(f64::NAN),
    }
}

/// Reads a number in the form of JSON; leading zeros, a leading `+` and a bare point (`.5`, `5.`) are allowed. `None` if it is not a
/// number.
///
/// An integer is exact. A decimal keeps its digits, so that `19.90` stays `19.90`; so do numbers beyond any float (`1e400`) and the
/// negative zero: only results of arithmetic are rounded.
pub(crate) fn number_from_text(text: &str) -> Option<Value> {
    if text.len() > MAX_NUMBER_CHARACTERS {
        return None;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, rest) = split_digits(unsigned);
    let (fraction, exponent) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
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
    let is_negative = text.starts_with('-');
    let is_integer = fraction.is_empty() && exponent.is_empty();
    let is_negative_zero = is_negative && is_integer && whole.bytes().all(|digit| digit == b'0');
    if is_integer && !is_negative_zero {
        let digits = if is_negative { &text[..=whole.len()] } else { whole };
        return Num::from_str_radix(digits, 10).map(|number| Value::new(Repr::Num(number)));
    }
    let has_point = rest.starts_with('.');
    let is_json =
        !text.starts_with('+') && (whole == "0" || !whole.is_empty() && !whole.starts_with('0')) && has_point != fraction.is_empty();
    let text = if is_json {
        text.to_owned()
    } else {
        let sign = if is_negative { "-" } else { "" };
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}{exponent}")
    };
    Some(Value::new(Repr::Num(Num::Dec(Arc::new(text)))))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

impl Value {
    /// Returns a number without a fraction that fits into a machine word, in any notation (`3`, `3.0`, `3e0`).
    pub(crate) fn whole_number(&self) -> Option<isize> {
        match &self.repr {
            Repr::Num(number @ (Num::Int(_) | Num::BigInt(_))) => number.as_isize(),
            Repr::Num(number) => {
                let float = float_of(number);
                // Above 2^53 the last digit of a float is not exact, so it does not count as an integer.
                (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as isize)
            }
            _ => None,
        }
    }
}

/// Writes a short form, for messages; it is cut after about a hundred characters.
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
