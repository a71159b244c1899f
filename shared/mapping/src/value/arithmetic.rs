//! `+ - * / %` and negation.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::Arc;

use jaq_core::ops::Math;
use jaq_core::{Error, ValR};

use super::convert::float_of;
use super::{Array, MEMBER_BYTES, Members, Num, Object, Repr, Text, Value};
use crate::meter::{reserve, tick};

/// Maximum bits of an integer: about 4000 decimal digits. Larger results fail, since the cost grows quadratically.
const MAX_INTEGER_BITS: u64 = 13_312;

type Result = ValR<Value>;

impl Add for Value {
    type Output = Result;

    fn add(self, right: Self) -> Result {
        tick(1);
        match (self.repr, right.repr) {
            // null is neutral
            (Repr::Null, other) | (other, Repr::Null) => Ok(Value::new(other)),
            (Repr::Num(left), Repr::Num(right)) => number(left + right),
            (Repr::Str(left), Repr::Str(right)) => Ok(Value::new(Repr::Str(joined(left, &right)))),
            (Repr::Arr(mut left), Repr::Arr(right)) => {
                reserve((right.items.len() + copied(&left, left.items.len())) * size_of::<Value>());
                let array = Arc::make_mut(&mut left);
                array.items.extend(right.items.iter().cloned());
                array.depth = array.depth.max(right.depth);
                Ok(Value::new(Repr::Arr(left)))
            }
            (Repr::Obj(mut left), Repr::Obj(right)) => {
                reserve((right.members.len() + copied(&left, left.members.len())) * MEMBER_BYTES);
                let object = Arc::make_mut(&mut left);
                object.depth = object.depth.max(right.depth);
                match Arc::try_unwrap(right) {
                    Ok(right) => object.members.extend(right.members),
                    Err(right) => object.members.extend(right.members.iter().map(|(name, value)| (name.clone(), value.clone()))),
                }
                Ok(Value::new(Repr::Obj(left)))
            }
            (left, right) => misfit(left, Math::Add, right),
        }
    }
}

/// Returns how many of the `length` parts of `shared` are copied before it can be changed.
fn copied<T>(shared: &Arc<T>, length: usize) -> usize {
    if Arc::strong_count(shared) == 1 { 0 } else { length }
}

/// Appends in place if nothing else holds the left text, so that building a text piece by piece is linear.
fn joined(mut left: Text, right: &str) -> Text {
    if let Some(text) = left.alone() {
        if text.len() + right.len() > text.capacity() {
            reserve(2 * text.len() + right.len());
        }
        text.push_str(right);
        return left;
    }
    reserve(left.len() + right.len());
    let mut text = String::with_capacity(left.len() + right.len());
    text.push_str(&left);
    text.push_str(right);
    Text::new(text)
}

impl Sub for Value {
    type Output = Result;

    fn sub(self, right: Self) -> Result {
        match (self.repr, right.repr) {
            (Repr::Num(left), Repr::Num(right)) => number(left - right),
            (Repr::Arr(mut left), Repr::Arr(right)) => {
                reserve((right.items.len() + copied(&left, left.items.len())) * size_of::<Value>());
                let mut removed: Vec<&Value> = right.items.iter().collect();
                removed.sort();
                Arc::make_mut(&mut left).items.retain(|item| removed.binary_search(&item).is_err());
                Ok(Value::new(Repr::Arr(left)))
            }
            (left, right) => misfit(left, Math::Sub, right),
        }
    }
}

impl Mul for Value {
    type Output = Result;

    fn mul(self, right: Self) -> Result {
        tick(1);
        match (self.repr, right.repr) {
            (Repr::Num(left), Repr::Num(right)) => {
                if bits(&left) + bits(&right) > MAX_INTEGER_BITS {
                    return Err(too_large());
                }
                number(left * right)
            }
            (Repr::Str(text), Repr::Num(times)) | (Repr::Num(times), Repr::Str(text)) => Ok(repeated(&text, &times)),
            (Repr::Obj(left), Repr::Obj(right)) => Ok(Value::new(Repr::Obj(merged(left, right)))),
            (left, right) => misfit(left, Math::Mul, right),
        }
    }
}

/// Returns `text` repeated; null for zero times, as in jq.
fn repeated(text: &str, times: &Num) -> Value {
    let times = float_of(times);
    if times.is_nan() || times <= 0.0 {
        return Value::NULL;
    }
    // A float above the largest integer becomes the largest; a fraction counts as one, as in jq.
    let times = (times as usize).max(1);
    reserve(text.len().saturating_mul(times));
    Value::string(text.repeat(times))
}

/// Merges deeply: if both values of a member are objects, they are merged.
fn merged(mut left: Arc<Object>, right: Arc<Object>) -> Arc<Object> {
    reserve((right.members.len() + copied(&left, left.members.len())) * MEMBER_BYTES);
    let object = Arc::make_mut(&mut left);
    object.depth = object.depth.max(right.depth);
    for (name, value) in &right.members {
        tick(1);
        let merged_in = match (object.members.get_mut(name), &value.repr) {
            (Some(Value { repr: Repr::Obj(into), .. }), Repr::Obj(from)) => {
                *into = merged(std::mem::take(into), from.clone());
                true
            }
            _ => false,
        };
        if !merged_in {
            object.members.insert(name.clone(), value.clone());
        }
    }
    left
}

impl Default for Object {
    fn default() -> Self {
        Object { depth: 1, members: Members::default() }
    }
}

impl Default for Array {
    fn default() -> Self {
        Array { depth: 1, items: Vec::new() }
    }
}

impl Div for Value {
    type Output = Result;

    fn div(self, right: Self) -> Result {
        tick(1);
        match (self.repr, right.repr) {
            (Repr::Num(left), Repr::Num(right)) => {
                if float_of(&right) == 0.0 && float_of(&left) != 0.0 && !super::order::is_nan(&left) {
                    // jq refuses it; jaq returns an infinity, which JSON does not have. `0 / 0` stays, as the way to write nan.
                    return misfit_because(Repr::Num(left), Math::Div, Repr::Num(right), "the divisor is zero");
                }
                number(left / right)
            }
            (Repr::Str(text), Repr::Str(separator)) => Ok(split(&text, &separator)),
            (left, right) => misfit(left, Math::Div, right),
        }
    }
}

fn split(text: &str, separator: &str) -> Value {
    tick(text.len() / 64);
    if text.is_empty() {
        Value::array([])
    } else if separator.is_empty() {
        text.chars().map(Value::string).collect()
    } else {
        text.split(separator).map(Value::string).collect()
    }
}

impl Rem for Value {
    type Output = Result;

    fn rem(self, right: Self) -> Result {
        match (self.repr, right.repr) {
            (Repr::Num(left), Repr::Num(right)) => {
                if float_of(&right) == 0.0 {
                    return misfit_because(Repr::Num(left), Math::Rem, Repr::Num(right), "the divisor is zero");
                }
                number(left % right)
            }
            (left, right) => misfit(left, Math::Rem, right),
        }
    }
}

impl Neg for Value {
    type Output = Result;

    fn neg(self) -> Result {
        match self.repr {
            Repr::Num(number) => Ok(Value::new(Repr::Num(-number))),
            other => Err(Error::str(format_args!("cannot negate {}", described(&Value::new(other))))),
        }
    }
}

/// Returns the bits of an integer, at least 1; 0 for a number with a fraction.
fn bits(number: &Num) -> u64 {
    match number {
        Num::Int(_) => 64,
        Num::BigInt(integer) => integer.bits(),
        Num::Float(_) | Num::Dec(_) => 0,
    }
}

fn number(number: Num) -> Result {
    if bits(&number) > MAX_INTEGER_BITS { Err(too_large()) } else { Ok(Value::new(Repr::Num(number))) }
}

fn too_large() -> Error<Value> {
    Error::str("the result is an integer of more than 4000 digits")
}

fn misfit(left: Repr, operator: Math, right: Repr) -> Result {
    let (left, right) = (Value::new(left), Value::new(right));
    Err(Error::str(format_args!("cannot calculate {} {} {}", described(&left), operator.as_str(), described(&right))))
}

fn misfit_because(left: Repr, operator: Math, right: Repr, reason: &str) -> Result {
    let (left, right) = (Value::new(left), Value::new(right));
    Err(Error::str(format_args!(
        "cannot calculate {} {} {}: {reason}",
        super::shortened(&left),
        operator.as_str(),
        super::shortened(&right)
    )))
}

/// Returns the kind of `value` and a short form of it, for messages.
pub(crate) fn described(value: &Value) -> String {
    match value.repr {
        Repr::Null => "null".to_string(),
        _ => format!("{} ({})", value.kind(), super::shortened(value)),
    }
}
