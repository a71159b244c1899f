//! The operations of jaq on a value: indexing, iteration, slices, updates.
//!
//! If jaq and jq differ, it follows jq: null may be updated (`null | .a.b = 1`), an array is padded with nulls (`[] | .[3] = 1`), removing
//! a member keeps the order of the others, and an object's keys are strings.

use std::sync::Arc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, ValR, ValX};

use super::arithmetic::described;
use super::{Array, Members, Object, Repr, Text, Value, convert, text_of, updates};
use crate::meter::{reserve, tick};

pub(super) const VALUE_BYTES: usize = size_of::<Value>();

pub(super) fn cannot_iterate(value: &Value) -> Error<Value> {
    Error::str(format_args!("cannot iterate over {}", described(value)))
}

pub(super) fn cannot_index(value: &Value, index: &Value) -> Error<Value> {
    let index = if index.as_str().is_some() { super::shortened(index) } else { described(index) };
    Error::str(format_args!("cannot index {} with {index}", described(value)))
}

pub(super) fn cannot_slice(value: &Value) -> Error<Value> {
    Error::str(format_args!("cannot take a slice of {}", described(value)))
}

impl jaq_core::ValT for Value {
    fn from_num(text: &str) -> ValR<Self> {
        convert::number_from_text(text).ok_or_else(|| Error::str(format_args!("`{:.40}` is not a number, or has too many digits", text)))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(pairs: I) -> ValR<Self> {
        let mut members = Members::default();
        for (key, value) in pairs {
            tick(2);
            match key.repr {
                Repr::Str(name) => members.insert(name, value.stepped(0)),
                _ => return Err(Error::str(format_args!("an object's key must be a string, not {}", described(&key)))),
            };
        }
        Ok(Value::from_members(members))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        let steps = self.steps;
        let step = move |(key, value): (Value, Value)| {
            tick(1);
            Ok((key, value.stepped(steps)))
        };
        match self.repr {
            Repr::Arr(array) => Box::new(Items::of(array).enumerate().map(|(index, item)| (Value::from(index), item)).map(step)),
            Repr::Obj(object) => Box::new(Pairs::of(object).map(|(name, value)| (Value::new(Repr::Str(name)), value)).map(step)),
            _ => box_once(Err(cannot_iterate(&self))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        let steps = self.steps;
        let step = move |value: Value| {
            tick(1);
            Ok(value.stepped(steps))
        };
        match self.repr {
            Repr::Arr(array) => Box::new(Items::of(array).map(step)),
            Repr::Obj(object) => Box::new(Pairs::of(object).map(|(_, value)| value).map(step)),
            _ => box_once(Err(cannot_iterate(&self))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        tick(1);
        let steps = self.steps;
        let found = match (&self.repr, &index.repr) {
            (Repr::Obj(object), Repr::Str(name)) => object.members.get(&**name).cloned(),
            (Repr::Arr(array), Repr::Num(_)) => {
                index.as_f64().and_then(|index| position(index.floor(), array.items.len())).and_then(|at| array.items.get(at).cloned())
            }
            (Repr::Null, Repr::Str(_) | Repr::Num(_)) => None,
            (Repr::Arr(array), Repr::Arr(part)) => Some(positions_of(&array.items, &part.items)),
            (Repr::Arr(_) | Repr::Str(_) | Repr::Null, Repr::Obj(_)) => {
                return self.range(index.get("start")..index.get("end"));
            }
            _ => return Err(cannot_index(&self, index)),
        };
        Ok(found.unwrap_or_default().stepped(steps))
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        let steps = self.steps;
        let part = match &self.repr {
            Repr::Null => Value::NULL,
            Repr::Arr(array) => {
                let (start, end) = bounds(range, || array.items.len())?;
                reserve((end - start) * VALUE_BYTES);
                tick((end - start) / 4);
                Value::from_items(array.items[start..end].to_vec())
            }
            Repr::Str(text) => {
                let (start, end) = character_bounds(text, range)?;
                reserve(end - start);
                Value::string(&text[start..end])
            }
            _ => return Err(cannot_slice(&self)),
        };
        Ok(part.stepped(steps))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        updates::all(self, opt, f)
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(self, index: &Self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        updates::one(self, index, opt, f)
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(self, range: Range<&Self>, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        updates::part(self, range, opt, f)
    }

    fn as_bool(&self) -> bool {
        self.is_truthy()
    }

    fn into_string(self) -> Self {
        match self.repr {
            Repr::Str(_) => self,
            _ => Value::string(text_of(&self)),
        }
    }
}

/// The items of an array one by one: moved if nothing else holds the array, so that they can be changed in place.
pub(super) enum Items {
    Own(std::vec::IntoIter<Value>),
    Shared { array: Arc<Array>, next: usize },
}

impl Items {
    pub(super) fn of(array: Arc<Array>) -> Self {
        match Arc::try_unwrap(array) {
            Ok(array) => Items::Own(array.items.into_iter()),
            Err(array) => Items::Shared { array, next: 0 },
        }
    }
}

impl Iterator for Items {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        match self {
            Items::Own(items) => items.next(),
            Items::Shared { array, next } => {
                let item = array.items.get(*next)?.clone();
                *next += 1;
                Some(item)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Items::Own(items) => items.len(),
            Items::Shared { array, next } => array.items.len() - next,
        };
        (left, Some(left))
    }
}

/// The members of an object one by one, as in [`Items`].
pub(super) enum Pairs {
    Own(<Members as IntoIterator>::IntoIter),
    Shared { object: Arc<Object>, next: usize },
}

impl Pairs {
    pub(super) fn of(object: Arc<Object>) -> Self {
        match Arc::try_unwrap(object) {
            Ok(object) => Pairs::Own(object.members.into_iter()),
            Err(object) => Pairs::Shared { object, next: 0 },
        }
    }
}

impl Iterator for Pairs {
    type Item = (Text, Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Pairs::Own(members) => members.next(),
            Pairs::Shared { object, next } => {
                let (name, value) = object.members.get_index(*next)?;
                *next += 1;
                Some((name.clone(), value.clone()))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Pairs::Own(members) => members.len(),
            Pairs::Shared { object, next } => object.members.len() - next,
        };
        (left, Some(left))
    }
}

/// Returns the position of `index` in a sequence of `length`; a negative one counts from the end. `None` before the start, and for nan.
pub(super) fn position(index: f64, length: usize) -> Option<usize> {
    if index.is_nan() {
        None
    } else if index >= 0.0 {
        Some(index as usize)
    } else {
        length.checked_sub(-index as usize)
    }
}

/// Returns start and end of a slice, within the length; the start is never after the end.
pub(crate) fn bounds(range: Range<&Value>, length: impl FnOnce() -> usize) -> Result<(usize, usize), Error<Value>> {
    let bound = |bound: Option<&Value>| match bound {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => Err(Error::str(format_args!("a slice's bound must be a number, not {}", described(value)))),
        },
    };
    let (start, end) = (bound(range.start)?, bound(range.end)?);
    let length = length();
    let start = start.map_or(0, |start| position(start.floor(), length).unwrap_or(0)).min(length);
    let end = end.map_or(length, |end| position(end.ceil(), length).unwrap_or(0)).min(length);
    Ok((start, end.max(start)))
}

/// Returns start and end of a slice in characters, converted to bytes.
pub(super) fn character_bounds(text: &str, range: Range<&Value>) -> Result<(usize, usize), Error<Value>> {
    tick(text.len() / 64);
    let (start, end) = bounds(range, || if text.is_ascii() { text.len() } else { text.chars().count() })?;
    if text.is_ascii() {
        return Ok((start, end));
    }
    let mut offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]);
    let start_byte = offsets.nth(start).unwrap_or(text.len());
    let end_byte = if end > start { offsets.nth(end - start - 1).unwrap_or(text.len()) } else { start_byte };
    Ok((start_byte, end_byte))
}

/// Returns the positions of `part` in `items`.
pub(crate) fn positions_of(items: &[Value], part: &[Value]) -> Value {
    if part.is_empty() {
        return Value::NULL;
    }
    items.windows(part.len()).enumerate().filter(|(_, window)| *window == part).map(|(index, _)| Value::from(index)).collect()
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self.repr {
            Repr::Arr(array) => {
                reserve(array.items.len() * VALUE_BYTES);
                tick(array.items.len() / 4);
                Ok(Items::of(array).collect())
            }
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        self.whole_number().is_some() || matches!(&self.repr, Repr::Num(super::Num::BigInt(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        self.whole_number()
    }

    fn as_f64(&self) -> Option<f64> {
        Value::as_f64(self)
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.repr, Repr::Str(_))
    }

    /// The caller is about to use all of it, and usually makes a copy.
    fn as_bytes(&self) -> Option<&[u8]> {
        let text = self.as_str()?;
        if text.len() > 256 {
            reserve(text.len());
        }
        Some(text.as_bytes())
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::from_utf8_bytes(part.to_vec())
    }

    /// Called with UTF-8 only: natives of jaq that create other bytes are left out of the library, and a test runs all others.
    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Value::string(String::from_utf8_lossy(bytes.as_ref()))
    }
}
