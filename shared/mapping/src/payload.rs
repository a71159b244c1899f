//! Converts the output of a `body` mapping to the bytes of a request or a response.

use crate::body::read_body;
use crate::failure;
use crate::format::{CsvWrite, Header, Misfit, XmlWrite, write_csv, write_form, write_multipart, write_xml};
use crate::header::{content_type_of, header_values};
use crate::paced::{Budget, Paced};
use crate::weight;
use crate::{Limits, Mapping, Value, metered, to_json};
use bytes::Bytes;
use data_encoding::BASE64;
use forebay_contract::body::{BodyError, BodyKind, Charset, MediaType, Reading};
use forebay_contract::definition::MAX_BODY_BYTES;
use forebay_contract::outcome::{ErrorCode, ExecutionError, Response};
use std::time::Duration;

/// The default Content-Type of a body.
pub const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
/// The mapping that returns a body unchanged.
const RAW: &str = ".request.raw";

/// Maximum processor time of writing one body; the speed is about 50 MB/s.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Stack for writing, which recurses only over the levels of a value.
const STACK_BYTES: usize = 1024 * 1024;

/// A body that can be sent.
#[derive(Debug)]
pub struct Payload {
    /// The body.
    pub bytes: Bytes,
    /// The Content-Type: the default is [`JSON`]; for `multipart/form-data` it has the boundary.
    pub content_type: String,
}

/// Converts `output` to bytes for the Content-Type of the definition.
///
/// Without one, or with a JSON type, everything is written as JSON. With any other type, a string is sent unchanged in the charset of the
/// Content-Type. XML, CSV, forms and `multipart/form-data` are written by the rules of `shared/mapping/src/format`, except the form of
/// `.body` of an unknown type (`{ base64, contentType, size }`), which is sent as its bytes. For all other types `{ base64 }` is also sent
/// as its bytes, and everything else as JSON.
///
/// # Errors
/// A value that does not fit the type, a character that the charset does not have, an unknown charset, an invalid `base64`, and a body of
/// more than 64 MiB.
pub async fn encode(output: Value, content_type: Option<&str>) -> Result<Payload, ExecutionError> {
    let content_type = content_type.unwrap_or(JSON);
    let kind = match BodyKind::of(Some(content_type)) {
        Err(error @ BodyError::Charset(..)) => return Err(permanent(&format!("headers.Content-Type: {error}"))),
        Err(_) => BodyKind::Binary,
        Ok(kind) => kind,
    };
    check_charset(&kind, content_type)?;
    encode_as(output, kind, content_type.to_owned()).await
}

/// Returns the body of a mapping, as [`encode`] does. `.request.raw` alone is the received bytes, unchanged, by default with the received
/// Content-Type.
///
/// # Errors
/// Those of [`encode`], and a mapping that fails.
pub async fn of_mapping(
    mapping: &Paced<Mapping>,
    content_type: Option<&str>,
    context: &Value,
    budget: &Budget,
) -> Result<Payload, ExecutionError> {
    let output = mapping.output("body", context, budget).await?;
    if mapping.program().source().trim() != RAW {
        return encode(output, content_type).await;
    }
    let sent = output.get("contentType").and_then(Value::as_str);
    let content_type = content_type.or(sent).unwrap_or(BYTES).to_owned();
    Ok(Payload { bytes: decoded(&output)?, content_type })
}

/// Refuses a charset other than UTF-8 for JSON and forms: receivers that follow the standards read them as UTF-8, and others by their
/// charset, so it would be misread.
fn check_charset(kind: &BodyKind, content_type: &str) -> Result<(), ExecutionError> {
    if !matches!(kind, BodyKind::Json(_) | BodyKind::Form(_)) || content_type == JSON {
        return Ok(());
    }
    let media_type = MediaType::parse(content_type);
    match media_type.as_ref().and_then(|media_type| media_type.parameter("charset")) {
        Some(name) if Charset::named(name) != Ok(Charset::Utf8) => {
            let error = BodyError::Charset(name.chars().take(60).collect(), "utf-8");
            Err(permanent(&format!("headers.Content-Type: {error}")))
        }
        _ => Ok(()),
    }
}

/// Converts `output` as [`encode`] does, for a parsed type.
pub async fn encode_as(output: Value, kind: BodyKind, content_type: String) -> Result<Payload, ExecutionError> {
    if matches!(kind, BodyKind::Json(_)) {
        let bytes = weight::run(weight::is_large(&output), move || to_json(&output)).await?;
        return Ok(Payload { bytes: bytes.into(), content_type });
    }
    let limits = Limits { time: MAX_TIME, stack: STACK_BYTES, ..Limits::default() };
    let aside = weight::is_large(&output);
    let result = weight::run(aside, move || metered(&limits, || Ok(written(&output, &kind, content_type)))).await?;
    result.unwrap_or_else(|error| Err(failure::of_mapping("body", error)))
}

fn written(output: &Value, kind: &BodyKind, content_type: String) -> Result<Payload, ExecutionError> {
    let misfit = |misfit: Misfit| permanent(&format!("body: {misfit}"));
    let charset = charset_of(kind);
    let text = match (output.as_str(), kind) {
        (Some(text), _) => return Ok(Payload { bytes: encoded(text.to_owned(), charset)?, content_type }),
        (None, kind) if stands_for_bytes(output, kind) => return Ok(Payload { bytes: decoded(output)?, content_type }),
        (None, BodyKind::Xml(_)) => {
            write_xml(output, &XmlWrite { declared_charset: Some(charset.name()), indent: None }).map_err(misfit)?
        }
        (None, BodyKind::Csv(format, _)) => {
            let separator = format.separator.map_or(',', char::from);
            write_csv(output, &CsvWrite { separator, header: Header::Found { is_written: format.has_header } }).map_err(misfit)?
        }
        (None, BodyKind::Form(_)) => write_form(output).map_err(misfit)?,
        (None, BodyKind::Multipart { boundary, .. }) => {
            let (bytes, used) = write_multipart(output, boundary.as_deref()).map_err(misfit)?;
            let content_type = if boundary.is_some() { content_type } else { format!("{content_type}; boundary={used}") };
            return Ok(Payload { bytes: bytes.into(), content_type });
        }
        (None, BodyKind::Text(_) | BodyKind::Binary | BodyKind::Json(_)) => String::from_utf8(to_json(output)).unwrap_or_default(),
    };
    Ok(Payload { bytes: encoded(text, charset)?, content_type })
}

fn charset_of(kind: &BodyKind) -> Charset {
    match kind {
        BodyKind::Xml(charset) => charset.unwrap_or(Charset::Utf8),
        BodyKind::Csv(_, charset) | BodyKind::Text(charset) => *charset,
        _ => Charset::Utf8,
    }
}

fn stands_for_bytes(output: &Value, kind: &BodyKind) -> bool {
    let has_base64 = output.get("base64").is_some_and(|base64| base64.as_str().is_some());
    let is_body = || output.get("contentType").is_some() && output.get("size").is_some();
    has_base64 && (matches!(kind, BodyKind::Text(_) | BodyKind::Binary) || is_body())
}

fn decoded(output: &Value) -> Result<Bytes, ExecutionError> {
    let base64 = output.get("base64").and_then(Value::as_str).unwrap_or_default();
    let bytes = BASE64.decode(base64.as_bytes());
    bytes.map(Bytes::from).map_err(|error| permanent(&format!("body: the text in `base64` is no Base64 (RFC 4648, with padding): {error}")))
}

fn encoded(text: String, charset: Charset) -> Result<Bytes, ExecutionError> {
    if charset == Charset::Utf8 {
        return Ok(text.into());
    }
    charset.encode(&text).map(|bytes| Bytes::from(bytes.into_owned())).map_err(|character| {
        let name = charset.name();
        permanent(&format!("body: the character '{character}' is not in {name}, the charset of the Content-Type"))
    })
}

fn permanent(message: &str) -> ExecutionError {
    ExecutionError::permanent(ErrorCode::Mapping, message)
}

/// Returns the response of another integration as the output of the step that called it.
pub async fn answer_value(id: &str, response: Response) -> Result<Value, ExecutionError> {
    let Response { status, headers, body } = response;
    let shown = header_values(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let content_type = content_type_of(&headers).map(str::to_owned);
    let read = move || read_body(Reading::as_sent(MAX_BODY_BYTES), content_type.as_deref(), None, &body);
    let body = weight::run(false, read).await?.map_err(|error| ExecutionError::permanent(ErrorCode::Body, error.to_string()))?;
    let members = [("executionId", Value::string(id)), ("status", Value::from(i64::from(status))), ("headers", shown), ("body", body)];
    Ok(Value::object(members))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn message(output: serde_json::Value, content_type: &str) -> String {
        encode(Value::from(&output), Some(content_type)).await.unwrap_err().message
    }

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
            (json!({"base64": "aGk=", "contentType": null, "size": 2}), Some("text/xml"), "hi"),
            (
                json!({"a": {"@b": 1, "c": [true, null, "<"], "#text": ""}}),
                Some("application/xml"),
                r#"<?xml version="1.0" encoding="UTF-8"?><a b="1"><c>true</c><c/><c>&lt;</c></a>"#,
            ),
            (json!({"base64": "aGk="}), Some("text/xml"), r#"<?xml version="1.0" encoding="UTF-8"?><base64>aGk=</base64>"#),
            (json!([{"a": 1, "b": "x,\"y\""}, {"c": null, "a": "\n"}]), Some("text/csv"), "a,b,c\r\n1,\"x,\"\"y\"\"\",\r\n\"\n\",,\r\n"),
            (json!([{"a": 1}]), Some("text/csv; header=absent"), "1\r\n"),
            (json!([[1, 2], []]), Some("text/tab-separated-values"), "1\t2\r\n\r\n"),
            (json!({"a": [1, "ö &"], "b c": null, "d": ""}), Some("application/x-www-form-urlencoded"), "a=1&a=%C3%B6+%26&d="),
        ];
        for (output, content_type, expected) in cases {
            let payload = encode(Value::from(&output), content_type).await.unwrap();
            assert_eq!(payload.bytes, expected, "{output} as {content_type:?}");
            assert_eq!(payload.content_type, content_type.unwrap_or(JSON));
        }
        assert!(message(json!({"base64": "!"}), "image/png").await.contains("no Base64"));
    }

    #[tokio::test]
    async fn a_text_is_sent_in_the_charset_of_its_content_type() {
        let payload = encode(Value::from("ö"), Some("text/plain; charset=iso-8859-1")).await.unwrap();
        assert_eq!(&payload.bytes[..], b"\xf6");
        let payload = encode(Value::from(&json!({"a": "ö"})), Some("text/xml; charset=windows-1252")).await.unwrap();
        assert_eq!(&payload.bytes[..], b"<?xml version=\"1.0\" encoding=\"WINDOWS-1252\"?><a>\xf6</a>");
        assert!(message(json!("€"), "text/plain; charset=iso-8859-1").await.contains("'€' is not in iso-8859-1"));
        assert!(message(json!("a"), "text/plain; charset=none").await.contains("charset 'none'"));
    }

    #[tokio::test]
    async fn a_multipart_body_brings_its_boundary_and_can_be_read() {
        let output = json!({
            "note": "ö",
            "n": [1, 2],
            "gone": null,
            "file": {"filename": "a \"b\".txt", "contentType": "text/plain", "text": "hej"},
            "data": {"filename": "x", "contentType": "image/png", "base64": "iVBO"},
        });
        let payload = encode(Value::from(&output), Some("multipart/form-data")).await.unwrap();
        assert!(payload.content_type.starts_with("multipart/form-data; boundary=forebay-"));
        let read = read_body(Reading::as_sent(1 << 20), Some(&payload.content_type), None, &payload.bytes).unwrap();
        let expected = json!({
            "note": "ö",
            "n": ["1", "2"],
            "file": {"filename": "a \"b\".txt", "contentType": "text/plain", "size": 3, "text": "hej"},
            "data": {"filename": "x", "contentType": "image/png", "size": 3, "base64": "iVBO"},
        });
        assert_eq!(serde_json::Value::from(&read), expected);
        assert!(message(json!({"a": "XYZ"}), "multipart/form-data; boundary=XYZ").await.contains("stands in the content"));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_named_with_its_place() {
        let cases = [
            (json!([1]), "text/xml", "body: XML takes an object with one member"),
            (json!({"a": 1, "b": 2}), "text/xml", "one member"),
            (json!({"a": {"b": [{"@c": [1]}]}}), "text/xml", "at a.b[0].@c: an attribute is a text"),
            (json!({"a": {"b c": 1}}), "text/xml", "at a.b c: the name cannot be"),
            (json!({"a": "\u{1}"}), "text/xml", "at a: the character U+0001"),
            (json!({"a": [[1]]}), "text/xml", "at a: an array"),
            (json!({"a": {"#b": 1}}), "text/xml", "at a.#b: of the names with `#`"),
            (json!({"a": 1}), "text/csv", "CSV takes an array of rows"),
            (json!([{"a": 1}, {"a": {}}]), "text/csv", "at [1].a: a field is a text"),
            (json!([[1], {}]), "text/csv", "at [1]: the first row is an array"),
            (json!([1]), "application/x-www-form-urlencoded", "a form takes an object"),
            (json!({"a": [{}]}), "application/x-www-form-urlencoded", "at a[0]: a field"),
            (json!({"a": {"b": 1}}), "multipart/form-data", "at a: a field"),
        ];
        for (output, content_type, expected) in cases {
            let message = message(output.clone(), content_type).await;
            assert!(message.contains(expected), "{output}: {message}");
        }
    }

    #[tokio::test]
    async fn a_small_value_that_would_be_an_enormous_text_is_stopped() {
        let name = "n".repeat(60_000);
        let output = Value::object([("a", Value::object([(name, Value::array(vec![Value::from(true); 1_000_000]))]))]);
        let error = encode(output, Some("application/xml")).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Limit, "{error}");
    }
}
