//! Checks that the bytes of a body are valid for its type, before the ingress accepts it.

use super::boundary::MULTIPART;
use super::json::check_json;
use super::{BodyError, BodyKind, CsvFields, FormFields, Parts, Reading};
use super::{decode_body, multipart_charset, read_xml, required_boundary, xml_text};

/// Checks a body as the ingress receives it: its encoding can be undone, and its bytes are valid for its type, or for the rule of the
/// endpoint. An empty body is always accepted.
///
/// # Errors
/// [`BodyError`]; its variants determine the status of the response.
pub fn check_body(reading: Reading<'_>, content_type: Option<&str>, content_encoding: Option<&str>, body: &[u8]) -> Result<(), BodyError> {
    let Reading { rule, max_bytes } = reading;
    let kind = rule.kind(content_type)?;
    if body.len() > max_bytes {
        return Err(BodyError::TooLarge(max_bytes));
    }
    let decoded = decode_body(content_encoding, body, max_bytes)?;
    if decoded.is_empty() {
        return Ok(());
    }
    match kind {
        BodyKind::Json(super::Charset::Utf8) => check_json(&decoded),
        BodyKind::Json(charset) => check_json(charset.decode("JSON", &decoded)?.as_bytes()),
        BodyKind::Form(charset) => FormFields::new(&decoded, charset)?.find_map(Result::err).map_or(Ok(()), Err),
        BodyKind::Xml(charset) => {
            let text = xml_text(charset, &decoded)?;
            read_xml(&text, &mut ()).map_err(|error| BodyError::Malformed { kind: "XML", detail: error.to_string() })
        }
        BodyKind::Csv(format, charset) => {
            let text = charset.decode("CSV", &decoded)?;
            let error = CsvFields::new(&text, format).find_map(Result::err);
            error.map_or(Ok(()), |error| Err(BodyError::Malformed { kind: "CSV", detail: error.to_string() }))
        }
        BodyKind::Multipart { boundary, charset } => {
            let boundary = required_boundary(boundary.as_deref())?;
            let charset = if charset.is_some() { charset } else { multipart_charset(&decoded, boundary)? };
            for part in Parts::new(&decoded, boundary) {
                let part = part.map_err(|error| BodyError::Malformed { kind: MULTIPART, detail: error.to_string() })?;
                if part.filename.is_none() {
                    part.text(charset)?;
                }
            }
            Ok(())
        }
        BodyKind::Text(charset) => charset.decode("text", &decoded).map(|_| ()),
        BodyKind::Binary => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::MAX_JSON_DEPTH;
    use crate::body::doctype::check_doctype;
    use crate::body::transfer::undo_transfer_encoding;
    use proptest::prelude::*;
    use std::io::Write;

    const MAX: usize = 1024;
    const JSON: Option<&str> = Some("application/json");

    fn check(content_type: Option<&str>, encoding: Option<&str>, body: &[u8], max_bytes: usize) -> Result<(), BodyError> {
        check_body(Reading::as_sent(max_bytes), content_type, encoding, body)
    }

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
            (Some("application/x-www-form-urlencoded"), b"a=1&b=%C3%B6"),
            (Some("application/x-www-form-urlencoded; charset=windows-1252"), b"a=1&b=%F6"),
            (JSON, b"\xef\xbb\xbf{}"),
            (Some("application/json; charset=ISO-8859-1"), "\"ö\"".as_bytes()),
            (Some("application/json ;; charset=utf-8;"), b"{}"),
            (JSON, br#""\ud83d\ude00 \\ud800""#),
            (JSON, b"[1e400,-0]"),
            (Some("application/soap+xml; charset=utf-8; action=http://x/y"), b"<!DOCTYPE a SYSTEM 'b'><a/>"),
            (
                Some("multipart/form-data; boundary=----=_Part_1"),
                b"------=_Part_1\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n------=_Part_1--",
            ),
        ];
        for (content_type, body) in cases {
            assert_eq!(check(*content_type, None, body, MAX), Ok(()), "{content_type:?}");
        }
    }

    #[test]
    fn refuses_what_does_not_and_says_where() {
        let cases: &[(Option<&str>, &[u8], &str)] = &[
            (JSON, br#"{"a":"#, "line 1 column 5"),
            (JSON, b"{} x", "trailing"),
            (JSON, b"\"\xff\"", "byte 1 is not UTF-8"),
            (JSON, b"\"\0\"", "control character"),
            (JSON, b" \n", "it holds no value, only blanks"),
            (JSON, b"\xef\xbb\xbf", "only blanks"),
            (Some("text/csv"), b"\xff\xfea\0;\0", "it begins with the byte order mark of UTF-16; say charset=utf-16"),
            (Some("text/plain"), b"\xf6", "byte 0 is not UTF-8"),
            (Some("text/plain; charset=ebcdic"), b"ab", "'ebcdic' is not supported"),
            (JSON, b"\xff\xfe{\0}\0", "byte order mark of UTF-16"),
            (Some("application/json; charset=utf-16"), b"{\0}\0", "it is UTF-16"),
            (JSON, br#"{"a":"\ud800"}"#, "byte 6: \\ud800 is half of a surrogate pair"),
            (Some("application/x-www-form-urlencoded"), b"a=1&b=%FF", "the value of 'b' (field 2): byte 0 is not UTF-8"),
            (
                Some("multipart/form-data; boundary=X"),
                b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\xf6\r\n--X--",
                "the field 'a': byte 0 is not UTF-8",
            ),
            (Some("nonsense"), b"ab", "'nonsense'"),
            (Some("application/xml; charset=nonsense"), b"<a/>", "'nonsense' is not supported"),
            (Some("application/xml"), b"<?xml version='1.0' encoding='nonsense'?><a/>", "'nonsense' is not supported"),
            (Some("application/xml"), b"<a>\xf6</a>", "byte 3 is not UTF-8"),
            (Some("application/xml"), b"<a>\n</b>", "line 2"),
            (Some("application/xml"), b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "the DOCTYPE has a declaration, <!ENTITY"),
            (Some("text/csv"), b"a\n\"b", "line 2: a field begins with a quote"),
            (Some("multipart/form-data"), b"--X--", "no boundary"),
            (Some("multipart/form-data; boundary=X"), b"--Y--", "not in the body"),
        ];
        for (content_type, body, expected) in cases {
            let error = check(*content_type, None, body, MAX).unwrap_err().to_string();
            assert!(error.contains(expected), "{content_type:?}: {error}");
        }
    }

    #[test]
    fn the_size_bound_holds_before_and_after_decoding() {
        assert_eq!(check(None, None, &[0; MAX], MAX), Ok(()));
        assert_eq!(check(None, None, &[0; MAX + 1], MAX), Err(BodyError::TooLarge(MAX)));
        assert_eq!(check(None, Some("gzip"), &gzip(&[0; MAX]), MAX), Ok(()));
        assert_eq!(check(None, Some("gzip"), &gzip(&[0; MAX + 1]), MAX), Err(BodyError::TooLarge(MAX)));
        assert_eq!(check(None, Some("gzip"), &gzip(&[0; 10 * 1024 * 1024]), 64 * 1024), Err(BodyError::TooLarge(64 * 1024)));
    }

    #[test]
    fn content_encoding_is_undone_before_the_check() {
        assert_eq!(check(JSON, Some("GZIP"), &gzip(b"{\"a\":1}"), MAX), Ok(()));
        assert!(matches!(check(JSON, Some("gzip"), &gzip(b"{"), MAX), Err(BodyError::Malformed { kind: "JSON", .. })));
        assert!(matches!(check(JSON, Some("gzip"), b"{}", MAX), Err(BodyError::Malformed { kind: "gzip", .. })));
        assert!(matches!(check(JSON, Some("br"), b"{}", MAX), Err(BodyError::Encoding(_))));
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        assert_eq!(check(JSON, None, &nested(MAX_JSON_DEPTH), 1 << 20), Ok(()));
        assert!(check(JSON, None, &nested(MAX_JSON_DEPTH + 1), 1 << 20).is_err());
        assert!(check(JSON, None, &nested(500_000), 1 << 20).is_err());
        let in_string = format!("\"\\\"{}\"", "[".repeat(5000)).into_bytes();
        assert_eq!(check(JSON, None, &in_string, 1 << 20), Ok(()));
    }
    proptest! {
        #[test]
        fn no_body_ends_in_a_panic(
            content_type in prop::sample::select(vec![
                "application/json", "application/json; charset=utf-16", "text/xml", "text/csv", "text/csv; header=absent", "text/tab-separated-values",
                "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=iso-8859-1", "multipart/form-data; boundary=X",
                "text/plain; charset=utf-16", "text/plain; charset=shift_jis", "image/png",
            ]),
            pieces in prop::collection::vec(prop_oneof![
                any::<Vec<u8>>().prop_map(|bytes| bytes.into_iter().take(4).collect()),
                prop::sample::select(vec![
                    "<!DOCTYPE", "<!DOCTYPE a [<!ENTITY ö;", "SYSTEM", "PUBLIC", "'ö'", "[", "]", ">", "<a>", "</a>", "<!--", "-->", "sep=;", "sep=ö", "\"", "ö", ";",
                    "\\ud8", "\\u", "{", "}", ":", "1e", "-", "_charset_=", "charset=utf-16", "&", "=", "%", "%C3", "+", "--X", "--X--", "\r\n", "\n", "\r",
                    "Content-Disposition: form-data; name=a", "Content-Disposition: form-data; name=\"ö\\", "Content-Transfer-Encoding: quoted-printable", "=\n",
                    "=C", "=é", "Content-Transfer-Encoding: base64", "Content-Type: text/plain; charset=\"", "\u{feff}", "😀", " ", "\t",
                ]).prop_map(|text| text.as_bytes().to_vec()),
            ], 0..30),
        ) {
            let _ = check_body(Reading::as_sent(1 << 20), Some(content_type), None, &pieces.concat());
        }

        #[test]
        fn no_doctype_and_no_encoding_of_a_part_ends_in_a_panic(text in "([A-Za-zé; \t'\"<>!\\[\\]=%-]|SYSTEM|PUBLIC|<!--|-->|=C3|\r\n|\\PC){0,40}") {
            let _ = (check_doctype(&text), check_doctype(&format!("a{text}")), check_doctype(&format!("a SYSTEM 'x' [{text}]")));
            for encoding in ["base64", "quoted-printable", &text] {
                let _ = undo_transfer_encoding(Some(encoding), text.as_bytes());
            }
        }
    }
}
