//! Reads JSON text as values: RFC 8259, strictly, with a limit of depth.

use super::convert::{MAX_NUMBER_CHARACTERS, number_from_text};
use super::write::CHUNK_BYTES;
use super::{Members, Text, Value};
use crate::limits::MAX_DEPTH;
use crate::meter::{reserve, tick};

/// The reason for which a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {offset}")]
pub struct ParseError {
    /// The place, in bytes from the start.
    pub offset: usize,
    /// The problem.
    pub message: String,
}

/// Reads one JSON value from UTF-8 `text`.
///
/// # Errors
/// Text that is not JSON or not UTF-8, is deeper than [`MAX_DEPTH`], or has a number of more than 4000 characters. Of two members with the
/// same name the last counts. A byte order mark at the start is skipped.
pub fn parse_json(text: &[u8]) -> Result<Value, ParseError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = std::str::from_utf8(text)
        .map_err(|error| ParseError { offset: error.valid_up_to(), message: "the text is not valid UTF-8".to_string() })?;
    parse_text(text)
}

/// Reads one JSON value, see [`parse_json`].
pub(crate) fn parse_text(text: &str) -> Result<Value, ParseError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("something follows the value")),
    }
}

struct Reader<'t> {
    text: &'t str,
    /// Offset of the next byte; always at the boundary of a character when a text is cut out.
    at: usize,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

impl<'t> Reader<'t> {
    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError { offset: self.at, message: message.into() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value> {
        tick(1);
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Value::string(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::from(true)),
            Some(b'f') => self.word("false", Value::from(false)),
            Some(b'n') => self.word("null", Value::NULL),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value was expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("expected a value"))
        }
    }

    fn number(&mut self) -> Result<Value> {
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .take(MAX_NUMBER_CHARACTERS + 1)
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let number = &rest[..length];
        let whole = number.trim_start_matches('-').as_bytes();
        let leading_zero = whole.first() == Some(&b'0') && whole.get(1).is_some_and(u8::is_ascii_digit);
        if length > MAX_NUMBER_CHARACTERS {
            return Err(self.error(format!("a number of more than {MAX_NUMBER_CHARACTERS} characters")));
        }
        let bare_point = number.contains(".e") || number.contains(".E") || number.ends_with('.') || whole.first() == Some(&b'.');
        let value = if leading_zero || bare_point { None } else { number_from_text(number) };
        let value = value.ok_or_else(|| self.error("expected a number"))?;
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1; // the quote
        let bytes = self.text.as_bytes();
        let mut out = String::new();
        loop {
            let start = self.at;
            loop {
                let chunk = &bytes[self.at..bytes.len().min(self.at + CHUNK_BYTES)];
                let plain = chunk.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')).count();
                self.at += plain;
                if plain < CHUNK_BYTES {
                    break;
                }
                tick(plain / 64);
            }
            let plain = &self.text[start..self.at];
            if plain.len() > 1 << 12 {
                reserve(plain.len() + out.len());
            }
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    // A text without escapes, the common case, is allocated once.
                    return Ok(if out.is_empty() { plain.to_string() } else { out + plain });
                }
                Some(b'\\') => {
                    tick(1);
                    out.push_str(plain);
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character in a string; it must be escaped")),
                None => return Err(self.error("the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let kind = self.peek();
        let character = match kind {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.error("an unknown escape in a string")),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads the code after `\u`. jq writes U+FFFD for half a surrogate pair; here it is an error.
    fn unicode(&mut self) -> Result<char> {
        let start = self.at - 2;
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let is_first_half = (0xd800..0xdc00).contains(&first);
        if is_first_half && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second)
                && let Some(character) = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            {
                return Ok(character);
            }
        }
        self.at = start;
        Err(self.error(format!("\\u{first:04x} is half of a surrogate pair, which is no character")))
    }

    fn hex(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| (byte as char).to_digit(16));
            number = number * 16 + digit.ok_or_else(|| self.error("expected four hexadecimal digits after `\\u`"))?;
            self.at += 1;
        }
        Ok(number)
    }

    fn open(&mut self, depth: u32) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn array(&mut self, depth: u32) -> Result<Value> {
        self.open(depth)?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::from_items(items));
        }
        loop {
            if items.len() == items.capacity() {
                reserve(items.len() * 2 * size_of::<Value>());
            }
            items.push(self.value(depth)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::from_items(items));
                }
                _ => return Err(self.error("expected `,` or `]`")),
            }
            self.skip_space();
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value> {
        self.open(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::from_members(Members::default()));
        }
        // Collected first, since a map that grows would hash its names repeatedly.
        let mut pairs = Vec::with_capacity(8);
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a name in quotes"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.error("expected `:`"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth)?;
            if pairs.len() == pairs.capacity() {
                reserve(pairs.len() * 2 * size_of::<(Text, Value)>());
            }
            pairs.push((Text::new(name), value));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    reserve(pairs.len() * 2 * size_of::<(Text, Value)>());
                    let mut members = Members::with_capacity_and_hasher(pairs.len(), Default::default());
                    members.extend(pairs);
                    return Ok(Value::from_members(members));
                }
                _ => return Err(self.error("expected `,` or `}`")),
            }
            self.skip_space();
        }
    }
}
