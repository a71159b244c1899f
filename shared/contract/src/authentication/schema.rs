//! The JSON Schema of `authentication`.

use super::{Authentication, DECLARATIONS, Written};
use crate::published::{KindSchema, exactly_one};
use serde_json::{Map, json};

/// Returns the schema of the field `authentication` of a webhook.
pub(crate) fn schema() -> KindSchema {
    let (mut words, mut names, mut properties, mut definitions) = (Vec::new(), Vec::new(), Map::new(), Map::new());
    for declared in &DECLARATIONS {
        let name = declared.choice.name;
        match declared.written {
            Written::Word(_) => words.push(name),
            Written::Object(_, schema) => {
                let KindSchema { field, definitions: more } = schema();
                names.push(name);
                properties.insert(name.to_owned(), field);
                definitions.extend(more);
            }
        }
    }
    let signed = json!({
        "description": "Calls are signed with a signing key.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "oneOf": exactly_one(&names)
    });
    definitions.shift_insert(0, "signed".to_owned(), signed);
    let field = json!({
        "description": "Who may call: the holder of an API key, who signs with a signing key, or everybody.",
        "oneOf": [{ "enum": words }, { "$ref": "#/$defs/signed" }],
        "default": Authentication::usual().name()
    });
    KindSchema { field, definitions }
}
