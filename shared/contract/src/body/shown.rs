//! Stored bodies as JSON, for pages and programs.

use super::{BodyKind, xml_text};
use crate::json::{object_of, read_json};
use data_encoding::BASE64;
use serde_json::Value;

/// Returns the body by its Content-Type: JSON unchanged, a text as a string decoded from its charset, anything else, and bodies that are
/// not valid for their type, as `{ base64, contentType, size }`. Without a Content-Type: JSON or UTF-8 if it is valid. An empty body is an
/// empty string.
#[must_use]
pub fn shown_body(content_type: Option<&str>, bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::String(String::new());
    }
    let utf8 = || std::str::from_utf8(bytes).ok().map(Value::from);
    let shown = match (content_type, BodyKind::of(content_type)) {
        (None, _) => read_json(bytes).ok().or_else(utf8),
        (Some(_), Ok(BodyKind::Json(_))) => read_json(bytes).ok(),
        (Some(_), Ok(BodyKind::Text(charset) | BodyKind::Csv(_, charset))) => {
            charset.decode("text", bytes).ok().map(|text| Value::String(text.into_owned()))
        }
        (Some(_), Ok(BodyKind::Xml(charset))) => xml_text(charset, bytes).ok().map(|text| Value::String(text.into_owned())),
        (Some(_), Ok(BodyKind::Form(_))) => utf8(),
        (Some(_), Ok(BodyKind::Multipart { .. } | BodyKind::Binary) | Err(_)) => None,
    };
    shown.unwrap_or_else(|| {
        let content_type = content_type.map_or(Value::Null, Value::from);
        object_of([("base64", BASE64.encode(bytes).into()), ("contentType", content_type), ("size", bytes.len().into())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_is_shown_as_its_type_says_and_loses_nothing() {
        let cases: [(Option<&str>, &[u8], Value); 9] = [
            (Some("application/json"), b"{\"a\":\"x\"}", json!({"a": "x"})),
            (Some("text/csv; charset=windows-1252"), b"a\r\n\xf6\r\n", json!("a\r\nö\r\n")),
            (Some("text/plain"), b"{\"a\":1}", json!("{\"a\":1}")),
            (Some("text/plain"), b"12E5", json!("12E5")),
            (Some("text/plain"), b"\xf6", json!({"base64": "9g==", "contentType": "text/plain", "size": 1})),
            (Some("image/png"), b"\xff\0\xfe", json!({"base64": "/wD+", "contentType": "image/png", "size": 3})),
            (Some("application/xml"), b"<a/>", json!("<a/>")),
            (None, b"[\"a\"]", json!(["a"])),
            (None, b"\xff", json!({"base64": "/w==", "contentType": null, "size": 1})),
        ];
        for (content_type, bytes, expected) in cases {
            assert_eq!(shown_body(content_type, bytes), expected, "{content_type:?}");
        }
        assert_eq!(shown_body(Some("application/json"), b"1E5").to_string(), "1E5");
        assert_eq!(shown_body(Some("text/plain"), b""), json!(""));
    }
}
