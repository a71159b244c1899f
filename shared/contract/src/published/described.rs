//! JSON Schemas of fields that several kinds have. `about` is the description of a field.

use serde_json::{Value, json};

/// Returns the schema of a mapping; a number or a boolean is also one.
pub(crate) fn mapping(about: &str) -> Value {
    json!({ "description": format!("{about} A jq program."), "type": ["string", "number", "boolean"] })
}

/// Returns the schema of a template.
pub(crate) fn template(about: &str) -> Value {
    json!({ "description": format!("{about} A template: text with ${{ jq }} inside."), "type": "string" })
}

/// Returns the schema of templates by name.
pub(crate) fn templates(about: &str) -> Value {
    json!({
        "description": format!("{about} Names with templates: text with ${{ jq }} inside."),
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] }
    })
}

/// Returns the schema of the name of a tenant, an integration or a connection.
pub(crate) fn name(about: &str) -> Value {
    json!({
        "description": format!("{about} 1 to 64 of the characters A-Z a-z 0-9 _ -"),
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$"
    })
}

/// Returns the schema of a duration, written as a whole number and a unit.
pub(crate) fn duration(about: &str) -> Value {
    json!({
        "description": format!("{about} A whole number and a unit, such as 500ms, 30s, 15m, 2h or 14d."),
        "type": "string",
        "pattern": r"^\s*[0-9]+(ms|s|m|h|d)\s*$"
    })
}

/// Returns the schema of a duration with its default.
pub(crate) fn duration_with_default(about: &str, default: &str) -> Value {
    let mut field = duration(about);
    field["default"] = json!(default);
    field
}
