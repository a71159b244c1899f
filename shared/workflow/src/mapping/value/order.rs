//! Equality and order: jq's order over all values (null, false, true, numbers, strings, arrays, objects).
//!
//! jaq's would walk a value without ever asking the meter, and a value of 60 shared levels has 2^60 leaves.

use std::cmp::Ordering;

use super::{Members, Num, Repr, Value};
use crate::mapping::meter::tick;

const BYTES_PER_TICK: usize = 256;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        tick(1);
        match (&self.repr, &other.repr) {
            (Repr::Null, Repr::Null) => true,
            (Repr::Bool(left), Repr::Bool(right)) => left == right,
            (Repr::Num(left), Repr::Num(right)) => !is_nan(left) && left == right,
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

/// `nan == nan` is false, as in jq; Rust asks for `Eq` where it asks for `Ord`, and nothing here builds on it.
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

pub(in crate::mapping) fn is_nan(number: &Num) -> bool {
    matches!(number, Num::Float(float) if float.is_nan())
}

/// nan is less than every other number and, unlike in jq, not less than itself: a sort needs a total order.
fn compare_numbers(left: &Num, right: &Num) -> Ordering {
    match (is_nan(left), is_nan(right)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => left.cmp(right),
    }
}

/// First by the sorted names, then by the values in the order of the names.
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
