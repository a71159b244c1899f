//! Converts the bytes of a body to the value that mappings see as `.body`.

use crate::format::{read_csv, read_form, read_multipart, xml_value};
use crate::{Limits, MappingError, Value, metered, parse_json};
use data_encoding::BASE64;
use forebay_contract::body::{BodyError, BodyKind, Charset, Reading, decode_body, required_boundary, utf16_hint, xml_text};
use std::time::Duration;

/// Maximum memory of the value of one body: 24 times the largest body, which is enough for the densest JSON.
const MAX_MEMORY: usize = 384 * 1024 * 1024;
/// Maximum processor time; bodies are read at 50 MB/s and more.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Stack for reading, which recurses only over the levels of a value.
const STACK_BYTES: usize = 1024 * 1024;

/// A body as mappings see it.
pub struct ReadBody {
    /// `.body`.
    pub value: Value,
    /// `.request.raw`, if it is wanted: the bytes without a Content-Encoding.
    pub raw: Option<Value>,
}

/// Reads a body by its Content-Type, or by the rule: JSON unchanged, XML, CSV, forms and `multipart/form-data` by the rules of
/// `shared/mapping/src/format`, text as a string, anything else as `{ base64, contentType, size }`. An empty body is `null`.
///
/// # Errors
/// Those of [`forebay_contract::body::check_body`], and a body whose value takes too much memory.
pub fn read_body(
    reading: Reading<'_>,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    bytes: &[u8],
) -> Result<Value, BodyError> {
    read_body_and_raw(reading, content_type, content_encoding, bytes, false).map(|read| read.value)
}

/// Reads a body as [`read_body`] does, with the bytes themselves if they are wanted.
pub fn read_body_and_raw(
    reading: Reading<'_>,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    bytes: &[u8],
    wants_raw: bool,
) -> Result<ReadBody, BodyError> {
    let raw = |bytes: &[u8]| wants_raw.then(|| binary(content_type, bytes));
    if bytes.is_empty() {
        return Ok(ReadBody { value: Value::NULL, raw: raw(bytes) });
    }
    let Reading { rule, max_bytes } = reading;
    let kind = rule.kind(content_type)?;
    let bytes = decode_body(content_encoding, bytes, max_bytes)?;
    if bytes.is_empty() {
        return Ok(ReadBody { value: Value::NULL, raw: raw(&bytes) });
    }
    let name = kind.name();
    let read_as = rule.content_type().or(content_type);
    let limits = Limits { time: MAX_TIME, memory: MAX_MEMORY, stack: STACK_BYTES, ..Limits::default() };
    let value = metered(&limits, || Ok(read(kind, read_as, &bytes))).unwrap_or_else(|error| Err(beyond_bounds(name, &error)))?;
    Ok(ReadBody { value, raw: raw(&bytes) })
}

/// Returns `.body` as JSON, for validation by a schema.
///
/// # Errors
/// Those of [`forebay_contract::body::check_body`].
pub fn body_value(
    reading: Reading<'_>,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    bytes: &[u8],
) -> Result<serde_json::Value, BodyError> {
    read_body(reading, content_type, content_encoding, bytes).map(|value| serde_json::Value::from(&value))
}

fn read(kind: BodyKind, content_type: Option<&str>, bytes: &[u8]) -> Result<Value, BodyError> {
    let malformed = |kind: &'static str, error: &dyn std::error::Error| BodyError::Malformed { kind, detail: error.to_string() };
    match kind {
        BodyKind::Json(Charset::Utf8) => parse_json(bytes).map_err(|error| match utf16_hint(bytes) {
            Some(hint) => BodyError::Malformed { kind: "JSON", detail: hint.to_owned() },
            None => malformed("JSON", &error),
        }),
        BodyKind::Json(charset) => parse_json(charset.decode("JSON", bytes)?.as_bytes()).map_err(|error| malformed("JSON", &error)),
        BodyKind::Xml(charset) => xml_value(&xml_text(charset, bytes)?).map_err(|error| malformed("XML", &error)),
        BodyKind::Csv(format, charset) => read_csv(&charset.decode("CSV", bytes)?, format).map_err(|error| malformed("CSV", &error)),
        BodyKind::Form(charset) => read_form(bytes, charset),
        BodyKind::Multipart { boundary, charset } => read_multipart(bytes, required_boundary(boundary.as_deref())?, charset),
        BodyKind::Text(charset) => Ok(Value::string(charset.decode("text", bytes)?)),
        BodyKind::Binary => Ok(binary(content_type, bytes)),
    }
}

fn beyond_bounds(kind: &'static str, error: &MappingError) -> BodyError {
    let detail = match error {
        MappingError::Memory { limit } => format!("read, it takes more than {} MiB of memory; send less at a time", limit / (1024 * 1024)),
        MappingError::Time { limit } => format!("it could not be read in {limit:?} of processor time; send less at a time"),
        _ => "it is nested too deeply".to_owned(),
    };
    BodyError::Malformed { kind, detail }
}

/// Returns the value of a body of unknown type.
pub fn binary(content_type: Option<&str>, bytes: &[u8]) -> Value {
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    Value::object([
        ("base64", Value::string(BASE64.encode(bytes))),
        ("contentType", content_type.map_or(Value::NULL, Value::string)),
        ("size", Value::from(size)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn read(content_type: Option<&str>, bytes: &[u8]) -> Json {
        Json::from(&read_body(Reading::as_sent(1 << 20), content_type, None, bytes).unwrap())
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
            (Some("text/plain; charset=windows-1252"), b"\x80", json!("€")),
            (Some("text/plain; charset=utf-16"), b"\xfe\xff\0\xf6", json!("ö")),
            (Some("application/xml"), b"<a/>", json!({"a": null})),
            (
                Some("application/soap+xml; charset=iso-8859-1"),
                b"<a x='1'><b>\xf6</b><b/><c y='&amp;'>t</c></a>",
                json!({"a": {"@x": "1", "b": ["ö", null], "c": {"@y": "&", "#text": "t"}}}),
            ),
            (
                Some("text/csv"),
                b"a,,a\r\n1,\"x,y\",3,4\r\n5\r\n",
                json!([
                    {"a": "1", "column_2": "x,y", "a_3": "3", "column_4": "4"},
                    {"a": "5"},
                ]),
            ),
            (Some("text/csv; header=absent"), b"a;b\n1;2,5\n", json!([["a", "b"], ["1", "2,5"]])),
            (Some("text/tab-separated-values"), b"a,b\tc\n1\t2", json!([{"a,b": "1", "c": "2"}])),
            (
                Some("multipart/form-data; boundary=X"),
                b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n\
                  --X\r\nContent-Disposition: form-data; name=a\r\n\r\n2\r\n\
                  --X\r\nContent-Disposition: form-data; name=f; filename=x.xml\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n\
                  --X\r\nContent-Disposition: form-data; name=g; filename=x.bin\r\n\r\nhi\r\n--X--",
                json!({
                    "a": ["1", "2"],
                    "f": {"filename": "x.xml", "contentType": "text/xml", "size": 4, "text": "<a/>"},
                    "g": {"filename": "x.bin", "contentType": null, "size": 2, "base64": "aGk="},
                }),
            ),
            (
                Some("application/x-www-form-urlencoded"),
                b"a=1&b=x+y&b=%C3%B6&c&=e&a%20b=f",
                json!({"a": "1", "b": ["x y", "ö"], "c": "", "": "e", "a b": "f"}),
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
            ("application/json", None, b"\xfe\xff\0{\0}", "byte order mark of UTF-16"),
            ("application/json", None, br#"{"a":"\udc00"}"#, "half of a surrogate pair"),
            ("application/x-www-form-urlencoded", None, b"a=%FF", "the value of 'a' (field 1): byte 0 is not UTF-8"),
            ("text/plain", None, b"\xf6", "byte 0 is not UTF-8"),
            ("text/plain", Some("gzip"), b"x", "not valid gzip"),
            ("text/plain; charset=utf-99", None, b"x", "'utf-99'"),
            ("application/xml", None, b"<a>\n<b></a>", "not valid XML: line 2"),
            ("multipart/form-data; boundary=X", None, b"--X\r\n", "part 1"),
        ];
        for (content_type, encoding, bytes, expected) in cases {
            let error = read_body(Reading::as_sent(1 << 20), Some(content_type), *encoding, bytes).err().unwrap().to_string();
            assert!(error.contains(expected), "{content_type}: {error}");
        }
    }
}
