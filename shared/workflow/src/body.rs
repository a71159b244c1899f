//! From the bytes of a body to the value that mappings see as `.body`.

use crate::mapping::{Value, parse_json};
use data_encoding::BASE64;
use forebay_contract::body::{BodyError, BodyKind, Charset, decode_body};
use percent_encoding::percent_decode_str;

/// Reads a body as what its Content-Type says: JSON as it is, form fields as an object, text as a string, anything else as
/// `{ base64, contentType, size }`. An empty body is `null`.
///
/// # Errors
/// As [`forebay_contract::body::check_body`]; `max_bytes` bounds the decoded body.
pub(crate) fn read_body(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    bytes: &[u8],
    max_bytes: usize,
) -> Result<Value, BodyError> {
    if bytes.is_empty() {
        return Ok(Value::NULL);
    }
    let kind = BodyKind::of(content_type)?;
    let bytes = decode_body(content_encoding, bytes, max_bytes)?;
    if bytes.is_empty() {
        return Ok(Value::NULL);
    }
    match kind {
        BodyKind::Json => parse_json(&bytes).map_err(|error| BodyError::Malformed { kind: "JSON", detail: error.to_string() }),
        BodyKind::Form => Ok(form(text("form data", &bytes)?)),
        BodyKind::Text(Charset::Utf8) => Ok(Value::string(text("UTF-8 text", &bytes)?)),
        BodyKind::Text(Charset::Latin1) => Ok(Value::string(bytes.iter().copied().map(char::from).collect::<String>())),
        BodyKind::Binary => Ok(binary(content_type, &bytes)),
    }
}

/// What a body is that nothing is promised about.
pub(crate) fn binary(content_type: Option<&str>, bytes: &[u8]) -> Value {
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    Value::object([
        ("base64", Value::string(BASE64.encode(bytes))),
        ("contentType", content_type.map_or(Value::NULL, Value::string)),
        ("size", Value::from(size)),
    ])
}

fn text<'b>(kind: &'static str, bytes: &'b [u8]) -> Result<&'b str, BodyError> {
    // A byte order mark belongs to the encoding, not to the text.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| BodyError::Malformed { kind, detail: format!("byte {} is not UTF-8", error.valid_up_to()) })
}

/// Form fields as texts; a repeated field is an array of its values in order. Bytes that are no UTF-8 become U+FFFD.
fn form(text: &str) -> Value {
    let mut fields: Vec<(String, Vec<Value>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (form_text(name), Value::string(form_text(value)));
        let place = *places.entry(name.clone()).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let one_or_array = |mut values: Vec<Value>| match values.len() {
        1 => values.remove(0),
        _ => Value::array(values),
    };
    Value::object(fields.into_iter().map(|(name, values)| (name, one_or_array(values))))
}

fn form_text(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn read(content_type: Option<&str>, bytes: &[u8]) -> Json {
        Json::from(&read_body(content_type, None, bytes, 1 << 20).unwrap())
    }

    #[test]
    fn a_body_is_read_as_its_content_type_says() {
        let cases: &[(Option<&str>, &[u8], Json)] = &[
            (Some("application/json"), br#"{"a":[1,9007199254740993]}"#, json!({"a": [1, 9_007_199_254_740_993_i64]})),
            (Some("application/vnd.acme+json; charset=utf-8"), b"[]", json!([])),
            (Some("application/json"), b"", Json::Null),
            (None, b"", Json::Null),
            (Some("text/plain"), "söme".as_bytes(), json!("söme")),
            (Some("text/plain"), b"\xef\xbb\xbfx", json!("x")),
            (Some("text/plain; charset=iso-8859-1"), b"s\xf6me", json!("söme")),
            (Some("application/xml"), b"<a/>", json!("<a/>")),
            (
                Some("application/x-www-form-urlencoded"),
                b"a=1&b=x+y&b=%C3%B6&c&=e&a%20b=%FF",
                json!({"a": "1", "b": ["x y", "ö"], "c": "", "": "e", "a b": "\u{fffd}"}),
            ),
            (Some("image/png"), b"\x89PN", json!({"base64": "iVBO", "contentType": "image/png", "size": 3})),
            (None, b"{}", json!({"base64": "e30=", "contentType": null, "size": 2})),
        ];
        for (content_type, bytes, expected) in cases {
            assert_eq!(read(*content_type, bytes), *expected, "{content_type:?}");
        }
    }

    #[test]
    fn what_breaks_its_promise_is_refused_and_says_where() {
        let cases: &[(&str, Option<&str>, &[u8], &str)] = &[
            ("application/json", None, b"{\"a\":", "not valid JSON"),
            ("application/json", None, b"\"\xff\"", "not valid JSON"),
            ("text/plain", None, b"\xf6", "byte 0 is not UTF-8"),
            ("text/plain", Some("gzip"), b"x", "not valid gzip"),
            ("text/plain; charset=utf-16", None, b"x", "'utf-16'"),
        ];
        for (content_type, encoding, bytes, expected) in cases {
            let error = read_body(Some(content_type), *encoding, bytes, 1 << 20).err().unwrap().to_string();
            assert!(error.contains(expected), "{content_type}: {error}");
        }
    }
}
