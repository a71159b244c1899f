//! What the functions on tables in tables.jq are built on.

use std::collections::HashMap;

use jaq_core::ValR;
use jaq_core::native::v;

use super::Function;
use super::arguments::{misfit, nullary};
use crate::meter::{reserve, tick};
use crate::value::{Value, write_key};

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("grouped_rows", v(0), |cv| nullary(cv, grouped_rows)),
        ("join_key", v(0), |cv| nullary(cv, |value| Ok(Value::string(String::from_utf8(key_of(value)).unwrap_or_default())))),
    ]
}

/// A text that is the same for all values that are equal.
fn key_of(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    write_key(value, &mut key);
    key
}

/// Of an array of `{ key, row }` an array of `{ key, rows }`, in the order in which the keys first come. Keys are the same when they
/// are equal: `1` and `1.0` are one key, which is shown as it first came.
fn grouped_rows(value: &Value) -> ValR<Value> {
    let pairs = value.as_array().ok_or_else(|| misfit("grouped_rows", "an array", value))?;
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    for pair in pairs {
        tick(4);
        let key = pair.get("key").cloned().unwrap_or_default();
        let text = key_of(&key);
        reserve(text.len() + 64);
        let place = *places.entry(text).or_insert(groups.len());
        if place == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[place].1.push(pair.get("row").cloned().unwrap_or_default());
    }
    let groups = groups.into_iter().map(|(key, rows)| Value::object([("key", key), ("rows", Value::array(rows))]));
    Ok(groups.collect())
}
