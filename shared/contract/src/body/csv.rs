//! CSV as a stream of fields (RFC 4180, and common deviations): one reader for the check at the ingress and for values.
//!
//! It is our own, since common readers accept a quote that is never closed as a field that ends with the file; the rest of a partner's rows
//! would silently become one field.

use std::borrow::Cow;

/// The format of a CSV text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvFormat {
    /// The separator, an ASCII character; `None`: as the text says, or guessed.
    pub separator: Option<u8>,
    /// True if the first record has the names of the columns.
    pub has_header: bool,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvField<'t> {
    /// The text without its quotes.
    pub text: Cow<'t, str>,
    /// True for the last field of its record.
    pub ends_record: bool,
}

/// A field that begins with a quote and does not follow RFC 4180.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a field {problem}")]
pub struct CsvError {
    /// The line of the field's begin, from 1.
    pub line: usize,
    problem: &'static str,
}

const NEVER_CLOSED: &str = "begins with a quote that is never closed";
const AFTER_QUOTE: &str = "has text after its closing quote: a quote inside of quotes is written twice";

/// The fields of a text. Empty lines are skipped; lines end with CRLF, LF or CR.
///
/// A field that begins with a quote ends with the next quote that is not doubled; text between that and the separator is an error. Within
/// other fields a quote is an ordinary character.
#[derive(Debug, Clone)]
pub struct CsvFields<'t> {
    text: &'t str,
    at: usize,
    separator: u8,
    starts_record: bool,
    has_loose_quote: bool,
    /// True if text after a closing quote is an error, and not only a hint that the separator is wrong.
    is_strict: bool,
}

impl<'t> CsvFields<'t> {
    /// Reads `text` with this separator, an ASCII character. Every line is data.
    pub(super) fn separated_by(text: &'t str, separator: u8) -> Self {
        Self { text, at: 0, separator, starts_record: true, has_loose_quote: false, is_strict: false }
    }

    /// Reads `text` from the byte `at` with this separator, an ASCII character. Text after a closing quote is an error.
    pub(super) fn strict(text: &'t str, at: usize, separator: u8) -> Self {
        Self { at, is_strict: true, ..Self::separated_by(text, separator) }
    }

    fn quoted(&mut self) -> Result<Cow<'t, str>, CsvError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut field = Cow::Borrowed("");
        let mut from = start;
        loop {
            let Some(found) = memchr::memchr(b'"', &bytes[from..]) else {
                return Err(self.error(start, NEVER_CLOSED));
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
        let rest = self.unquoted();
        if !rest.is_empty() && self.is_strict {
            return Err(self.error(start, AFTER_QUOTE));
        }
        self.has_loose_quote |= !rest.is_empty();
        add(&mut field, rest);
        Ok(field)
    }

    fn error(&self, start: usize, problem: &'static str) -> CsvError {
        let line = memchr::memchr_iter(b'\n', &self.text.as_bytes()[..start]).count() + 1;
        CsvError { line, problem }
    }

    /// Returns true if text was found between a closing quote and the end of its field, which RFC 4180 does not allow.
    pub(super) fn has_loose_quote(&self) -> bool {
        self.has_loose_quote
    }

    /// Reads up to the next separator or the end of the line.
    fn unquoted(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let end = memchr::memchr3(self.separator, b'\r', b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Skips the end of a line; returns false if there is none here.
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
            Cow::Borrowed(self.unquoted())
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
        for field in CsvFields::separated_by(text, separator) {
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
        let format = CsvFormat { separator: None, has_header: true };
        let error = CsvFields::new("a,b\nb,\"c\nd,e\n", format).find_map(Result::err);
        assert_eq!(error, Some(CsvError { line: 2, problem: NEVER_CLOSED }));
        let error = CsvFields::new("sep=;\na\nb;\"c\nd;e\n", format).find_map(Result::err);
        assert_eq!(error, Some(CsvError { line: 3, problem: NEVER_CLOSED }));
        for text in ["a,b\n1,\"5\" pipe\"\n", "a;b\n\"AB \"Kalle\"\";Ume\n", "a;b\n1;\"1,5\"kr\n"] {
            let error = CsvFields::new(text, format).find_map(Result::err);
            assert_eq!(error, Some(CsvError { line: 2, problem: AFTER_QUOTE }), "{text}");
        }
    }

    #[test]
    fn a_first_line_with_the_separator_is_no_data_and_the_definition_has_the_last_word() {
        let first = |text, separator| {
            let fields = CsvFields::new(text, CsvFormat { separator, has_header: true });
            fields.take(2).map(|field| field.unwrap().text.into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(first("sep=;\r\na,b;c\r\n", None), ["a,b", "c"]);
        assert_eq!(first("sep=;\r\na,b;c\r\n", Some(b',')), ["a", "b;c"]);
        assert_eq!(first("a,b;c\n1,2\n", None), ["a", "b;c"]);
    }
}
