//! The JSON Schema of connections.

use super::DECLARATIONS;
use super::described::{authority, certificate};
use crate::published::described::name;
use crate::published::{KindSchema, exactly_one};
use serde_json::{Map, Value, json};

/// Returns the schema of a connection, of which the schema of each kind is a part.
pub(crate) fn schema() -> KindSchema {
    let mut properties = fields_of_all();
    let mut definitions = Map::from_iter([("secret".to_owned(), secret_schema()), ("serverTrust".to_owned(), server_trust())]);
    for declared in &DECLARATIONS {
        let KindSchema { field, definitions: more } = (declared.schema)();
        properties.insert(declared.name.to_owned(), field);
        definitions.extend(more);
    }
    let connection = json!({
        "description": "Named credentials for a remote system.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": ["tenant", "connection"],
        "oneOf": exactly_one(&DECLARATIONS.each_ref().map(|declared| declared.name))
    });
    definitions.shift_insert(0, "connection".to_owned(), connection);
    KindSchema { field: json!({ "$ref": "#/$defs/connection" }), definitions }
}

fn fields_of_all() -> Map<String, Value> {
    let fields = json!({
        "tenant": name("The tenant that owns it."),
        "connection": name("Its name within the tenant."),
        "description": { "description": "For people.", "type": "string" },
        "enabled": { "description": "Steps on a connection that is not enabled fail.", "type": "boolean", "default": true }
    });
    if let Value::Object(fields) = fields { fields } else { Map::new() }
}

fn secret_schema() -> Value {
    let looked_up = |field: &str, about: &str| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": [field],
            "properties": { field: { "description": about, "type": "string" } }
        })
    };
    json!({
        "description": "A secret: as text, from an environment variable of the one who applies the file, or from a file.",
        "oneOf": [{ "type": "string" }, looked_up("env", "Name of the environment variable."), looked_up("file", "Path of the file.")]
    })
}

fn server_trust() -> Value {
    json!({
        "description": "Which certificate the server must show.",
        "type": "object",
        "additionalProperties": false,
        "properties": { "authority": authority(), "certificate": certificate() },
        "oneOf": exactly_one(&["authority", "certificate"])
    })
}
