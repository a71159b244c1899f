//! `multipart/form-data` as a stream of parts (RFC 7578): one reader for the check at the ingress and for values.

use super::boundary::MULTIPART;
use super::transfer::undo_transfer_encoding;
use super::{BodyError, BodyKind, Charset, MediaType, xml_text};
use std::borrow::Cow;

/// Maximum bytes of the headers of one part.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'b> {
    /// The name of its field.
    pub name: String,
    /// The file name that the sender gave; absent for a plain field.
    pub filename: Option<String>,
    /// The content type that the sender gave.
    pub content_type: Option<String>,
    /// Its content, with the Content-Transfer-Encoding undone.
    pub bytes: Cow<'b, [u8]>,
}

impl Part<'_> {
    /// Returns the content as text. A field without a Content-Type is in `charset`; a part whose Content-Type is a text is in the charset
    /// of that, otherwise in `charset`. `None` for a file or field that is not a text.
    ///
    /// # Errors
    /// A field whose bytes are not valid in the charset, with the place. A file whose bytes are not valid is not a text.
    pub fn text(&self, charset: Option<Charset>) -> Result<Option<Cow<'_, str>>, BodyError> {
        let content_type = match (&self.content_type, &self.filename) {
            (None, None) => "text/plain",
            (None, Some(_)) => return Ok(None),
            (Some(content_type), _) => content_type,
        };
        let own = MediaType::parse(content_type).and_then(|media_type| Charset::named(media_type.parameter("charset")?).ok());
        let charset = own.or(charset).unwrap_or(Charset::Utf8);
        let text = match BodyKind::of(Some(content_type)) {
            Ok(BodyKind::Text(_) | BodyKind::Csv(..) | BodyKind::Form(_)) => charset.decode("text", &self.bytes),
            Ok(BodyKind::Json(_)) => Charset::Utf8.decode("text", &self.bytes),
            Ok(BodyKind::Xml(_)) => xml_text(own, &self.bytes),
            Ok(BodyKind::Multipart { .. } | BodyKind::Binary) | Err(_) => return Ok(None),
        };
        match text {
            Ok(text) => Ok(Some(text)),
            Err(_) if self.filename.is_some() => Ok(None),
            Err(error) => {
                let detail = match error {
                    BodyError::Malformed { detail, .. } => detail,
                    error => error.to_string(),
                };
                let name: String = self.name.chars().take(60).collect();
                let hint = "name the charset in a Content-Type of the part or in a field _charset_";
                Err(BodyError::Malformed { kind: MULTIPART, detail: format!("the field '{name}': {detail}; {hint}") })
            }
        }
    }
}

/// Returns the charset of the field `_charset_` of a body (RFC 7578, section 4.6), which is the charset of its fields.
///
/// # Errors
/// [`BodyError::Charset`] for an unknown name.
pub fn multipart_charset(body: &[u8], boundary: &str) -> Result<Option<Charset>, BodyError> {
    if memchr::memmem::find(body, b"_charset_").is_none() {
        return Ok(None);
    }
    let named = Parts::new(body, boundary).filter_map(Result::ok).find(|part| part.name == "_charset_" && part.filename.is_none());
    named.map(|part| Charset::named(&String::from_utf8_lossy(&part.bytes))).transpose()
}

/// A problem of the framing, or of the headers of a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("part {part}: {message}")]
pub struct MultipartError {
    /// The number of the part, from 1.
    pub part: usize,
    /// The problem.
    pub message: String,
}

/// The parts of a body, in order. An error is the last item.
#[derive(Debug)]
pub struct Parts<'b> {
    rest: &'b [u8],
    /// The end of a part: a line end, two dashes and the boundary.
    delimiter: Vec<u8>,
    count: usize,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    BeforeFirst,
    InParts,
    Ended,
}

impl<'b> Parts<'b> {
    /// Reads a body whose Content-Type has this boundary.
    pub fn new(body: &'b [u8], boundary: &str) -> Self {
        Self { rest: body, delimiter: format!("\r\n--{boundary}").into_bytes(), count: 0, state: State::BeforeFirst }
    }

    fn part(&mut self) -> Result<Option<Part<'b>>, String> {
        if self.state == State::BeforeFirst {
            self.pass_first_delimiter()?;
            self.state = State::InParts;
        }
        // The delimiter was just read.
        if self.rest.starts_with(b"--") {
            return Ok(None);
        }
        let padding = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let after_line = self.rest[padding..].strip_prefix(b"\r\n").ok_or("its boundary is not alone in its line")?;
        let (headers, content) = split_headers(after_line)?;
        let end = memchr::memmem::find(content, &self.delimiter).ok_or("it is not ended by the boundary")?;
        self.rest = &content[end + self.delimiter.len()..];
        read_headers(headers, &content[..end]).map(Some)
    }

    fn pass_first_delimiter(&mut self) -> Result<(), &'static str> {
        let first = &self.delimiter[2..];
        if let Some(rest) = self.rest.strip_prefix(first) {
            self.rest = rest;
            return Ok(());
        }
        let found = memchr::memmem::find(self.rest, &self.delimiter).ok_or("the boundary of the Content-Type is not in the body")?;
        self.rest = &self.rest[found + self.delimiter.len()..];
        Ok(())
    }
}

impl<'b> Iterator for Parts<'b> {
    type Item = Result<Part<'b>, MultipartError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        self.count += 1;
        match self.part() {
            Ok(Some(part)) => Some(Ok(part)),
            Ok(None) => {
                self.state = State::Ended;
                None
            }
            Err(message) => {
                self.state = State::Ended;
                Some(Err(MultipartError { part: self.count, message }))
            }
        }
    }
}

/// Returns the headers without the empty line, and the text after it.
fn split_headers(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    if let Some(content) = bytes.strip_prefix(b"\r\n") {
        return Ok((b"", content));
    }
    let window = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let end = memchr::memmem::find(window, b"\r\n\r\n").ok_or("its headers do not end with an empty line within 16 KiB")?;
    Ok((&bytes[..end], &bytes[end + 4..]))
}

fn read_headers<'b>(headers: &[u8], bytes: &'b [u8]) -> Result<Part<'b>, String> {
    let headers = std::str::from_utf8(headers).map_err(|_| "its headers are not UTF-8")?;
    let (mut disposition, mut content_type, mut transfer_encoding) = (None, None, None);
    for line in headers.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => disposition = Some(value.trim()),
            "content-type" => content_type = Some(value.trim().to_owned()),
            "content-transfer-encoding" => transfer_encoding = Some(value.trim()),
            _ => {}
        }
    }
    let disposition = disposition.ok_or("it has no Content-Disposition")?;
    let mut parameters = Parameters { rest: disposition.strip_prefix("form-data").ok_or("its Content-Disposition is not form-data")? };
    let (mut field, mut filename, mut filename_extended) = (None, None, None);
    while let Some((name, value)) = parameters.next_one() {
        match name.to_ascii_lowercase().as_str() {
            "name" => field = Some(value),
            "filename" => filename = Some(value),
            "filename*" => filename_extended = extended(&value),
            _ => {}
        }
    }
    let name = field.ok_or("its Content-Disposition has no name")?;
    let bytes = undo_transfer_encoding(transfer_encoding, bytes).map_err(|problem| {
        let shown: String = name.chars().take(60).collect();
        format!("the field '{shown}': {problem}")
    })?;
    Ok(Part { name, filename: filename_extended.or(filename), content_type, bytes })
}

/// Repeated parameters `; name="value"`.
struct Parameters<'t> {
    rest: &'t str,
}

impl<'t> Parameters<'t> {
    fn next_one(&mut self) -> Option<(&'t str, String)> {
        let rest = self.rest.trim_start().strip_prefix(';')?.trim_start();
        let (name, rest) = rest.split_once('=')?;
        let Some(quoted) = rest.trim_start().strip_prefix('"') else {
            let end = rest.find(';').unwrap_or(rest.len());
            self.rest = &rest[end..];
            return Some((name.trim(), rest[..end].trim().to_owned()));
        };
        let mut value = String::new();
        let mut characters = quoted.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some((name.trim(), from_form_data(&value)));
                }
                // Only before a quote: old browsers send paths with backslashes.
                '\\' if characters.peek().is_some_and(|(_, next)| *next == '"') => {
                    characters.next();
                    value.push('"');
                }
                character => value.push(character),
            }
        }
        self.rest = "";
        Some((name.trim(), from_form_data(&value)))
    }
}

/// Decodes a quote and line ends in a name as browsers write them (WHATWG HTML, multipart/form-data encoding algorithm).
fn from_form_data(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// Decodes `UTF-8''caf%C3%A9.txt` (RFC 8187); `None` for another charset.
fn extended(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '\'');
    let (charset, _language, value) = (parts.next()?, parts.next()?, parts.next()?);
    let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
    is_utf8.then(|| percent_encoding::percent_decode_str(value).decode_utf8().ok().map(Cow::into_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str = "Content-Disposition: form-data; name=\"a\"";

    fn parts(body: &str) -> Result<Vec<Part<'_>>, MultipartError> {
        Parts::new(body.as_bytes(), "XX").collect()
    }

    #[test]
    fn parts_are_read_with_their_names_and_files() {
        let body = format!(
            "preamble\r\n--XX\r\n{HEADERS}\r\n\r\none\r\n--XX  \r\ncontent-disposition: form-data; filename=\"C:\\x \\\"y\\\".txt\"; name=b\r\n\
             Content-Type: text/plain\r\n\r\n\r\n--X\r\n--XX\r\n{HEADERS}; filename*=UTF-8''%C3%B6.txt\r\n\r\n\r\n--XX--\r\nepilogue"
        );
        let parts = parts(&body).unwrap();
        let part = |name: &str, filename: Option<&str>, content_type: Option<&str>, bytes: &'static [u8]| Part {
            name: name.to_owned(),
            filename: filename.map(str::to_owned),
            content_type: content_type.map(str::to_owned),
            bytes: Cow::Borrowed(bytes),
        };
        let expected = [
            part("a", None, None, b"one"),
            part("b", Some("C:\\x \"y\".txt"), Some("text/plain"), b"\r\n--X"),
            part("a", Some("ö.txt"), None, b""),
        ];
        assert_eq!(parts, expected);
        assert_eq!(Parts::new(b"--XX--", "XX").count(), 0);
    }

    #[test]
    fn broken_framing_is_an_error_that_names_the_part() {
        let cases = [
            ("", 1, "is not in the body"),
            ("--XX", 1, "not alone"),
            ("--XXY\r\n\r\n\r\n--XX--", 1, "not alone"),
            ("--XX\r\nA: b\r\n", 1, "do not end"),
            ("--XX\r\n\r\nx\r\n--XX--", 1, "no Content-Disposition"),
            ("--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--", 1, "no name"),
        ];
        for (body, part, expected) in cases {
            let error = parts(body).unwrap_err();
            assert_eq!(error.part, part, "{body:?}");
            assert!(error.message.contains(expected), "{body:?}: {error}");
        }
        let open = format!("--XX\r\n{HEADERS}\r\n\r\none\r\n--XX\r\n{HEADERS}\r\n\r\ntwo");
        assert_eq!(parts(&open).unwrap_err(), MultipartError { part: 2, message: "it is not ended by the boundary".to_owned() });
    }

    #[test]
    fn a_transfer_encoding_is_undone_and_one_that_is_not_known_names_the_field() {
        let body = |encoding: &str, content: &str| {
            format!("--XX\r\n{HEADERS}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{content}\r\n--XX--")
        };
        assert_eq!(&*parts(&body("base64", "aGVq\r\nIMO2")).unwrap()[0].bytes, "hej ö".as_bytes());
        assert_eq!(&*parts(&body("Quoted-Printable", "hej =C3=\r\n=B6")).unwrap()[0].bytes, "hej ö".as_bytes());
        assert_eq!(&*parts(&body("8bit", "a=")).unwrap()[0].bytes, b"a=");
        let error = parts(&body("x-uuencode", "a")).unwrap_err().to_string();
        assert!(error.starts_with("part 1: the field 'a': its Content-Transfer-Encoding 'x-uuencode'"), "{error}");
    }
}
