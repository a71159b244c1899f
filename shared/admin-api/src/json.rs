//! Readers of fields. Values are read so that a number keeps the text that it was written with.

use forebay_contract::json::value;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Reads a value that may be null: `None` stands for an absent field (with `#[serde(default)]`).
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    value(deserializer).map(Some)
}

/// Reads one object as two types, each of which has some of its fields: the opposite of `#[serde(flatten)]`, which cannot read numbers here.
pub(crate) fn both<'de, D: Deserializer<'de>, A: DeserializeOwned, B: DeserializeOwned>(deserializer: D) -> Result<(A, B), D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let first = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
    Ok((first, serde_json::from_str(raw.get()).map_err(D::Error::custom)?))
}

/// Reads a whole number, also in the form `3.0`, which is an integer in JSON Schema.
///
/// # Errors
/// The number is not whole, or does not fit into `N`.
pub(crate) fn whole<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let whole = number
        .as_i64()
        .or_else(|| number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15).map(|number| number as i64));
    whole
        .and_then(|whole| N::try_from(whole).ok())
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("{number} is not a whole number in its range")))
}
