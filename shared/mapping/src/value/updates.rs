//! Updates along a path: `|=`, `=`, `+=` and `del`, one level of a value at a time.
//!
//! The first output of `f` replaces the value; if there is none, the place is removed.

use std::sync::Arc;

use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValX};

use super::paths::{Items, Pairs, VALUE_BYTES, bounds, cannot_index, cannot_iterate, cannot_slice, character_bounds, position};
use super::{Array, MEMBER_BYTES, Members, Object, Repr, Text, Value, depth_over, described};
use crate::limits::MAX_DEPTH;
use crate::meter::{reserve, tick};

/// Updates each item or member.
pub(super) fn all<'a, I: Iterator<Item = ValX<'a, Value>>>(value: Value, opt: Opt, f: impl Fn(Value) -> I) -> ValX<'a, Value> {
    match value.repr {
        Repr::Arr(array) => Items::of(array).flat_map(f).collect(),
        Repr::Obj(object) => {
            reserve(object.members.len() * MEMBER_BYTES);
            let mut members = Members::default();
            for (name, value) in Pairs::of(object) {
                tick(1);
                if let Some(value) = f(value).next().transpose()? {
                    members.insert(name, value.stepped(0));
                }
            }
            Ok(Value::from_members(members))
        }
        _ => opt.fail(value, |value| Exn::from(cannot_iterate(&value))),
    }
}

/// Updates the item or member at `index`. Null becomes an array or object with such an index.
pub(super) fn one<'a, I: Iterator<Item = ValX<'a, Value>>>(
    value: Value,
    index: &Value,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    tick(1);
    match (value.repr, &index.repr) {
        (Repr::Obj(object), Repr::Str(name)) => update_member(object, name, f),
        (Repr::Null, Repr::Str(name)) => update_member(Arc::new(Object::default()), name, f),
        (Repr::Arr(array), Repr::Num(_)) => update_item(array, index, opt, f),
        (Repr::Null, Repr::Num(_)) => update_item(Arc::new(Array::default()), index, opt, f),
        (repr @ (Repr::Arr(_) | Repr::Str(_) | Repr::Null), Repr::Obj(_)) => {
            part(Value::new(repr), index.get("start")..index.get("end"), opt, f)
        }
        (repr, _) => opt.fail(Value::new(repr), |value| Exn::from(cannot_index(&value, index))),
    }
}

/// Updates a slice.
pub(super) fn part<'a, I: Iterator<Item = ValX<'a, Value>>>(
    value: Value,
    range: Range<&Value>,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    let (start, end) = match &value.repr {
        Repr::Arr(array) => bounds(range, || array.items.len())?,
        Repr::Str(text) => character_bounds(text, range)?,
        _ => return opt.fail(value, |value| Exn::from(cannot_slice(&value))),
    };
    match value.repr {
        Repr::Arr(mut array) => {
            reserve((end - start) * VALUE_BYTES);
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

fn update_member<'a, I: Iterator<Item = ValX<'a, Value>>>(mut object: Arc<Object>, name: &Text, f: impl Fn(Value) -> I) -> ValX<'a, Value> {
    if Arc::strong_count(&object) > 1 {
        reserve(object.members.len() * MEMBER_BYTES);
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
        return opt.fail(Value::new(Repr::Arr(array)), |_| {
            Exn::from(Error::str(format_args!("the index {index} is before the start of the array")))
        });
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
