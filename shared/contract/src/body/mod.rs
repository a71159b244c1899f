//! Bodies: what a Content-Type promises, and whether the bytes keep the promise.

mod charset;
mod csv;
mod multipart;
mod xml;
mod xml_characters;

pub use charset::Charset;
pub use csv::{CsvError, CsvField, CsvFields, CsvFormat, separator_of};
pub use multipart::{MultipartError, Part, Parts};
pub use xml::{DEEPEST_XML, XmlError, XmlEvents, read_xml, xml_text};
pub use xml_characters::{is_xml_character, is_xml_name};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use mime::Mime;
use std::borrow::Cow;
use std::io::Read;

/// Deepest nesting of a JSON body. Parsers and mappings recurse, so depth costs stack; no partner's format comes near.
pub const DEEPEST_JSON: usize = 512;

/// Content codings that are understood, for the `Accept-Encoding` of a 415 (RFC 9110, section 12.5.3).
pub const ACCEPTED_ENCODINGS: &str = "gzip, deflate, identity";

/// What a body is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyKind {
    /// `application/json` or `+json`.
    Json,
    /// `application/xml`, `text/xml` or `+xml`, and the charset of its Content-Type.
    Xml(Option<Charset>),
    /// `text/csv` or `text/tab-separated-values`.
    Csv(CsvFormat, Charset),
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart {
        /// What stands between the parts; a body cannot be read without.
        boundary: Option<String>,
    },
    /// Any other `text/*`.
    Text(Charset),
    /// Anything else, or no Content-Type.
    Binary,
}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The Content-Type header itself cannot be read.
    #[error("the Content-Type '{0}' is not of the form type/subtype")]
    ContentType(String),
    /// 415.
    #[error("the charset '{0}' is not supported: send {1}")]
    Charset(String, &'static str),
    /// 415.
    #[error("the Content-Encoding '{0}' is not supported: send one of {ACCEPTED_ENCODINGS}")]
    Encoding(String),
    /// 413.
    #[error("the body is larger than the {0} bytes that this endpoint accepts")]
    TooLarge(usize),
    /// 400.
    #[error("the body is not valid {kind}: {detail}")]
    Malformed {
        /// Such as `JSON`.
        kind: &'static str,
        /// Where and what.
        detail: String,
    },
}

impl BodyKind {
    /// What a Content-Type header's value promises; no value or an empty one promises nothing.
    ///
    /// # Errors
    /// A value that is no media type, or a charset that cannot be read.
    pub fn of(content_type: Option<&str>) -> Result<Self, BodyError> {
        let Some(text) = content_type.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(Self::Binary) };
        // The two common spellings need no parser.
        match text {
            "application/json" => return Ok(Self::Json),
            "application/octet-stream" => return Ok(Self::Binary),
            _ => {}
        }
        let mime: Mime = text.parse().map_err(|_| BodyError::ContentType(text.chars().take(80).collect()))?;
        let named = mime.get_param(mime::CHARSET).map(|charset| Charset::named(charset.as_str()));
        let utf8_only = |kind| match named {
            None | Some(Ok(Charset::Utf8)) => Ok(kind),
            Some(_) => Err(BodyError::Charset(mime.get_param(mime::CHARSET).map_or_else(String::new, |name| name.to_string()), "utf-8")),
        };
        if mime.subtype() == mime::JSON || mime.suffix() == Some(mime::JSON) {
            return utf8_only(Self::Json);
        }
        if mime.essence_str() == "application/x-www-form-urlencoded" {
            return utf8_only(Self::Form);
        }
        if mime.subtype() == mime::XML || mime.suffix() == Some(mime::XML) {
            return Ok(Self::Xml(named.transpose()?));
        }
        let has_header = !mime.get_param("header").is_some_and(|header| header.as_str().eq_ignore_ascii_case("absent"));
        let csv = |separator| CsvFormat { separator, has_header };
        match mime.essence_str() {
            "text/csv" | "application/csv" => Ok(Self::Csv(csv(None), named.unwrap_or(Ok(Charset::Utf8))?)),
            "text/tab-separated-values" => Ok(Self::Csv(csv(Some(b'\t')), named.unwrap_or(Ok(Charset::Utf8))?)),
            "multipart/form-data" => Ok(Self::Multipart { boundary: multipart::boundary(&mime) }),
            _ if mime.type_() == mime::TEXT => Ok(Self::Text(named.unwrap_or(Ok(Charset::Utf8))?)),
            _ => Ok(Self::Binary),
        }
    }
}

/// Checks a body as the ingress receives it: its encoding can be undone within `max_bytes`, and its bytes are what its type says.
/// An empty body is always accepted.
///
/// # Errors
/// [`BodyError`]; its variants say which status answers it.
pub fn check_body(content_type: Option<&str>, content_encoding: Option<&str>, body: &[u8], max_bytes: usize) -> Result<(), BodyError> {
    let kind = BodyKind::of(content_type)?;
    if body.len() > max_bytes {
        return Err(BodyError::TooLarge(max_bytes));
    }
    let decoded = decode_body(content_encoding, body, max_bytes)?;
    if decoded.is_empty() {
        return Ok(());
    }
    match kind {
        BodyKind::Json => check_json(&decoded),
        BodyKind::Form => check_utf8("form data", &decoded),
        BodyKind::Xml(charset) => {
            let text = xml_text(charset, &decoded)?;
            read_xml(&text, &mut ()).map_err(|error| BodyError::Malformed { kind: "XML", detail: error.to_string() })
        }
        BodyKind::Csv(format, charset) => {
            let text = charset.decode("CSV", &decoded)?;
            let mut fields = CsvFields::new(&text, format.separator.unwrap_or_else(|| separator_of(&text)));
            let error = fields.find_map(Result::err);
            error.map_or(Ok(()), |error| Err(BodyError::Malformed { kind: "CSV", detail: error.to_string() }))
        }
        BodyKind::Multipart { boundary } => {
            let mut parts = Parts::new(&decoded, required_boundary(boundary.as_deref())?);
            let error = parts.find_map(Result::err);
            error.map_or(Ok(()), |error| Err(BodyError::Malformed { kind: MULTIPART, detail: error.to_string() }))
        }
        BodyKind::Text(charset) => charset.decode("text", &decoded).map(|_| ()),
        BodyKind::Binary => Ok(()),
    }
}

const MULTIPART: &str = "multipart/form-data";

/// The boundary that a multipart body must have.
///
/// # Errors
/// [`BodyError::Malformed`] without one.
pub fn required_boundary(boundary: Option<&str>) -> Result<&str, BodyError> {
    boundary.ok_or_else(|| BodyError::Malformed { kind: MULTIPART, detail: "the Content-Type has no boundary".to_owned() })
}

/// Undoes a Content-Encoding, at most to `max_bytes`. Without one the bytes are borrowed.
///
/// # Errors
/// An unknown coding, bytes that are not of the coding, or more than `max_bytes`.
pub fn decode_body<'a>(content_encoding: Option<&str>, body: &'a [u8], max_bytes: usize) -> Result<Cow<'a, [u8]>, BodyError> {
    let Some(encoding) = content_encoding.map(str::trim) else { return Ok(Cow::Borrowed(body)) };
    match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => inflate("gzip", MultiGzDecoder::new(body), max_bytes),
        "deflate" => inflate("deflate", ZlibDecoder::new(body), max_bytes),
        _ => Err(BodyError::Encoding(encoding.chars().take(60).collect())),
    }
}

fn inflate(kind: &'static str, decoder: impl Read, max_bytes: usize) -> Result<Cow<'static, [u8]>, BodyError> {
    let mut decoded = Vec::new();
    let read = decoder.take(max_bytes as u64 + 1).read_to_end(&mut decoded);
    read.map_err(|error| BodyError::Malformed { kind, detail: error.to_string() })?;
    if decoded.len() > max_bytes {
        return Err(BodyError::TooLarge(max_bytes));
    }
    Ok(Cow::Owned(decoded))
}

fn check_utf8(kind: &'static str, body: &[u8]) -> Result<(), BodyError> {
    match std::str::from_utf8(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(BodyError::Malformed { kind, detail: format!("byte {} is not UTF-8", error.valid_up_to()) }),
    }
}

/// Whether the bytes are one JSON text. Nothing is built: serde_json skips values without recursion, so depth costs no stack here.
fn check_json(body: &[u8]) -> Result<(), BodyError> {
    check_utf8("JSON", body)?;
    serde_json::from_slice::<serde::de::IgnoredAny>(body)
        .map_err(|error| BodyError::Malformed { kind: "JSON", detail: error.to_string() })?;
    if deepest_nesting(body) > DEEPEST_JSON {
        let detail = format!("it is nested deeper than {DEEPEST_JSON} levels");
        return Err(BodyError::Malformed { kind: "JSON", detail });
    }
    Ok(())
}

/// The deepest nesting of a valid JSON text.
fn deepest_nesting(json: &[u8]) -> usize {
    // Fewer brackets than the bound, in strings or not: no need to look closer. memchr makes this cheap for ordinary bodies.
    if memchr::memchr2_iter(b'[', b'{', json).nth(DEEPEST_JSON).is_none() {
        return 0;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MAX: usize = 1024;
    const JSON: Option<&str> = Some("application/json");

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn accepts_what_keeps_its_promise() {
        let cases: &[(Option<&str>, &[u8])] = &[
            (JSON, b""),
            (JSON, br#"{"a":[1,2,{"b":"\u0000"}]}"#),
            (JSON, br#"{"a":1,"a":2}"#),
            (Some("application/vnd.acme+json; charset=UTF-8"), b"[]"),
            (None, b"\xff\0"),
            (Some("image/png"), b"\x89PNG\0"),
            (Some("text/plain"), "söme\0text".as_bytes()),
            (Some("text/plain; charset=iso-8859-1"), b"\xf6"),
            (Some("text/plain; charset=utf-16"), b"a\0"),
            (
                Some("application/xml"),
                b"<?xml version='1.0' encoding='iso-8859-1'?><!-- \xf6 --><a b='&#246;&amp;\xf6'>x<![CDATA[<]]></a>\n",
            ),
            (Some("application/soap+xml; charset=utf-16"), b"<\0a\0/\0>\0"),
            (Some("text/csv"), b"a,b\n1,\"2\n\"\n"),
            (Some("multipart/form-data; boundary=\"X Y\""), b"--X Y\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X Y--"),
            (Some("application/x-www-form-urlencoded"), b"a=1&b=%FF"),
        ];
        for (content_type, body) in cases {
            assert_eq!(check_body(*content_type, None, body, MAX), Ok(()), "{content_type:?}");
        }
    }

    #[test]
    fn refuses_what_does_not_and_says_where() {
        let cases: &[(Option<&str>, &[u8], &str)] = &[
            (JSON, br#"{"a":"#, "line 1 column 5"),
            (JSON, b"{} x", "trailing"),
            (JSON, b"\"\xff\"", "byte 1 is not UTF-8"),
            (JSON, b"\"\0\"", "control character"),
            (JSON, b" ", "EOF"),
            (Some("text/plain"), b"\xf6", "byte 0 is not UTF-8"),
            (Some("text/plain; charset=ebcdic"), b"ab", "'ebcdic' is not supported"),
            (Some("application/json; charset=latin1"), b"{}", "'latin1' is not supported"),
            (Some("nonsense"), b"ab", "'nonsense'"),
            (Some("application/xml; charset=nonsense"), b"<a/>", "'nonsense' is not supported"),
            (Some("application/xml"), b"<?xml version='1.0' encoding='nonsense'?><a/>", "'nonsense' is not supported"),
            (Some("application/xml"), b"<a>\xf6</a>", "byte 3 is not UTF-8"),
            (Some("application/xml"), b"<a>\n</b>", "line 2"),
            (Some("application/xml"), b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "a DOCTYPE is not accepted"),
            (Some("text/csv"), b"a\n\"b", "line 2: a field begins with a quote"),
            (Some("multipart/form-data"), b"--X--", "no boundary"),
            (Some("multipart/form-data; boundary=X"), b"--Y--", "not in the body"),
        ];
        for (content_type, body, expected) in cases {
            let error = check_body(*content_type, None, body, MAX).unwrap_err().to_string();
            assert!(error.contains(expected), "{content_type:?}: {error}");
        }
    }

    #[test]
    fn the_size_bound_holds_before_and_after_decoding() {
        assert_eq!(check_body(None, None, &[0; MAX], MAX), Ok(()));
        assert_eq!(check_body(None, None, &[0; MAX + 1], MAX), Err(BodyError::TooLarge(MAX)));
        assert_eq!(check_body(None, Some("gzip"), &gzip(&[0; MAX]), MAX), Ok(()));
        assert_eq!(check_body(None, Some("gzip"), &gzip(&[0; MAX + 1]), MAX), Err(BodyError::TooLarge(MAX)));
        assert_eq!(check_body(None, Some("gzip"), &gzip(&[0; 10 * 1024 * 1024]), 64 * 1024), Err(BodyError::TooLarge(64 * 1024)));
    }

    #[test]
    fn content_encoding_is_undone_before_the_check() {
        assert_eq!(check_body(JSON, Some("GZIP"), &gzip(b"{\"a\":1}"), MAX), Ok(()));
        assert!(matches!(check_body(JSON, Some("gzip"), &gzip(b"{"), MAX), Err(BodyError::Malformed { kind: "JSON", .. })));
        assert!(matches!(check_body(JSON, Some("gzip"), b"{}", MAX), Err(BodyError::Malformed { kind: "gzip", .. })));
        assert!(matches!(check_body(JSON, Some("br"), b"{}", MAX), Err(BodyError::Encoding(_))));
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        assert_eq!(check_body(JSON, None, &nested(DEEPEST_JSON), 1 << 20), Ok(()));
        assert!(check_body(JSON, None, &nested(DEEPEST_JSON + 1), 1 << 20).is_err());
        assert!(check_body(JSON, None, &nested(500_000), 1 << 20).is_err());
        let in_string = format!("\"\\\"{}\"", "[".repeat(5000)).into_bytes();
        assert_eq!(check_body(JSON, None, &in_string, 1 << 20), Ok(()));
    }
}
