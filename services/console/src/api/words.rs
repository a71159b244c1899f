//! What a text of a request must be, for the document: by the name of the field or parameter that holds it, which means the same everywhere.

use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_store::Role;
use serde_json::{Map, Value, json};

const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";
/// A tenant, or all of them.
const SCOPE: &str = r"^(\*|[A-Za-z0-9_-]{1,64})$";
/// As `forebay_contract::parse_duration` reads it.
const DURATION: &str = "^[0-9]{1,9}(ms|s|m|h|d)$";
/// Not empty, without control characters.
const LABEL: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
/// The last digit holds what is left of 192 bits.
const EXECUTION_ID: &str = "^[0-9a-vA-V]{38}[08goGO]$";

/// The rule of a part of an address.
pub(super) fn of_path(path: &str, name: &str) -> Value {
    let collection = path.trim_start_matches("/api/v1/").split('/').next().unwrap_or_default();
    match (name, collection) {
        ("id", "keys" | "users" | "tokens") => json!({ "type": "string", "format": "uuid" }),
        ("id", "executions") => json!({ "type": "string", "pattern": EXECUTION_ID }),
        ("id", _) => json!({ "type": "string", "minLength": 1 }),
        _ => json!({ "type": "string", "pattern": NAME }),
    }
}

/// The rule of a parameter of a query.
pub(super) fn of_query(path: &str, name: &str) -> Value {
    match (name, path) {
        ("limit", _) => json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
        ("include", _) => json!({ "type": "string", "enum": ["source"] }),
        ("cursor", "/api/v1/executions") => json!({ "type": "string", "pattern": EXECUTION_ID }),
        ("cursor", "/api/v1/audit") => json!({ "type": "string", "pattern": "^[0-9]{1,18}$" }),
        // Of a search, not of something that is made.
        ("label", _) => json!({ "type": "string" }),
        _ => of_text(name).unwrap_or_else(|| json!({ "type": "string" })),
    }
}

/// Adds the rules to the fields of a body.
pub(super) fn narrow(type_name: &str, schema: &mut Value) {
    let Some(Value::Object(fields)) = schema.get_mut("properties") else { return };
    for (name, field) in fields {
        match (type_name, name.as_str()) {
            ("RetryMany", "limit") => (field["minimum"], field["maximum"]) = (json!(1), json!(100)),
            ("RollbackTo", "to") => (field["minimum"], field["maximum"]) = (json!(1), json!(i32::MAX)),
            ("RetryMany", "cursor") => field["pattern"] = json!(EXECUTION_ID),
            ("RetryMany", "label") => {}
            ("KeyChange", "lasts") => field["pattern"] = json!("^([0-9]{1,9}(ms|s|m|h|d)|never)$"),
            ("NewUser", "name") => {
                (field["minLength"], field["maxLength"], field["pattern"]) = (json!(1), json!(200), json!(r"^[^\s\x00-\x1f\x7f-\x9f]+$"))
            }
            (_, "payloadBytes") => {
                field["anyOf"] = json!([{ "type": "integer", "minimum": 0, "maximum": super::people::MAX_PAYLOAD_BYTES }, { "const": "all" }, { "type": "null" }]);
            }
            (_, "document") => field["type"] = json!("object"),
            (_, "grants") => {
                (field["propertyNames"], field["additionalProperties"]) = (json!({ "pattern": SCOPE }), json!(of_text("role")));
            }
            (_, "integrations") => field["items"] = json!({ "type": "string", "pattern": NAME }),
            ("NewToken", "tenants") => {
                (field["items"], field["minItems"]) = (json!({ "type": "string", "pattern": SCOPE }), json!(1));
            }
            _ => add_text(name, field),
        }
    }
}

fn add_text(name: &str, field: &mut Value) {
    let is_text = field["type"] == "string" || field["type"].as_array().is_some_and(|types| types.contains(&json!("string")));
    let (true, Some(Value::Object(rule)), Some(field)) = (is_text, of_text(name), field.as_object_mut()) else { return };
    let is_nullable = field["type"].is_array();
    for (word, mut value) in rule {
        match word.as_str() {
            "type" => continue,
            "enum" | "anyOf" if is_nullable => {
                let null = if word == "enum" { Value::Null } else { json!({ "type": "null" }) };
                value.as_array_mut().into_iter().for_each(|values| values.push(null.clone()));
            }
            _ => {}
        }
        field.insert(word, value);
    }
}

fn of_text(name: &str) -> Option<Value> {
    let text = |rules: Value| {
        let mut rule = Map::from_iter([("type".to_owned(), json!("string"))]);
        rule.extend(rules.as_object().cloned().unwrap_or_default());
        Some(Value::Object(rule))
    };
    match name {
        "tenant" | "integration" => text(json!({ "pattern": NAME })),
        "since" | "until" | "from" | "to" => {
            text(json!({ "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "string", "pattern": DURATION }] }))
        }
        "lasts" | "for" | "step" => text(json!({ "pattern": DURATION })),
        "label" => text(json!({ "minLength": 1, "maxLength": 200, "pattern": LABEL })),
        "status" => {
            let words = ExecutionStatus::ALL.map(ExecutionStatus::as_str).join("|");
            text(json!({ "pattern": format!("^({words})(,({words}))*$") }))
        }
        "error" => text(json!({ "enum": ErrorCode::ALL.map(ErrorCode::as_str) })),
        "docs" => text(json!({ "enum": ["open", "key", "off"] })),
        "role" => text(json!({ "enum": Role::ALL.map(Role::as_str) })),
        "password" => text(json!({ "minLength": 12, "maxLength": 200 })),
        "fullName" => text(json!({ "maxLength": 200, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$" })),
        "key" => text(json!({ "minLength": 16, "maxLength": 512, "pattern": "^[!-~]+$" })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_may_be_null_stays_so() {
        let mut schema = json!({ "properties": { "error": { "type": ["string", "null"] }, "label": { "type": "string" } } });
        narrow("NewKey", &mut schema);
        assert!(schema["properties"]["error"]["enum"].as_array().unwrap().contains(&Value::Null));
        assert_eq!(schema["properties"]["label"]["maxLength"], 200);
    }
}
