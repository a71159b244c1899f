//! Equality and order: jq's order over all values (null, false, true, numbers, strings, arrays, objects).
//!
//! The order of jaq would visit a value without the meter, and a value of 60 shared levels has 2^60 leaves.

use std::cmp::Ordering;

use super::convert::float_of;
use super::write::{number_text, to_json, write_string};
use super::{Members, Num, Repr, Value};
use crate::meter::{reserve, tick};

const BYTES_PER_TICK: usize = 256;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        tick(1);
        match (&self.repr, &other.repr) {
            (Repr::Null, Repr::Null) => true,
            (Repr::Bool(left), Repr::Bool(right)) => left == right,
            (Repr::Num(left), Repr::Num(right)) => !is_nan(left) && compare_numbers(left, right).is_eq(),
            (Repr::Str(left), Repr::Str(right)) => {
                tick(left.len().min(right.len()) / BYTES_PER_TICK);
                left == right
            }
            (Repr::Arr(left), Repr::Arr(right)) => {
                left.items.len() == right.items.len() && left.items.iter().zip(&right.items).all(|(left, right)| left == right)
            }
            (Repr::Obj(left), Repr::Obj(right)) => {
                let (left, right) = (&left.members, &right.members);
                left.len() == right.len() && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| value == other))
            }
            _ => false,
        }
    }
}

/// `nan == nan` is false, as in jq; Rust requires `Eq` for `Ord`, but nothing depends on it.
impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        tick(1);
        match (&self.repr, &other.repr) {
            (Repr::Bool(left), Repr::Bool(right)) => left.cmp(right),
            (Repr::Num(left), Repr::Num(right)) => compare_numbers(left, right),
            (Repr::Str(left), Repr::Str(right)) => {
                tick(left.len().min(right.len()) / BYTES_PER_TICK);
                left.cmp(right)
            }
            (Repr::Arr(left), Repr::Arr(right)) => left.items.iter().cmp(right.items.iter()),
            (Repr::Obj(left), Repr::Obj(right)) => compare_objects(&left.members, &right.members),
            (left, right) => rank(left).cmp(&rank(right)),
        }
    }
}

fn rank(repr: &Repr) -> u8 {
    match repr {
        Repr::Null => 0,
        Repr::Bool(_) => 1,
        Repr::Num(_) => 2,
        Repr::Str(_) => 3,
        Repr::Arr(_) => 4,
        Repr::Obj(_) => 5,
    }
}

pub(crate) fn is_nan(number: &Num) -> bool {
    matches!(number, Num::Float(float) if float.is_nan())
}

/// Compares by value, to the last digit: `1.0` and `1.00` are equal, and so are `0.1` and the float of `0.05 + 0.05`; two long decimals
/// with the same nearest float are not. nan is less than every other number and, unlike in jq, not less than itself: a sort needs a total
/// order.
fn compare_numbers(left: &Num, right: &Num) -> Ordering {
    if let (Num::Int(left), Num::Int(right)) = (left, right) {
        return left.cmp(right);
    }
    match (is_nan(left), is_nan(right)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => {
            let nearest = float_of(left).partial_cmp(&float_of(right)).unwrap_or(Ordering::Equal);
            // Rounding to a float keeps the order, so only numbers with the same nearest float are compared digit by digit.
            nearest.then_with(|| compare_digits(left, right))
        }
    }
}

/// Compares numbers with the same nearest float.
fn compare_digits(left: &Num, right: &Num) -> Ordering {
    match (left, right) {
        (Num::Float(_), Num::Float(_)) => Ordering::Equal,
        (Num::Float(infinite), _) if infinite.is_infinite() => infinite.total_cmp(&0.0),
        (_, Num::Float(infinite)) if infinite.is_infinite() => 0.0_f64.total_cmp(infinite),
        _ => Digits::of(left).compare(&Digits::of(right)),
    }
}

/// The digits of a number as written, without the zeros at both ends.
struct Digits {
    is_negative: bool,
    digits: Vec<u8>,
    /// Number of digits before the point, or a negative number: the number is `0.digits` times ten to the power of it.
    point: i64,
}

impl Digits {
    fn of(number: &Num) -> Self {
        let text = number_text(number).unwrap_or_default();
        tick(text.len() / BYTES_PER_TICK);
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        // An exponent of more than 18 digits is beyond every practical number.
        let limit = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent = exponent.parse::<i64>().unwrap_or(limit).clamp(i64::MIN / 2, i64::MAX / 2);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.trim_start_matches('-').bytes().chain(fraction.bytes()).collect();
        let point = exponent + (digits.len() - fraction.len()) as i64;
        let Some(first) = digits.iter().position(|digit| *digit != b'0') else {
            return Self { is_negative: false, digits: Vec::new(), point: 0 };
        };
        let last = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(first);
        Self { is_negative: whole.starts_with('-'), digits: digits[first..=last].to_vec(), point: point - first as i64 }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.signum(), other.signum()) {
            (0, 0) => Ordering::Equal,
            (left, right) if left != right => left.cmp(&right),
            (sign, _) => {
                let size = self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
                if sign < 0 { size.reverse() } else { size }
            }
        }
    }

    fn signum(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

/// Appends `value` to `out` in a form that is the same for all equal values (`1.0` and `1.00`, objects with their members in another
/// order), for a look-up in a table.
pub(crate) fn write_key(value: &Value, out: &mut Vec<u8>) {
    tick(1);
    match &value.repr {
        Repr::Num(number) if !is_nan(number) => {
            let Digits { is_negative, digits, point } = Digits::of(number);
            out.extend_from_slice(if is_negative { b"-" } else { b"+" });
            out.extend_from_slice(&digits);
            out.extend_from_slice(format!("e{point}").as_bytes());
        }
        Repr::Arr(array) => {
            out.push(b'[');
            for item in &array.items {
                write_key(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Repr::Obj(object) => {
            out.push(b'{');
            for (name, value) in sorted(&object.members) {
                write_string(name, out, usize::MAX);
                out.push(b':');
                write_key(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Repr::Str(text) => _ = write_string(text, out, usize::MAX),
        Repr::Null | Repr::Bool(_) | Repr::Num(_) => out.extend_from_slice(&to_json(value)),
    }
    if out.len() * 2 > out.capacity() && out.capacity() > 1 << 16 {
        // The text is about to double: ask the meter before.
        reserve(out.capacity() * 2);
    }
}

/// Compares first the sorted names, then the values in the order of the names.
fn compare_objects(left: &Members, right: &Members) -> Ordering {
    let (left, right) = (sorted(left), sorted(right));
    let names = left.iter().map(|(name, _)| *name).cmp(right.iter().map(|(name, _)| *name));
    names.then_with(|| left.iter().map(|(_, value)| *value).cmp(right.iter().map(|(_, value)| *value)))
}

fn sorted(members: &Members) -> Vec<(&str, &Value)> {
    tick(members.len());
    let mut members: Vec<_> = members.iter().map(|(name, value)| (&**name, value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}
