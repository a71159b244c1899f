//! Natives of the table functions in tables.jq.

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

/// Returns a text that is the same for all equal values.
fn key_of(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    write_key(value, &mut key);
    key
}

/// Converts an array of `{ key, row }` to an array of `{ key, rows }`, in the order of the first occurrence of keys. Equal keys count as
/// one: `1` and `1.0` are the same key, which is shown in its first form.
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
