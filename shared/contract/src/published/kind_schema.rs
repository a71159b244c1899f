//! The part of the JSON Schema that a kind declares next to its reader.

use serde_json::{Map, Value, json};

/// The part of the schema that belongs to a kind, or to all kinds of one sort.
pub(crate) struct KindSchema {
    /// The schema of the kind's field.
    pub(crate) field: Value,
    /// The definitions that it refers to, by their names in `$defs`.
    pub(crate) definitions: Map<String, Value>,
}

impl KindSchema {
    /// Creates a part from the field and the definitions, which are given as an object.
    pub(crate) fn new(field: Value, definitions: Value) -> Self {
        let definitions = if let Value::Object(definitions) = definitions { definitions } else { Map::new() };
        Self { field, definitions }
    }
}

/// Returns the choices of an object that has exactly one of these fields.
pub(crate) fn exactly_one(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "required": [name] })).collect()
}
