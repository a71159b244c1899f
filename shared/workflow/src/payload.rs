//! From the output of a `body` mapping to the bytes of a request or an answer.

use crate::body::read_body;
use crate::context;
use crate::failure;
use crate::header::content_type_of;
use crate::mapping::{Value, to_json};
use crate::weight;
use bytes::Bytes;
use data_encoding::BASE64;
use forebay_contract::body::BodyKind;
use forebay_contract::definition::LARGEST_MAX_BYTES;
use forebay_contract::outcome::{ErrorCode, ExecutionError, Response};

pub(crate) const JSON: &str = "application/json";

/// The bytes of `output`, given the Content-Type that the definition sets (`None`: it sets none, and [`JSON`] is what to send).
///
/// With a Content-Type that is not JSON, a string is sent as it is, and `{ base64: "..." }` (what `.body` is for a body of
/// unknown type) as the bytes that it stands for. Everything else is JSON.
///
/// # Errors
/// A `base64` that is none.
pub(crate) async fn encode(output: Value, content_type: Option<&str>) -> Result<Bytes, ExecutionError> {
    let is_json = content_type.is_none_or(|text| BodyKind::of(Some(text)) == Ok(BodyKind::Json));
    weight::run(weight::is_large(&output), move || bytes_of(&output, is_json)).await?
}

fn bytes_of(output: &Value, is_json: bool) -> Result<Bytes, ExecutionError> {
    if is_json {
        return Ok(to_json(output).into());
    }
    if let Some(text) = output.as_str() {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    let Some(base64) = output.get("base64").and_then(Value::as_str) else { return Ok(to_json(output).into()) };
    match BASE64.decode(base64.as_bytes()) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(failure::permanent(
            ErrorCode::Mapping,
            format!("body: the text in `base64` is no Base64 (RFC 4648, with padding): {error}"),
        )),
    }
}

/// The answer of another integration as the output of the step that called it.
pub(crate) async fn answer_value(id: &str, response: Response) -> Result<Value, ExecutionError> {
    let Response { status, headers, body } = response;
    let shown = context::headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let content_type = content_type_of(&headers).map(str::to_owned);
    let read = move || read_body(content_type.as_deref(), None, &body, LARGEST_MAX_BYTES);
    let body = weight::run(false, read).await?.map_err(|error| failure::permanent(ErrorCode::Body, error.to_string()))?;
    let members = [("executionId", Value::string(id)), ("status", Value::from(i64::from(status))), ("headers", shown), ("body", body)];
    Ok(Value::object(members))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn the_content_type_decides_what_an_output_becomes() {
        let cases = [
            (json!({"a": 1}), None, r#"{"a":1}"#),
            (json!("text"), None, r#""text""#),
            (json!("text"), Some("application/problem+json"), r#""text""#),
            (json!("a;b\n"), Some("text/csv"), "a;b\n"),
            (json!({"a": 1}), Some("application/vnd.acme"), r#"{"a":1}"#),
            (json!({"base64": "aGk=", "size": 2}), Some("application/pdf"), "hi"),
            (json!({"base64": "aGk="}), None, r#"{"base64":"aGk="}"#),
        ];
        for (output, content_type, expected) in cases {
            let bytes = encode(Value::from(&output), content_type).await.unwrap();
            assert_eq!(bytes, expected, "{output} as {content_type:?}");
        }
        let error = encode(Value::from(&json!({"base64": "!"})), Some("image/png")).await.unwrap_err();
        assert!(error.message.contains("no Base64"), "{error}");
    }
}
