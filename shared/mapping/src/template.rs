//! Templates: plain text with `${ jq }` inside; each inserted value is encoded for its place.

use super::error::{CompileError, MappingError};
use super::limits::{Limits, Remaining};
use super::locate::Located;
use super::program::Mapping;
use super::scan::{Event, Scanner};
use super::shape::MAX_SOURCE_BYTES;
use super::value::{Repr, Value, described, text_of};

/// The encoding of inserted values. The text around them is never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// No encoding; arrays and objects as JSON.
    None,
    /// For one segment of a URL's path: all characters except the unreserved ones of RFC 3986 are percent-encoded, including `/`. Arrays
    /// and objects are errors, and so is a result that is the segment `.` or `..`.
    PathSegment,
    /// For the value of a query parameter: as for a path segment; arrays and objects are errors.
    QueryValue,
    /// No encoding, since it is encoded together with the text around it; arrays and objects are errors.
    Scalar,
    /// For a whole address: each value by its place. Before the path a value is not encoded, but after a literal `scheme://` only values
    /// that cannot leave the host and port are allowed; then as [`Encoding::PathSegment`], and after a literal `?` as
    /// [`Encoding::QueryValue`].
    Url,
    /// For a part of the host and port of an address: the characters `/ ? # @ \\` and blanks are errors.
    Authority,
    /// For the value of a header: a control character other than a tab is an error, and so are arrays and objects.
    HeaderValue,
    /// For HTML, between tags or in a quoted attribute: the characters `& < > " '` are escaped; arrays and objects are errors.
    Html,
}

/// A compiled template. Cheap to clone; shared by all threads.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

/// A piece of a template for a caller that treats literal and inserted text differently.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// The output of an expression; never null.
    Inserted(Value),
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// An expression, with its offset in the source.
    Expression(Mapping, Encoding, usize),
}

impl Template {
    /// Compiles `source`: text, `${ jq }`, and `$${` for a literal `${`. A `$` before anything else is literal.
    ///
    /// # Errors
    /// An expression that is not closed, or does not compile; the place is in `source`.
    pub fn compile(source: &str, encoding: Encoding) -> Result<Template, CompileError> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("the template has {} bytes; at most {MAX_SOURCE_BYTES} are allowed", source.len());
            return Err(CompileError::at(source, 0, message));
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        // The template with each expression replaced by `1`.
        let mut before = String::new();
        let mut at = 0;
        while let Some(found) = source[at..].find("${") {
            let dollar = at + found;
            text.push_str(&source[at..dollar]);
            if text.ends_with('$') && dollar > at {
                // `$${`: the first dollar escapes
                text.push('{');
                at = dollar + 2;
                continue;
            }
            let start = dollar + 2;
            let end = end_of_expression(source, start)
                .ok_or_else(|| CompileError::at(source, dollar, "`${` is never closed; write `$${` where it is meant as text"))?;
            let mapping = Mapping::compile(&source[start..end]).map_err(|error| {
                let (line, column) = moved(source, start, error.line, error.column);
                CompileError { line, column, ..error }
            })?;
            before.push_str(&text);
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Expression(mapping, if encoding == Encoding::Url { place_in_url(&before) } else { encoding }, start));
            before.push('1');
            at = end + 1;
        }
        text.push_str(&source[at..]);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Template { source: source.to_string(), parts })
    }

    /// Returns the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// True if it has no expression, so that it always renders the same.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// False if an expression [is not](Mapping::is_deterministic).
    pub fn is_deterministic(&self) -> bool {
        self.parts.iter().all(|part| !matches!(part, Part::Expression(mapping, ..) if !mapping.is_deterministic()))
    }

    /// Returns the template with each expression replaced by `1`.
    pub fn with_ones(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Expression(..) => "1".to_string(),
        };
        self.parts.iter().map(text).collect()
    }

    /// True if it begins with an expression, so that the beginning of its text is unknown.
    pub fn starts_with_expression(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Expression(..)))
    }

    /// Renders the text for `input`. The limits are for each expression, the time for all of them.
    ///
    /// # Errors
    /// An expression fails, returns null, or returns a value that cannot be inserted at its place.
    pub fn render(&self, input: &Value, limits: &Limits) -> Result<String, MappingError> {
        let mut rendered = String::new();
        let remaining = Remaining::of(limits);
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Expression(mapping, encoding, _) => {
                    let value = mapping.run(input, &remaining.limits())?;
                    rendered.push_str(&encoded(&value, *encoding, mapping.source())?);
                    if rendered.len() > limits.memory {
                        return Err(MappingError::Memory { limit: limits.memory });
                    }
                }
            }
        }
        Ok(rendered)
    }

    /// Returns the literal text, and the output of each expression without encoding.
    ///
    /// # Errors
    /// An expression fails, or returns null.
    pub fn pieces(&self, input: &Value, limits: &Limits) -> Result<Vec<Piece>, MappingError> {
        let mut pieces = Vec::with_capacity(self.parts.len());
        let remaining = Remaining::of(limits);
        for part in &self.parts {
            pieces.push(match part {
                Part::Text(text) => Piece::Text(text.clone()),
                Part::Expression(mapping, ..) => {
                    let value = mapping.run(input, &remaining.limits())?;
                    if value.is_null() {
                        return Err(MappingError::NullInTemplate { expression: mapping.source().to_string() });
                    }
                    Piece::Inserted(value)
                }
            });
        }
        Ok(pieces)
    }

    /// Returns the literal text, with `1` as the output of each expression.
    pub fn pieces_with_ones(&self) -> Vec<Piece> {
        let piece = |part: &Part| match part {
            Part::Text(text) => Piece::Text(text.clone()),
            Part::Expression(..) => Piece::Inserted(Value::string("1")),
        };
        self.parts.iter().map(piece).collect()
    }

    /// Finds the place at which rendering with `input` failed, as [`Mapping::locate`] does: in the expression that fails, or whose output
    /// does not fit.
    #[must_use]
    pub fn locate(&self, input: &Value) -> Option<Located> {
        for part in &self.parts {
            let Part::Expression(mapping, encoding, start) = part else { continue };
            let whole = Located::whole(mapping.source());
            let located = match mapping.run(input, &Limits::default()) {
                Err(error) => mapping.locate(input, &error).unwrap_or(whole),
                Ok(value) if encoded(&value, *encoding, "").is_err() => whole.with(&value),
                Ok(_) => continue,
            };
            let (line, column) = moved(&self.source, *start, located.line, located.column);
            return Some(Located { line, column, ..located });
        }
        None
    }
}

fn encoded(value: &Value, encoding: Encoding, expression: &str) -> Result<String, MappingError> {
    let expression = || expression.to_string();
    let not_insertable = |problem: String| MappingError::NotInsertable { expression: expression(), problem };
    match value.repr {
        Repr::Null => return Err(MappingError::NullInTemplate { expression: expression() }),
        Repr::Arr(_) | Repr::Obj(_) if encoding != Encoding::None => {
            return Err(not_insertable(format!("{}; only a string, a number or a boolean fits here", described(value))));
        }
        _ => {}
    }
    let text = text_of(value);
    match encoding {
        Encoding::None | Encoding::Scalar | Encoding::Url => Ok(text),
        Encoding::Authority => match text.chars().find(|c| c.is_whitespace() || c.is_control() || "/?#@\\".contains(*c)) {
            Some(character) => Err(not_insertable(format!("a text with {character:?}, which no host or port has"))),
            None => Ok(text),
        },
        Encoding::Html => Ok(html_escaped(&text)),
        Encoding::PathSegment if text == "." || text == ".." => Err(not_insertable(format!("`{text}`, which would lead to another path"))),
        Encoding::PathSegment | Encoding::QueryValue => Ok(percent_encoded(&text)),
        Encoding::HeaderValue => match text.chars().find(|character| character.is_control() && *character != '\t') {
            Some(control) => Err(not_insertable(format!("a text with the control character {control:?}, which a header cannot hold"))),
            None => Ok(text),
        },
    }
}

/// Returns the offset of the `}` that closes the expression that starts at `start`.
fn end_of_expression(source: &str, start: usize) -> Option<usize> {
    let mut scanner = Scanner::new(source, start);
    loop {
        match scanner.next() {
            Event::Opened(..) => {}
            Event::Brace(offset) => return Some(offset),
            Event::End => return None,
        }
    }
}

/// Returns the encoding of a value that follows `before` in an address.
fn place_in_url(before: &str) -> Encoding {
    let after_scheme = before.split_once("://").map(|(_, rest)| rest);
    if before.contains('?') {
        Encoding::QueryValue
    } else if after_scheme.unwrap_or(before).contains('/') {
        Encoding::PathSegment
    } else if after_scheme.is_some() {
        Encoding::Authority
    } else {
        Encoding::None
    }
}

/// Converts a place in the expression that starts at `start` of `source` to a place in `source`.
fn moved(source: &str, start: usize, line: usize, column: usize) -> (usize, usize) {
    let before = &source[..start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = if line == 1 { column + before[line_start..].chars().count() } else { column };
    (line + before.matches('\n').count(), column)
}

/// Escapes a text for HTML elements and quoted attributes.
#[must_use]
pub fn html_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(byte as char);
        } else {
            encoded.push('%');
            encoded.push(HEX[usize::from(byte >> 4)] as char);
            encoded.push(HEX[usize::from(byte & 15)] as char);
        }
    }
    encoded
}
