//! Numbers in texts, and rounding as in accounting: on the decimal digits, halves away from zero.

mod decimal;
mod format;
mod read;
#[cfg(test)]
mod tests;

use jaq_core::native::v;
use jaq_core::{Error, ValR};

pub(super) use self::decimal::Decimal;
use self::decimal::MAX_DIGITS;
use super::Function;
use super::arguments::{Options, binary, failed, misfit, nullary, unary};
use crate::value::Value;

/// Maximum bytes of `decimal` or `group`.
const MAX_SEPARATOR_BYTES: usize = 8;
/// The names of the options.
const OPTIONS: [&str; 3] = ["decimal", "group", "grouping"];

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("round_to", v(1), |cv| unary(cv, round_to)),
        ("format_number", v(1), |cv| unary(cv, |value, pattern| format::format_number(value, pattern, &Value::NULL))),
        ("format_number", v(2), |cv| binary(cv, format::format_number)),
        ("parse_number", v(0), |cv| nullary(cv, |value| read::parse_number(value, &Value::NULL))),
        ("parse_number", v(1), |cv| unary(cv, read::parse_number)),
    ]
}

fn round_to(value: &Value, decimals: &Value) -> ValR<Value> {
    let range = -MAX_DIGITS..=MAX_DIGITS;
    let places = decimals.as_i64().filter(|decimals| range.contains(decimals));
    let places = places.ok_or_else(|| misfit("round_to", "a whole number of decimals from -400 to 400", decimals))?;
    Ok(Decimal::of("round_to", value)?.rounded(places).into_value())
}

/// The grouping of digits before the decimal point, counted from the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grouping {
    /// `1,234,567`.
    Thousands,
    /// `12,34,567`: three digits, then two by two.
    Indian,
}

impl Grouping {
    /// True if a separator is before the last `left` digits of a number.
    fn is_before(self, left: usize) -> bool {
        match self {
            Self::Thousands => left > 0 && left.is_multiple_of(3),
            Self::Indian => left == 3 || left > 3 && (left - 3).is_multiple_of(2),
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Thousands => "groups of three digits",
            Self::Indian => "groups of three digits at the end and two before",
        }
    }
}

/// The notation of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Notation<'v> {
    /// The decimal point.
    decimal: &'v str,
    /// The separator of groups; empty: none.
    group: &'v str,
    grouping: Grouping,
}

impl<'v> Notation<'v> {
    /// Reads the options of `function`. By default `.` is the decimal point and `,` separates groups of three; if `,` is the decimal point,
    /// `.` separates groups.
    fn of(function: &'static str, options: &'v Value) -> Result<Self, Error<Value>> {
        let options = Options::new(function, &OPTIONS, options)?;
        let decimal = options.text("decimal")?.unwrap_or(".");
        let group = options.text("group")?.unwrap_or(if decimal == "," { "." } else { "," });
        let grouping = match options.text("grouping")? {
            None | Some("thousands") => Grouping::Thousands,
            Some("indian") => Grouping::Indian,
            Some(other) => {
                return Err(failed(function, format_args!("`grouping` is \"thousands\" or \"indian\", not \"{other:.60}\"")));
            }
        };
        if decimal.is_empty() || decimal.len() > MAX_SEPARATOR_BYTES || group.len() > MAX_SEPARATOR_BYTES {
            return Err(failed(
                function,
                format_args!("`decimal` and `group` have at most {MAX_SEPARATOR_BYTES} bytes, and `decimal` one at least"),
            ));
        }
        if [decimal, group].iter().any(|text| text.contains(|c: char| c.is_alphanumeric() || matches!(c, '-' | '+' | '\u{2212}'))) {
            return Err(failed(function, "`decimal` and `group` have no letters, digits and signs"));
        }
        if decimal == group {
            return Err(failed(function, format_args!("`decimal` and `group` are both \"{decimal}\"; give another for one of them")));
        }
        Ok(Self { decimal, group, grouping })
    }
}
