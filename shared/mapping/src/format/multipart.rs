//! Conversion between `multipart/form-data` and objects of fields.
//!
//! A field is a string. A file is `{ filename, contentType, size, text }`, or has `base64` instead of `text` if its Content-Type is not a
//! text or its bytes are not valid in its charset. A field whose Content-Type is not a text has the same form, with a filename of null.
//! Repeated names are arrays.

use super::Grouped;
use super::place::{Misfit, Place, Step};
use crate::{Value, reserve, tick};
use data_encoding::{BASE64, HEXLOWER};
use forebay_contract::body::{BodyError, Charset, Part, Parts, multipart_charset};
use sha2::{Digest, Sha256};

/// Returns the fields and files of a body. `charset` is that of parts which have none.
///
/// # Errors
/// Invalid framing, an unknown encoding, and a field whose bytes are not valid in its charset.
pub(crate) fn read_multipart(body: &[u8], boundary: &str, charset: Option<Charset>) -> Result<Value, BodyError> {
    let charset = if charset.is_some() { charset } else { multipart_charset(body, boundary)? };
    let mut fields = Grouped::default();
    for part in Parts::new(body, boundary) {
        let part = part.map_err(|error| BodyError::Malformed { kind: "multipart/form-data", detail: error.to_string() })?;
        tick(16);
        reserve(part.bytes.len() * 4 / 3);
        let value = value_of(&part, charset)?;
        fields.add(&part.name, value);
    }
    Ok(Value::object(fields.into_members()))
}

fn value_of(part: &Part<'_>, charset: Option<Charset>) -> Result<Value, BodyError> {
    Ok(match (part.text(charset)?, &part.filename) {
        (Some(text), None) => Value::string(text),
        (text, filename) => {
            let content = match text {
                Some(text) => ("text", Value::string(text)),
                None => ("base64", Value::string(BASE64.encode(&part.bytes))),
            };
            Value::object([
                ("filename", Value::from(filename.as_deref())),
                ("contentType", Value::from(part.content_type.as_deref())),
                ("size", Value::from(part.bytes.len())),
                content,
            ])
        }
    })
}

/// Returns the parts of an object, without the boundary, which is chosen after them.
fn parts_of(value: &Value) -> Result<Vec<(String, Vec<u8>)>, Misfit> {
    let mut place = Place::default();
    let members = value.entries().ok_or_else(|| place.misfit(format!("multipart/form-data takes an object of fields, not {value}")))?;
    let mut parts = Vec::new();
    for (name, member) in members {
        place.enter(Step::Name(name));
        let values = member.as_array().unwrap_or(std::slice::from_ref(member));
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_null()) {
            tick(16);
            if member.as_array().is_some() {
                place.enter(Step::Index(index));
            }
            parts.push(part(name, value, &place)?);
            if member.as_array().is_some() {
                place.leave();
            }
        }
        place.leave();
    }
    Ok(parts)
}

/// Returns the headers and the content of one part.
fn part(name: &str, value: &Value, place: &Place<'_>) -> Result<(String, Vec<u8>), Misfit> {
    let mut headers = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    if let Some(text) = value.scalar_text() {
        reserve(text.len());
        return Ok((headers, text.into_owned().into_bytes()));
    }
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    let content = match (member("base64"), member("text")) {
        (Some(base64), _) => {
            reserve(base64.len());
            BASE64.decode(base64.as_bytes()).map_err(|error| place.misfit(format!("the text in `base64` is no Base64: {error}")))?
        }
        (None, Some(text)) => {
            reserve(text.len());
            text.as_bytes().to_vec()
        }
        (None, None) => {
            let problem = format!("a field is a text, number or boolean, and a file has `base64` or `text`; this is {value}");
            return Err(place.misfit(problem));
        }
    };
    if let Some(filename) = member("filename") {
        headers.push_str(&format!("; filename=\"{}\"", quoted(filename)));
    }
    if let Some(content_type) = member("contentType") {
        if content_type.contains(['\r', '\n']) {
            return Err(place.misfit("`contentType` has a line break"));
        }
        headers.push_str(&format!("\r\nContent-Type: {content_type}"));
    }
    Ok((headers, content))
}

/// Quotes a name as browsers do (WHATWG HTML, multipart/form-data encoding algorithm).
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Returns the body of an object of fields, and its boundary: the given one, or one derived from the content, so that another attempt sends
/// the same bytes.
///
/// # Errors
/// A value that is not an object, a member that is neither field nor file, and a given boundary that occurs in the content.
pub(crate) fn write_multipart(value: &Value, boundary: Option<&str>) -> Result<(Vec<u8>, String), Misfit> {
    let parts = parts_of(value)?;
    let boundary = match boundary {
        Some(boundary) => boundary.to_owned(),
        None => boundary_for(&parts),
    };
    let finder = memchr::memmem::Finder::new(boundary.as_bytes());
    let mut body = Vec::new();
    for (headers, content) in &parts {
        if finder.find(content).is_some() || finder.find(headers.as_bytes()).is_some() {
            return Err(Place::default().misfit("the boundary of the Content-Type stands in the content; leave it out, and one is made"));
        }
        reserve(headers.len() + content.len() + 100);
        body.extend_from_slice(format!("--{boundary}\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((body, boundary))
}

/// Derives the boundary from a digest of the content: no content can contain its own digest.
fn boundary_for(parts: &[(String, Vec<u8>)]) -> String {
    let mut digest = Sha256::new();
    for (headers, content) in parts {
        tick(content.len() / 64);
        digest.update(headers);
        digest.update(content);
    }
    format!("forebay-{}", HEXLOWER.encode(&digest.finalize()[..16]))
}
