//! OpenAPI 3.1 of a tenant's endpoints.

use super::answers::{Answer, AnswerKind, answers};
use super::endpoint::Endpoint;
use forebay_contract::authentication::{ApiKey, AuthenticationType, OutcomeReaders, SecurityScheme};
use forebay_contract::body::BodyRule;
use forebay_contract::definition::{IdempotencyMatch, QueryKind};
use serde_json::{Map, Value, json};

const PROBLEM: &str = "application/problem+json";

/// Returns the whole document. Paths begin at the root, so the server is a relative address and the document is the same for all readers.
pub(super) fn document(tenant: &str, endpoints: &[Endpoint<'_>]) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = format!("/{tenant}/{}", endpoint.definition.name);
        paths.insert(path.clone(), path_item(*endpoint));
        paths.insert(format!("{path}/executions/{{executionId}}"), executions(*endpoint));
    }
    let mut security_schemes = Map::new();
    let of_outcomes = endpoints.iter().flat_map(|endpoint| outcome_schemes(*endpoint));
    let of_calls = endpoints.iter().flat_map(|endpoint| endpoint.webhook.authentication.security_schemes());
    for SecurityScheme { name, scheme } in of_outcomes.chain(of_calls) {
        security_schemes.insert(name, scheme);
    }
    // Each change of a definition is a new version, so the sum grows with every change and is the same on every replica.
    let version: i64 = endpoints.iter().map(|endpoint| i64::from(endpoint.version)).sum();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": tenant,
            "version": version.to_string(),
            "description": format!("The integrations of {tenant}. A call that was answered with 202 is stored durably and will be executed."),
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "securitySchemes": security_schemes, "schemas": schemas(), "headers": headers(), "parameters": parameters() },
    })
}

/// Returns the schemes with which a caller may read the outcome of a call.
fn outcome_schemes(endpoint: Endpoint<'_>) -> Vec<SecurityScheme> {
    match endpoint.webhook.authentication.outcome_readers() {
        OutcomeReaders::Anybody => Vec::new(),
        OutcomeReaders::KeyHolders => ApiKey.security_schemes(),
    }
}

/// Requires one of the schemes.
fn any_of(schemes: &[SecurityScheme]) -> Value {
    schemes.iter().map(|scheme| json!({ &scheme.name: [] })).collect()
}

fn path_item(endpoint: Endpoint<'_>) -> Value {
    let mut item = Map::new();
    for method in &endpoint.webhook.methods {
        item.insert(method.as_str().to_ascii_lowercase(), operation(endpoint, method.as_str()));
    }
    Value::Object(item)
}

fn operation(endpoint: Endpoint<'_>, method: &str) -> Value {
    let Endpoint { definition, webhook, .. } = endpoint;
    let mut parameters: Vec<Value> = webhook.query.iter().map(query_parameter).collect();
    if webhook.idempotency.key.is_none() {
        let name = match webhook.idempotency.matched_by {
            IdempotencyMatch::Request => "IdempotencyKey",
            IdempotencyMatch::Key => "IdempotencyKeyAlone",
        };
        parameters.push(json!({ "$ref": format!("#/components/parameters/{name}") }));
    }
    parameters.push(json!({ "$ref": "#/components/parameters/Prefer" }));
    let mut operation = json!({
        "operationId": format!("{}_{}", definition.name, method.to_ascii_lowercase()),
        "summary": definition.name.as_str(),
        "description": definition.description,
        "parameters": parameters,
        "responses": answers(endpoint).iter().map(|answer| (answer.status.clone(), response(answer))).collect::<Map<_, _>>(),
        "security": any_of(&endpoint.webhook.authentication.security_schemes()),
    });
    // RFC 9110, section 9.3.1: content of a GET has no defined meaning, so no client should be generated that sends one.
    if method != "GET" {
        operation["requestBody"] = request_body(endpoint);
    }
    operation
}

fn query_parameter(parameter: &forebay_contract::definition::QueryParameter) -> Value {
    let mut schema = json!({ "type": parameter.kind.as_str() });
    if parameter.kind == QueryKind::Integer {
        schema["format"] = json!("int64");
    }
    if let Some(default) = &parameter.default {
        schema["default"] = default.clone();
    }
    let mut written = json!({ "name": parameter.name, "in": "query", "required": parameter.required, "schema": schema });
    if !parameter.description.is_empty() {
        written["description"] = json!(parameter.description);
    }
    written
}

fn request_body(endpoint: Endpoint<'_>) -> Value {
    let webhook = endpoint.webhook;
    let mut description = format!("At most {} bytes, both as sent and after its Content-Encoding is decoded.", endpoint.max_bytes);
    if let Some(rule) = rule_text(&webhook.body) {
        description.push(' ');
        description.push_str(&rule);
    }
    let media_type = webhook.body.content_type();
    let content = match (&webhook.schema, media_type) {
        (Some(schema), media_type) => json!({ media_type.unwrap_or("application/json"): { "schema": embedded(endpoint, schema) } }),
        (None, Some(media_type)) => json!({ media_type: {} }),
        (None, None) => json!({ "application/json": { "schema": true }, "*/*": {} }),
    };
    json!({ "description": description, "content": content, "required": webhook.schema.is_some() })
}

/// Returns the content type as which an endpoint reads bodies, if it overrides the caller's.
pub(super) fn rule_text(rule: &BodyRule) -> Option<String> {
    let mut rules = Vec::new();
    if let Some(content_type) = rule.content_type() {
        rules.push(format!("as {content_type}"));
    }
    if let Some(charset) = rule.charset() {
        rules.push(format!("in the charset {}", charset.name()));
    }
    if let Some(separator) = rule.separator() {
        let separator = char::from(separator);
        rules.push(match separator {
            '\t' => "with a tab between the fields of CSV".to_owned(),
            separator => format!("with '{separator}' between the fields of CSV"),
        });
    }
    (!rules.is_empty()).then(|| format!("It is read {}; the Content-Type of the call is ignored.", rules.join(", ")))
}

/// Embeds a schema. A schema with references gets its own base address, since `#/...` would otherwise refer to the whole document.
fn embedded(endpoint: Endpoint<'_>, schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(fields) = &mut schema
        && !fields.contains_key("$id")
        && has_reference(&Value::Object(fields.clone()))
    {
        fields.insert("$id".to_owned(), json!(format!("https://forebay.dev/bodies/{}", endpoint.definition.path())));
    }
    schema
}

fn has_reference(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(name, value)| name == "$ref" || name == "$dynamicRef" || has_reference(value)),
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}

fn response(answer: &Answer) -> Value {
    let content = match answer.kind {
        AnswerKind::Accepted => json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Accepted" } } }),
        AnswerKind::OfWorkflow => json!({ "*/*": {} }),
        AnswerKind::Problem => json!({ PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } } }),
    };
    let headers: Map<String, Value> =
        answer.headers.iter().map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))).collect();
    json!({ "description": answer.meaning, "headers": headers, "content": content })
}

/// Describes `GET /{tenant}/{name}/executions/{id}`.
fn executions(endpoint: Endpoint<'_>) -> Value {
    let problem =
        |meaning: &str| response(&Answer { status: String::new(), meaning: meaning.to_owned(), kind: AnswerKind::Problem, headers: &[] });
    let readers = endpoint.webhook.authentication.outcome_readers();
    let mut responses = json!({
        "200": {
            "description": "The state of the execution.",
            "headers": { "Forebay-Execution-Id": { "$ref": "#/components/headers/Forebay-Execution-Id" } },
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Execution" } } },
        },
        "404": problem(match readers {
            OutcomeReaders::KeyHolders => {
                "No execution with this id was accepted here, it is older than the retention of the history, or it was called with another API key."
            }
            OutcomeReaders::Anybody => "No execution with this id was accepted here, or it is older than the retention of the history.",
        }),
        "503": problem("The history cannot be read at the moment."),
    });
    let refusals = match readers {
        OutcomeReaders::KeyHolders => ApiKey.refusals(),
        OutcomeReaders::Anybody => &[],
    };
    for refusal in refusals {
        responses[refusal.status.to_string()] = problem(refusal.meaning);
    }
    let id = json!({ "name": "executionId", "in": "path", "required": true, "schema": { "type": "string" } });
    json!({ "get": {
        "operationId": format!("{}_execution", endpoint.definition.name),
        "summary": format!("An execution of {}", endpoint.definition.name),
        "parameters": [id],
        "responses": responses,
        "security": any_of(&outcome_schemes(endpoint)),
    } })
}

fn schemas() -> Value {
    json!({
        "Accepted": {
            "type": "object",
            "required": ["executionId", "status"],
            "properties": { "executionId": { "type": "string" }, "status": { "const": "queued" } },
        },
        "Execution": {
            "type": "object",
            "required": ["executionId", "status"],
            "properties": {
                "executionId": { "type": "string" },
                "status": { "enum": ["queued", "running", "succeeded", "failed", "expired"] },
                "attempts": { "type": "integer" },
                "error": { "type": "object", "properties": { "code": { "type": "string" }, "step": { "type": ["string", "null"] } } },
                "response": {
                    "type": "object",
                    "description": "The response of the workflow, whether or not a caller received it.",
                    "properties": { "status": { "type": "integer" }, "headers": { "type": "object" }, "body": true },
                },
            },
        },
        "Problem": {
            "description": "RFC 9457. `type` never changes once it is published.",
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": { "type": "string", "format": "uri" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
            },
        },
    })
}

fn headers() -> Value {
    let header = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "Location": header("The address of the execution's outcome."),
        "Forebay-Execution-Id": header("The execution's id."),
        "Preference-Applied": header("The preference that was followed (RFC 7240)."),
        "Idempotent-Replayed": header("`true` if this is the response to an earlier call with the same idempotency key."),
        "Retry-After": header("Seconds after which to try again."),
        "WWW-Authenticate": header("How to authenticate."),
        "Accept-Encoding": header("The content encodings that are supported."),
    })
}

fn parameters() -> Value {
    let idempotency_key = |description: &str| {
        json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" },
            "description": description,
        })
    };
    json!({
        "IdempotencyKey": idempotency_key(
            "A call that is sent again with the same key and the same request is not executed again: it gets the response of the first execution.",
        ),
        "IdempotencyKeyAlone": idempotency_key(
            "Of all calls with the same key, also with different requests, one is executed. The others get its response.",
        ),
        "Prefer": {
            "name": "Prefer", "in": "header", "required": false, "schema": { "type": "string" },
            "description": "RFC 7240: `respond-async` for 202 at once, `wait=n` to wait at most n seconds.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::definition::{Definition, documents};

    #[test]
    fn the_type_that_a_definition_reads_bodies_by_is_in_the_document() {
        let yaml = "tenant: t1\nname: a\ntrigger: { webhook: { methods: [POST], body: {
            content_type: text/csv, charset: windows-1252, separator: ';' } } }\n";
        let definition = Definition::from_value(&documents(yaml).unwrap()[0]).unwrap();
        let webhook = definition.trigger.webhook().unwrap();
        let document = document("t1", &[Endpoint { definition: &definition, webhook, version: 3, max_bytes: 1000 }]);
        let body = &document["paths"]["/t1/a"]["post"]["requestBody"];
        assert_eq!(body["content"], json!({ "text/csv": {} }));
        let description = body["description"].as_str().unwrap();
        let expected = "It is read as text/csv, in the charset windows-1252, with ';' between the fields of CSV; the Content-Type of the call is ignored.";
        assert!(description.ends_with(expected), "{description}");
    }

    #[test]
    fn a_bodys_schema_is_in_the_document_and_its_references_stay_in_it() {
        let yaml = "tenant: t1\nname: a\ntrigger: { webhook: { methods: [POST], body: { schema: {
            required: [id], properties: { id: { $ref: '#/$defs/id' } }, $defs: { id: { type: integer } } } } } }\n";
        let definition = Definition::from_value(&documents(yaml).unwrap()[0]).unwrap();
        let webhook = definition.trigger.webhook().unwrap();
        let endpoint = Endpoint { definition: &definition, webhook, version: 3, max_bytes: 1000 };
        let document = document("t1", &[endpoint]);
        let body = &document["paths"]["/t1/a"]["post"]["requestBody"];
        assert_eq!((&body["required"], &document["info"]["version"]), (&json!(true), &json!("3")));
        let schema = &body["content"]["application/json"]["schema"];
        assert_eq!((&schema["required"], &schema["$id"]), (&json!(["id"]), &json!("https://forebay.dev/bodies/t1/a")));
        let plain = embedded(endpoint, &json!({"type": "object"}));
        assert_eq!(plain, json!({"type": "object"}), "without a reference it needs no address");
    }
}
