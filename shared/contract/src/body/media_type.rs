//! Media types (RFC 9110, section 8.3), read leniently: one parser for received calls, responses of remote systems, files and emails.
//!
//! A strict reader refuses values that many systems send: `application/json ; charset=utf-8`, `;;charset=utf-8`, and values that should be
//! quoted and are not, such as `boundary=----=_Part_1` (Java) and `action=http://x/y` (SOAP 1.2).

use std::borrow::Cow;
use std::fmt;

/// A type, a subtype and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType<'t> {
    /// `type/subtype` in lower case.
    essence: Cow<'t, str>,
    /// The parameters, without repetitions.
    parameters: Vec<(&'t str, Cow<'t, str>)>,
}

impl<'t> MediaType<'t> {
    /// Reads a Content-Type. `None`: it does not begin with `type/subtype`.
    ///
    /// - Blanks are allowed around `;`, `=` and the whole; empty parameters and those without a value are skipped.
    /// - An unquoted value ends with the next `;`, whatever characters it contains. A quoted one ends with its closing quote; a backslash
    ///   escapes the next character, and without a closing quote the value extends to the end.
    /// - Of parameters with the same name the first counts. The case of names is ignored.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (essence, rest) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let has_capitals = essence.bytes().any(|byte| byte.is_ascii_uppercase());
        let essence = if has_capitals { Cow::Owned(essence.to_ascii_lowercase()) } else { Cow::Borrowed(essence) };
        Some(Self { essence, parameters: parameters(rest) })
    }

    /// Returns `type/subtype` in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Returns the type, such as `text`.
    pub fn type_(&self) -> &str {
        self.essence.split_once('/').map_or("", |(kind, _)| kind)
    }

    /// Returns the subtype, such as `csv` or `soap+xml`.
    pub fn subtype(&self) -> &str {
        self.essence.split_once('/').map_or("", |(_, subtype)| subtype)
    }

    /// Returns true if the subtype is this format, or is based on it: `json`, and `vnd.acme+json`.
    pub fn is_of(&self, format: &str) -> bool {
        let subtype = self.subtype();
        subtype == format || subtype.rsplit_once('+').is_some_and(|(_, suffix)| suffix == format)
    }

    /// Returns the value of a parameter, without quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(existing, _)| existing.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// Writes the form of RFC 9110, with quotes where they are required.
impl fmt::Display for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)?;
        for (name, value) in &self.parameters {
            if is_token(value) {
                write!(f, "; {name}={value}")?;
            } else {
                write!(f, "; {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

fn parameters(mut rest: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut parameters: Vec<(&str, Cow<'_, str>)> = Vec::new();
    while !rest.is_empty() {
        let name_end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..name_end].trim();
        let Some(value) = rest[name_end..].strip_prefix('=') else {
            rest = rest.get(name_end + 1..).unwrap_or_default();
            continue;
        };
        let (value, after) = value_of(value);
        rest = after.split_once(';').map_or("", |(_, rest)| rest);
        if is_token(name) && !parameters.iter().any(|(existing, _)| existing.eq_ignore_ascii_case(name)) {
            parameters.push((name, value));
        }
    }
    parameters
}

/// Returns a value, and the text after it.
fn value_of(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.trim_start().strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (Cow::Borrowed(text[..end].trim()), &text[end..]);
    };
    let Some(end) = quoted.find(['"', '\\']) else { return (Cow::Borrowed(quoted), "") };
    if quoted[end..].starts_with('"') {
        return (Cow::Borrowed(&quoted[..end]), &quoted[end + 1..]);
    }
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (Cow::Owned(value), &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, next)| next)),
            character => value.push(character),
        }
    }
    (Cow::Owned(value), "")
}

/// Returns true for a token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_in_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn content_types_of_real_systems_are_read() {
        type Parameters = &'static [(&'static str, &'static str)];
        let cases: &[(&str, &str, Parameters)] = &[
            ("application/json ; charset=utf-8", "application/json", &[("charset", "utf-8")]),
            ("application/json;;charset=utf-8", "application/json", &[("charset", "utf-8")]),
            (" Application/JSON; ", "application/json", &[]),
            ("text/plain;Charset = \"UTF-8\" ; format=flowed;", "text/plain", &[("charset", "UTF-8"), ("format", "flowed")]),
            (
                "application/soap+xml; charset=utf-8; action=http://x/y",
                "application/soap+xml",
                &[("charset", "utf-8"), ("action", "http://x/y")],
            ),
            ("multipart/form-data; boundary=----=_Part_1", "multipart/form-data", &[("boundary", "----=_Part_1")]),
            ("multipart/form-data; boundary=\"a;b\\\"c\"; x=1", "multipart/form-data", &[("boundary", "a;b\"c"), ("x", "1")]),
            ("text/csv; charset=utf-16; charset=utf-8", "text/csv", &[("charset", "utf-16")]),
            ("text/csv; charset; header=absent", "text/csv", &[("header", "absent")]),
            ("a/b; c=\"d", "a/b", &[("c", "d")]),
            ("a/b; c=\"\\", "a/b", &[("c", "")]),
            ("*/*", "*/*", &[]),
        ];
        for (text, essence, parameters) in cases {
            let read = MediaType::parse(text).unwrap();
            assert_eq!(read.essence(), *essence, "{text}");
            assert_eq!(read.parameters.len(), parameters.len(), "{text}");
            for (name, value) in *parameters {
                assert_eq!(read.parameter(name), Some(*value), "{text}");
            }
        }
        for text in ["", "json", "text", "/json", "text/", "text /plain", "te xt/plain", "text/plain, text/html", ";a/b", "ö/b"] {
            assert_eq!(MediaType::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_in_a_panic_and_the_written_form_is_read_the_same(text in "([a-zA-Z/; =\"\\\\+.*ö]|\\PC){0,60}") {
            if let Some(read) = MediaType::parse(&text) {
                let written = read.to_string();
                let again = MediaType::parse(&written).unwrap();
                prop_assert_eq!(again.essence(), read.essence());
                prop_assert_eq!(again.parameters.len(), read.parameters.len());
                for (name, value) in &read.parameters {
                    prop_assert_eq!(again.parameter(name), Some(value.as_ref()));
                }
            }
        }

        #[test]
        fn a_content_type_that_a_strict_parser_takes_is_read_the_same(
            text in "[a-zA-Z]{1,8}/[a-zA-Z.+-]{1,12}(; ?[a-z]{1,3}=([a-zA-Z0-9-]{1,8}|\"[a-zA-Z0-9=:/; ]{0,8}\")){0,3}",
        ) {
            if let Ok(strict) = text.parse::<mime::Mime>() {
                let read = MediaType::parse(&text).unwrap();
                prop_assert_eq!(read.essence(), strict.essence_str());
                for format in ["json", "xml", "csv"] {
                    let is_of = strict.subtype() == format || strict.suffix().is_some_and(|suffix| suffix == format);
                    prop_assert_eq!(read.is_of(format), is_of, "{}", text);
                }
                for (name, _) in strict.params() {
                    prop_assert_eq!(read.parameter(name.as_str()), strict.get_param(name).map(|value| value.as_str()), "{}", text);
                }
            }
        }
    }
}
