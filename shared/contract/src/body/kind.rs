//! The types as which bodies are read.

use super::boundary::{MULTIPART, boundary};
use super::{BodyError, Charset, CsvFormat, MediaType};

/// The type as which a body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyKind {
    /// `application/json` or `+json`: UTF-8, whatever charset its Content-Type has (RFC 8259, section 11), unless a definition sets
    /// another.
    Json(Charset),
    /// `application/xml`, `text/xml` or `+xml`, and the charset of its Content-Type.
    Xml(Option<Charset>),
    /// `text/csv` or `text/tab-separated-values`.
    Csv(CsvFormat, Charset),
    /// `application/x-www-form-urlencoded`; without a charset, the body may contain its name.
    Form(Option<Charset>),
    /// `multipart/form-data`.
    Multipart {
        /// The boundary between the parts, without which a body cannot be read.
        boundary: Option<String>,
        /// The charset of parts that have none; without it, the body may contain its name.
        charset: Option<Charset>,
    },
    /// Any other `text/*`.
    Text(Charset),
    /// Anything else, or no Content-Type.
    Binary,
}

impl BodyKind {
    /// Reads the value of a Content-Type header; without a value, a body is binary.
    ///
    /// # Errors
    /// A value without `type/subtype`, and an unknown charset of a text.
    pub fn of(content_type: Option<&str>) -> Result<Self, BodyError> {
        let Some(text) = content_type.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(Self::Binary) };
        // The two common values need no parser.
        match text {
            "application/json" => return Ok(Self::Json(Charset::Utf8)),
            "application/octet-stream" => return Ok(Self::Binary),
            _ => {}
        }
        let media_type = MediaType::parse(text).ok_or_else(|| BodyError::ContentType(text.chars().take(80).collect()))?;
        Self::of_media_type(&media_type, None)
    }

    /// Returns the kind of a media type; `charset` takes precedence over its own.
    pub(super) fn of_media_type(media_type: &MediaType<'_>, charset: Option<Charset>) -> Result<Self, BodyError> {
        if media_type.is_of("json") {
            return Ok(Self::Json(charset.unwrap_or(Charset::Utf8)));
        }
        if media_type.essence() == MULTIPART {
            return Ok(Self::Multipart { boundary: boundary(media_type), charset });
        }
        let charset = || match charset {
            Some(charset) => Ok(Some(charset)),
            None => media_type.parameter("charset").map(Charset::named).transpose(),
        };
        if media_type.is_of("xml") {
            return Ok(Self::Xml(charset()?));
        }
        let has_header = !media_type.parameter("header").is_some_and(|header| header.eq_ignore_ascii_case("absent"));
        let csv = |separator| CsvFormat { separator, has_header };
        let or_utf8 = |charset: Option<Charset>| charset.unwrap_or(Charset::Utf8);
        match media_type.essence() {
            "application/x-www-form-urlencoded" => Ok(Self::Form(charset()?)),
            "text/csv" | "application/csv" => Ok(Self::Csv(csv(None), or_utf8(charset()?))),
            "text/tab-separated-values" => Ok(Self::Csv(csv(Some(b'\t')), or_utf8(charset()?))),
            _ if media_type.type_() == "text" => Ok(Self::Text(or_utf8(charset()?))),
            _ => Ok(Self::Binary),
        }
    }

    /// Returns its name in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json(_) => "JSON",
            Self::Xml(_) => "XML",
            Self::Csv(..) => "CSV",
            Self::Form(_) => "form data",
            Self::Multipart { .. } => MULTIPART,
            Self::Text(_) => "text",
            Self::Binary => "data",
        }
    }
}
