//! Bodies: the type of a Content-Type, and checks that the bytes are valid for it.

mod boundary;
mod charset;
mod check;
mod csv;
mod csv_separator;
mod doctype;
mod form;
mod json;
mod kind;
mod media_type;
mod multipart;
mod rule;
mod shown;
mod transfer;
mod xml;
mod xml_characters;

pub use boundary::required_boundary;
pub use charset::Charset;
pub use check::check_body;
pub use csv::{CsvError, CsvField, CsvFields, CsvFormat};
pub use form::FormFields;
pub use json::{LoneSurrogate, MAX_JSON_DEPTH, lone_surrogate, utf16_hint};
pub use kind::BodyKind;
pub use media_type::MediaType;
pub use multipart::{MultipartError, Part, Parts, multipart_charset};
pub use rule::{BodyRule, Reading, RuleProblem};
pub use shown::shown_body;
pub use xml::{MAX_XML_DEPTH, XmlError, XmlEvents, read_xml, xml_text};
pub use xml_characters::{is_xml_character, is_xml_name};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;

/// The supported content codings, for the `Accept-Encoding` of a 415 (RFC 9110, section 12.5.3).
pub const ACCEPTED_ENCODINGS: &str = "gzip, deflate, identity";

/// The reason for which a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The Content-Type header itself cannot be read.
    #[error("the Content-Type '{0}' is not of the form type/subtype")]
    ContentType(String),
    /// The charset is unknown (415).
    #[error("the charset '{0}' is not supported: send {1}")]
    Charset(String, &'static str),
    /// The content coding is unknown (415).
    #[error("the Content-Encoding '{0}' is not supported: send one of {ACCEPTED_ENCODINGS}")]
    Encoding(String),
    /// The body is too large (413).
    #[error("the body is larger than the {0} bytes that this endpoint accepts")]
    TooLarge(usize),
    /// The bytes are not valid for the type (400).
    #[error("the body is not valid {kind}: {detail}")]
    Malformed {
        /// Such as `JSON`.
        kind: &'static str,
        /// The problem and its place.
        detail: String,
    },
}

/// Undoes a Content-Encoding, up to `max_bytes`. Without one, the bytes are borrowed.
///
/// # Errors
/// An unknown coding, bytes that are not valid in the coding, or more than `max_bytes`.
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
