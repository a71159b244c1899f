//! What jaq asks of a value: indexing, iteration, slices, updates.
//!
//! Where jaq and jq differ, this follows jq: null may be updated (`null | .a.b = 1`), an array is padded with nulls (`[] | .[3] = 1`),
//! removing a member keeps the order of the others, and an object's keys are strings.

use std::sync::Arc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValX};

use super::arithmetic::described;
use super::{Array, Members, Object, Repr, Value, convert, depth_over, text_of};
use crate::mapping::limits::MAX_DEPTH;
use crate::mapping::meter::{reserve, tick};

const VALUE_BYTES: usize = size_of::<Value>();

fn cannot_iterate(value: &Value) -> Error<Value> {
    Error::str(format_args!("cannot iterate over {}", described(value)))
}

fn cannot_index(value: &Value, index: &Value) -> Error<Value> {
    let index = if index.as_str().is_some() { super::shortened(index) } else { described(index) };
    Error::str(format_args!("cannot index {} with {index}", described(value)))
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
            Repr::Obj(object) => {
                let pairs = Pairs { object, next: 0 };
                Box::new(pairs.map(|(name, value)| (Value::new(Repr::Str(name)), value)).map(step))
            }
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
            Repr::Obj(object) => Box::new(Pairs { object, next: 0 }.map(|(_, value)| value).map(step)),
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
            _ => return Err(Error::str(format_args!("cannot take a slice of {}", described(&self)))),
        };
        Ok(part.stepped(steps))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match self.repr {
            Repr::Arr(array) => Items::of(array).flat_map(f).collect(),
            Repr::Obj(object) => {
                reserve(object.members.len() * 56);
                let mut members = Members::default();
                for (name, value) in (Pairs { object, next: 0 }) {
                    tick(1);
                    if let Some(value) = f(value).next().transpose()? {
                        members.insert(name, value.stepped(0));
                    }
                }
                Ok(Value::from_members(members))
            }
            _ => opt.fail(self, |value| Exn::from(cannot_iterate(&value))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(self, index: &Self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        tick(1);
        match (self.repr, &index.repr) {
            (Repr::Obj(object), Repr::Str(name)) => update_member(object, name, f),
            (Repr::Null, Repr::Str(name)) => update_member(Arc::new(Object::default()), name, f),
            (Repr::Arr(array), Repr::Num(_)) => update_item(array, index, opt, f),
            (Repr::Null, Repr::Num(_)) => update_item(Arc::new(Array::default()), index, opt, f),
            (repr @ (Repr::Arr(_) | Repr::Str(_) | Repr::Null), Repr::Obj(_)) => {
                Value::new(repr).map_range(index.get("start")..index.get("end"), opt, f)
            }
            (repr, _) => opt.fail(Value::new(repr), |value| Exn::from(cannot_index(&value, index))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(self, range: Range<&Self>, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        let (start, end) = match &self.repr {
            Repr::Arr(array) => bounds(range, || array.items.len())?,
            Repr::Str(text) => character_bounds(text, range)?,
            _ => return opt.fail(self, |value| Exn::from(Error::str(format_args!("cannot take a slice of {}", described(&value))))),
        };
        match self.repr {
            Repr::Arr(mut array) => {
                let part = Value::from_items(array.items[start..end].to_vec());
                let part = f(part).next().transpose()?.unwrap_or_else(|| Value::array([]));
                let Repr::Arr(part) = part.repr else {
                    return Err(Exn::from(Error::str(format_args!("a slice of an array can only become an array, not {}", described(&part)))));
                };
                reserve((array.items.len() + part.items.len()) * VALUE_BYTES);
                let changed = Arc::make_mut(&mut array);
                changed.items.splice(start..end, part.items.iter().cloned());
                changed.depth = changed.depth.max(part.depth);
                Ok(Value::new(Repr::Arr(array)))
            }
            Repr::Str(text) => {
                let part = f(Value::string(&text[start..end])).next().transpose()?.unwrap_or_else(|| Value::string(""));
                let Some(part) = part.as_str() else {
                    return Err(Exn::from(Error::str(format_args!("a slice of a string can only become a string, not {}", described(&part)))));
                };
                reserve(text.len() + part.len());
                Ok(Value::string(format!("{}{part}{}", &text[..start], &text[end..])))
            }
            repr => Ok(Value::new(repr)),
        }
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

/// The items of an array one by one: moved out where nothing else holds the array, so that they can be changed in place.
enum Items {
    Own(std::vec::IntoIter<Value>),
    Shared { array: Arc<Array>, next: usize },
}

impl Items {
    fn of(array: Arc<Array>) -> Self {
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

/// The members of an object one by one.
struct Pairs {
    object: Arc<Object>,
    next: usize,
}

impl Iterator for Pairs {
    type Item = (Arc<String>, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.object.members.get_index(self.next)?;
        self.next += 1;
        Some((name.clone(), value.clone()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.object.members.len() - self.next;
        (left, Some(left))
    }
}

fn update_member<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut object: Arc<Object>,
    name: &Arc<String>,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    if Arc::strong_count(&object) > 1 {
        reserve(object.members.len() * 56);
    }
    let changed = Arc::make_mut(&mut object);
    let old = changed.members.get_mut(&**name).map(std::mem::take);
    let was_there = old.is_some();
    match f(old.unwrap_or_default()).next().transpose()? {
        Some(new) => {
            let depth = new.depth() + 1;
            changed.members.insert(name.clone(), new.stepped(0));
            changed.depth = deeper(changed.depth, depth, || depth_over(changed.members.values()));
        }
        None if was_there => {
            tick(changed.members.len() / 8);
            changed.members.shift_remove(&**name);
        }
        None => {}
    }
    Ok(Value::new(Repr::Obj(object)))
}

fn update_item<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut array: Arc<Array>,
    index: &Value,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    let length = array.items.len();
    let Some(at) = index.as_f64().and_then(|index| position(index.floor(), length)) else {
        return opt.fail(Value::new(Repr::Arr(array)), |_| Exn::from(Error::str(format_args!("the index {index} is before the start of the array"))));
    };
    if Arc::strong_count(&array) > 1 {
        reserve(length * VALUE_BYTES);
    }
    let changed = Arc::make_mut(&mut array);
    let old = changed.items.get_mut(at).map(std::mem::take);
    match f(old.unwrap_or_default()).next().transpose()? {
        Some(new) => {
            if at >= changed.items.len() {
                reserve(at.saturating_mul(VALUE_BYTES));
                changed.items.resize(at + 1, Value::NULL);
            }
            let depth = new.depth() + 1;
            if let Some(place) = changed.items.get_mut(at) {
                *place = new.stepped(0);
            }
            changed.depth = deeper(changed.depth, depth, || depth_over(changed.items.iter()));
        }
        None if at < changed.items.len() => {
            tick((changed.items.len() - at) / 8);
            changed.items.remove(at);
        }
        None => {}
    }
    Ok(Value::new(Repr::Arr(array)))
}

fn deeper(depth: u32, with: u32, exact: impl FnOnce() -> u32) -> u32 {
    if with <= MAX_DEPTH { depth.max(with) } else { exact() }
}

/// Where `index` points in something of `length`; negative counts from the end. `None` before the start, and for nan.
fn position(index: f64, length: usize) -> Option<usize> {
    if index.is_nan() {
        None
    } else if index >= 0.0 {
        Some(index as usize)
    } else {
        length.checked_sub(-index as usize)
    }
}

/// Start and end of a slice, within the length; the start is never after the end.
fn bounds(range: Range<&Value>, length: impl FnOnce() -> usize) -> Result<(usize, usize), Error<Value>> {
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

/// As [`bounds`], in characters, given back in bytes.
fn character_bounds(text: &str, range: Range<&Value>) -> Result<(usize, usize), Error<Value>> {
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

/// Where `part` begins in `items`.
pub(in crate::mapping) fn positions_of(items: &[Value], part: &[Value]) -> Value {
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

    /// Whoever asks is about to work on all of it, and most make a copy.
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

    /// What is not UTF-8 becomes U+FFFD: a string that is not UTF-8 could not be written as JSON.
    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Value::string(String::from_utf8_lossy(bytes.as_ref()))
    }
}
