//! CSV as a stream of fields (RFC 4180, and what is sent under its name): one reader for the check at the ingress and for values.
//!
//! Written here because the common readers take a quote that is never closed for a field that ends with the file, which would make
//! one field of the rest of a partner's rows without a word.

use std::borrow::Cow;

/// Separators that are looked for in a first line, the usual one first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How far a separator is looked for, in bytes.
const LONGEST_SEARCH: usize = 64 * 1024;

/// How a CSV text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvFormat {
    /// An ASCII character between two fields; `None`: see [`separator_of`].
    pub separator: Option<u8>,
    /// Whether the first record is the names of the columns.
    pub has_header: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvField<'t> {
    /// Without its quotes.
    pub text: Cow<'t, str>,
    /// True for the last one of its record.
    pub ends_record: bool,
}

/// A quote that is never closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a field begins with a quote that is never closed")]
pub struct CsvError {
    /// The line where the field begins, counted from 1.
    pub line: usize,
}

/// The separator of a text whose Content-Type says none: the first of comma, semicolon, tab and `|` that the first line has outside
/// of quotes. A standard text with two columns has a comma there, so it is never read in another way.
pub fn separator_of(text: &str) -> u8 {
    let mut in_quotes = false;
    let mut found = [false; SEPARATORS.len()];
    for byte in text.trim_start_matches(['\r', '\n']).bytes().take(LONGEST_SEARCH) {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\r' | b'\n' if !in_quotes => break,
            _ if in_quotes => {}
            b',' => return b',',
            _ => {
                if let Some(index) = SEPARATORS.iter().position(|separator| *separator == byte) {
                    found[index] = true;
                }
            }
        }
    }
    SEPARATORS.iter().zip(found).find(|(_, is_there)| *is_there).map_or(b',', |(separator, _)| *separator)
}

/// The fields of a text. Empty lines are passed over; lines end with CRLF, LF or CR.
///
/// A field that begins with a quote ends with the next quote that is not doubled; what follows up to the separator is added as it
/// is. A quote inside of another field is a character like others.
#[derive(Debug, Clone)]
pub struct CsvFields<'t> {
    text: &'t str,
    at: usize,
    separator: u8,
    starts_record: bool,
}

impl<'t> CsvFields<'t> {
    /// Over `text`, with an ASCII character between the fields.
    pub fn new(text: &'t str, separator: u8) -> Self {
        Self { text, at: 0, separator, starts_record: true }
    }

    fn quoted(&mut self) -> Result<Cow<'t, str>, CsvError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut field = Cow::Borrowed("");
        let mut from = start;
        loop {
            let Some(found) = memchr::memchr(b'"', &bytes[from..]) else {
                let line = memchr::memchr_iter(b'\n', &bytes[..start]).count() + 1;
                return Err(CsvError { line });
            };
            let quote = from + found;
            add(&mut field, &self.text[from..quote]);
            if bytes.get(quote + 1) != Some(&b'"') {
                self.at = quote + 1;
                break;
            }
            add(&mut field, "\"");
            from = quote + 2;
        }
        let rest = self.plain();
        add(&mut field, rest);
        Ok(field)
    }

    /// Up to the next separator or the end of the line.
    fn plain(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let end = memchr::memchr3(self.separator, b'\r', b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Passes the end of a line; false when none is here.
    fn pass_line_end(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with(['\r', '\n'])) };
        self.at += length;
        length > 0
    }
}

fn add<'t>(field: &mut Cow<'t, str>, part: &'t str) {
    if field.is_empty() {
        *field = Cow::Borrowed(part);
    } else if !part.is_empty() {
        field.to_mut().push_str(part);
    }
}

impl<'t> Iterator for CsvFields<'t> {
    type Item = Result<CsvField<'t>, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.starts_record {
            while self.pass_line_end() {}
            if self.at >= self.text.len() {
                return None;
            }
            self.starts_record = false;
        }
        let text = if self.text.as_bytes().get(self.at) == Some(&b'"') {
            match self.quoted() {
                Ok(text) => text,
                Err(error) => {
                    self.at = self.text.len();
                    self.starts_record = true;
                    return Some(Err(error));
                }
            }
        } else {
            Cow::Borrowed(self.plain())
        };
        let ends_record = if self.text.as_bytes().get(self.at) == Some(&self.separator) {
            self.at += 1;
            false
        } else {
            self.pass_line_end();
            true
        };
        self.starts_record = ends_record;
        Some(Ok(CsvField { text, ends_record }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, separator: u8) -> Vec<Vec<String>> {
        let mut records = vec![Vec::new()];
        for field in CsvFields::new(text, separator) {
            let field = field.unwrap();
            records.last_mut().unwrap().push(field.text.into_owned());
            if field.ends_record {
                records.push(Vec::new());
            }
        }
        assert_eq!(records.pop(), Some(Vec::new()), "{text:?}");
        records
    }

    #[test]
    fn fields_and_records_are_found_as_rfc_4180_has_them() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("a,b\r\nc,d\r\n", &[&["a", "b"], &["c", "d"]]),
            ("a,b\nc,", &[&["a", "b"], &["c", ""]]),
            ("\"a,\"\"b\"\"\r\n\",\"\"\n", &[&["a,\"b\"\r\n", ""]]),
            ("\n\r\n\"\"\n\n", &[&[""]]),
            ("5\" pipe,\"x\"y\r", &[&["5\" pipe", "xy"]]),
            (",", &[&["", ""]]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(records(text, b','), *expected, "{text:?}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_with_its_line() {
        let error = CsvFields::new("a\nb,\"c\nd,e\n", b',').find_map(Result::err);
        assert_eq!(error, Some(CsvError { line: 2 }));
    }

    #[test]
    fn the_separator_is_the_one_that_the_first_line_has() {
        for (text, expected) in
            [("a,b;c", b','), ("a;b\n1,5;2", b';'), ("\"a,b\";c", b';'), ("a\tb", b'\t'), ("a|b", b'|'), ("a", b','), ("", b',')]
        {
            assert_eq!(separator_of(text), expected, "{text:?}");
        }
    }
}
