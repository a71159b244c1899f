//! The JSON Schema of documents, by which editors complete and check them. What it cannot say, the reader still checks.
//!
//! A kind declares its part beside its reader; `base.json` has what is of no kind.

pub(crate) mod described;
#[cfg(test)]
pub(crate) mod tests;

use crate::definition::steps;
use crate::{authentication, connection};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The part of the schema that a kind, or all kinds of one sort, add.
pub(crate) struct KindSchema {
    /// The schema of the field that is the kind's.
    pub(crate) field: Value,
    /// The definitions that it refers to, by their names in `$defs`.
    pub(crate) definitions: Map<String, Value>,
}

impl KindSchema {
    /// Joins the field with the definitions, given as an object.
    pub(crate) fn new(field: Value, definitions: Value) -> Self {
        let definitions = if let Value::Object(definitions) = definitions { definitions } else { Map::new() };
        Self { field, definitions }
    }
}

/// A part of the schema, and its place.
struct Part {
    /// The definition that its definitions follow.
    after: &'static str,
    /// Where its field stands, as a JSON pointer.
    field: &'static str,
    schema: KindSchema,
}

fn parts() -> [Part; 2] {
    [
        Part { after: "webhook", field: "/$defs/webhook/properties/authentication", schema: authentication::schema() },
        Part { after: "stop", field: "/then", schema: connection::schema() },
    ]
}

/// JSON Schema (2020-12) of a definition, a connection or an alert, as JSON text.
#[must_use]
pub fn document_schema() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", assembled()));
    &TEXT
}

fn base() -> Value {
    // The file is part of the program, and a test reads it.
    serde_json::from_str(include_str!("base.json")).unwrap_or_default()
}

fn assembled() -> Value {
    let mut schema = base();
    add_steps(&mut schema);
    for Part { after, field, schema: part } in parts() {
        if let Some(place) = schema.pointer_mut(field) {
            *place = part.field;
        }
        add_definitions(&mut schema, after, part.definitions);
    }
    schema
}

/// A step has the fields that all steps have, and exactly one field of a kind.
fn add_steps(schema: &mut Value) {
    let mut definitions = Map::new();
    for (kind, part) in steps::schemas() {
        if let Some(Value::Object(fields)) = schema.pointer_mut("/$defs/step/properties") {
            fields.insert(kind.to_owned(), part.field);
        }
        if let Some(Value::Array(choices)) = schema.pointer_mut("/$defs/step/oneOf") {
            choices.push(json!({ "required": [kind] }));
        }
        definitions.extend(part.definitions);
    }
    add_definitions(schema, "step", definitions);
}

/// Adds definitions behind the one of the name `after`.
fn add_definitions(schema: &mut Value, after: &str, definitions: Map<String, Value>) {
    let Some(Value::Object(all)) = schema.get_mut("$defs") else { return };
    let place = all.keys().position(|name| name == after).map_or(all.len(), |place| place + 1);
    for (index, (name, definition)) in definitions.into_iter().enumerate() {
        all.shift_insert(place + index, name, definition);
    }
}

/// The choices of an object that has exactly one of these fields.
pub(crate) fn exactly_one(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "required": [name] })).collect()
}
