//! The JSON Schema of documents, with which editors complete and check them. The reader checks additional rules that a schema cannot
//! express.
//!
//! A kind declares its part next to its reader; `base.json` has the parts that belong to no kind.

pub(crate) mod described;
mod kind_schema;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use kind_schema::{KindSchema, exactly_one};

use crate::definition::steps;
use crate::{authentication, connection};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// A part of the schema, and its place.
struct Part {
    /// The definition after which its definitions are inserted.
    after: &'static str,
    /// The place of its field, as a JSON pointer.
    field: &'static str,
    schema: KindSchema,
}

fn parts() -> [Part; 2] {
    [
        Part { after: "webhook", field: "/$defs/webhook/properties/authentication", schema: authentication::schema() },
        Part { after: "stop", field: "/then", schema: connection::schema() },
    ]
}

/// Returns the JSON Schema (2020-12) of a definition, a connection or an alert rule, as JSON text.
#[must_use]
pub fn document_schema() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", assembled()));
    &TEXT
}

fn base() -> Value {
    // The file is part of the program, and a test parses it.
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

/// Adds the steps: a step has the fields that all steps have, and exactly one field of a kind.
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

/// Adds definitions after the one named `after`.
fn add_definitions(schema: &mut Value, after: &str, definitions: Map<String, Value>) {
    let Some(Value::Object(all)) = schema.get_mut("$defs") else { return };
    let place = all.keys().position(|name| name == after).map_or(all.len(), |place| place + 1);
    for (index, (name, definition)) in definitions.into_iter().enumerate() {
        all.shift_insert(place + index, name, definition);
    }
}
