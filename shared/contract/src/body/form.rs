//! `application/x-www-form-urlencoded` as a stream of fields: one reader for the check at the ingress and for values.

use super::{BodyError, Charset};
use std::borrow::Cow;

const KIND: &str = "form data";

/// The fields of a form, in order, each with a name and a value. An error is the last item.
#[derive(Debug)]
pub struct FormFields<'b> {
    rest: Option<&'b [u8]>,
    charset: Charset,
    count: usize,
}

impl<'b> FormFields<'b> {
    /// Reads a body. The charset of its bytes is the given one; otherwise that of the field `_charset_` (HTML); otherwise that of a field
    /// `charset` if its value is a known name (PayPal and others); otherwise UTF-8.
    ///
    /// # Errors
    /// [`BodyError::Charset`] for an unknown `_charset_`.
    pub fn new(body: &'b [u8], charset: Option<Charset>) -> Result<Self, BodyError> {
        let charset = match charset {
            Some(charset) => charset,
            None => named_inside(body)?.unwrap_or(Charset::Utf8),
        };
        Ok(Self { rest: Some(body), charset, count: 0 })
    }

    fn text(&self, raw: &'b [u8], place: impl FnOnce() -> String) -> Result<Cow<'b, str>, BodyError> {
        let bytes = decoded(raw);
        let text = match bytes {
            Cow::Borrowed(bytes) => self.charset.decode_exact(bytes),
            Cow::Owned(bytes) => self.charset.decode_exact(&bytes).map(|text| Cow::Owned(text.into_owned())),
        };
        text.map_err(|problem| {
            let hint = "name the charset in the Content-Type or in a field _charset_";
            BodyError::Malformed { kind: KIND, detail: format!("{}: {problem}; {hint}", place()) }
        })
    }

    fn field(&mut self, pair: &'b [u8]) -> Result<(Cow<'b, str>, Cow<'b, str>), BodyError> {
        self.count += 1;
        let (name, value) = split(pair);
        let name = self.text(name, || format!("the name of field {}", self.count))?;
        let value = self.text(value, || format!("the value of '{}' (field {})", name.chars().take(60).collect::<String>(), self.count))?;
        Ok((name, value))
    }
}

impl<'b> Iterator for FormFields<'b> {
    type Item = Result<(Cow<'b, str>, Cow<'b, str>), BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest?;
            let pair = match memchr::memchr(b'&', rest) {
                Some(end) => {
                    self.rest = Some(&rest[end + 1..]);
                    &rest[..end]
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            if pair.is_empty() {
                continue;
            }
            let field = self.field(pair);
            if field.is_err() {
                self.rest = None;
            }
            return Some(field);
        }
    }
}

fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    memchr::memchr(b'=', pair).map_or((pair, &[]), |at| (&pair[..at], &pair[at + 1..]))
}

/// Decodes `+` and percent-encoding (WHATWG URL Standard, section 5.1).
fn decoded(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'+', b'%', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

fn named_inside(body: &[u8]) -> Result<Option<Charset>, BodyError> {
    if memchr::memmem::find(body, b"charset").is_none() {
        return Ok(None);
    }
    let value_of = |field: &[u8]| {
        let value = body.split(|byte| *byte == b'&').map(split).find(|(name, _)| *name == field).map(|(_, value)| value);
        value.map(|value| String::from_utf8_lossy(&decoded(value)).into_owned()).filter(|value| !value.is_empty())
    };
    if let Some(name) = value_of(b"_charset_") {
        return Charset::named(&name).map(|charset| Some(of_form(charset)));
    }
    Ok(value_of(b"charset").and_then(|name| Charset::named(&name).ok()).map(of_form))
}

/// Returns the charset that senders use: a form in UTF-16 is sent in UTF-8 (Encoding Standard, "get an output encoding").
fn of_form(charset: Charset) -> Charset {
    if charset.is_utf16() { Charset::Utf8 } else { charset }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], charset: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let charset = charset.map(|name| Charset::named(name).unwrap());
        let fields = FormFields::new(body, charset).map_err(|error| error.to_string())?;
        let owned = fields.map(|field| field.map(|(name, value)| (name.into_owned(), value.into_owned())));
        owned.collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    #[test]
    fn the_bytes_of_a_form_are_read_in_its_charset() {
        for (body, charset, name, value) in [
            (&b"name=J%C3%B6rg"[..], None, "name", "Jörg"),
            (b"name=J%F6rg", Some("windows-1252"), "name", "Jörg"),
            (b"name=J%F6rg&_charset_=windows-1252", None, "name", "Jörg"),
            (b"name=%80&charset=windows-1252", None, "name", "€"),
            (b"name=\xc3\xb6&charset=none+such", None, "name", "ö"),
            (b"name=%C3%B6&_charset_=utf-16", None, "name", "ö"),
            (b"na%2Bme=a+b%2B%zz", None, "na+me", "a b+%zz"),
            (b"&&n=%EF%BB%BFx", None, "n", "\u{feff}x"),
            (b"alone", None, "alone", ""),
        ] {
            assert_eq!(read(body, charset).unwrap()[0], (name.to_owned(), value.to_owned()), "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(read(b"", None), Ok(Vec::new()));
    }

    #[test]
    fn bytes_that_are_not_of_the_charset_are_an_error_with_their_place() {
        for (body, charset, expected) in [
            (&b"a=1&name=J%F6rg"[..], None, "the value of 'name' (field 2): byte 1 is not UTF-8; name the charset"),
            (b"a=1&%F6=x", None, "the name of field 2: byte 0 is not UTF-8"),
            (b"a=%FF", Some("gbk"), "the value of 'a' (field 1): its bytes are not gbk"),
            (b"a=1&_charset_=ebcdic", None, "the charset 'ebcdic' is not supported"),
        ] {
            let problem = read(body, charset).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
