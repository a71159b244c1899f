//! Charsets: names of text encodings, decoding and encoding.

use super::BodyError;
use encoding_rs::Encoding;
use std::borrow::Cow;

/// The supported names, for the error about an unknown one.
const SUPPORTED: &str = "utf-8, iso-8859-1, windows-1252, utf-16 or another name of the WHATWG Encoding Standard";

/// The charset of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8 and its subset US-ASCII; the default.
    Utf8,
    /// ISO-8859-1, strictly: each byte is the character of the same number. The Encoding Standard would read it as windows-1252.
    Latin1,
    /// Another charset of the WHATWG Encoding Standard, including UTF-16.
    Other(&'static Encoding),
}

impl Charset {
    /// Returns the charset with this name. Case is ignored, and so are single quotes around it, which some senders add.
    ///
    /// # Errors
    /// [`BodyError::Charset`] for an unknown name.
    pub fn named(name: &str) -> Result<Self, BodyError> {
        let lower = name.trim().trim_matches('\'').to_ascii_lowercase();
        match lower.as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => return Ok(Self::Utf8),
            "iso-8859-1" | "latin1" | "iso8859-1" | "iso_8859-1" => return Ok(Self::Latin1),
            _ => {}
        }
        let encoding = Encoding::for_label_no_replacement(lower.as_bytes());
        encoding.map(Self::Other).ok_or_else(|| BodyError::Charset(name.chars().take(60).collect(), SUPPORTED))
    }

    /// Returns the charset of a byte order mark at the start of `bytes`, and the length of the mark.
    pub fn of_mark(bytes: &[u8]) -> Option<(Self, usize)> {
        match Encoding::for_bom(bytes)? {
            (encoding, length) if encoding == encoding_rs::UTF_8 => Some((Self::Utf8, length)),
            (encoding, length) => Some((Self::Other(encoding), length)),
        }
    }

    /// Returns its name, in lower case.
    pub fn name(self) -> String {
        match self {
            Self::Utf8 => "utf-8".to_owned(),
            Self::Latin1 => "iso-8859-1".to_owned(),
            Self::Other(encoding) => encoding.name().to_ascii_lowercase(),
        }
    }

    /// Decodes `bytes`. A byte order mark belongs to the encoding, not to the text; in UTF-16 it determines the byte order. Without one,
    /// `utf-16` is little endian, as in the Encoding Standard.
    ///
    /// # Errors
    /// [`BodyError::Malformed`] with `kind` for bytes that are not valid in this charset.
    pub fn decode<'b>(self, kind: &'static str, bytes: &'b [u8]) -> Result<Cow<'b, str>, BodyError> {
        let (charset, bytes) = match (self, Self::of_mark(bytes)) {
            (Self::Utf8, Some((Self::Utf8, length))) => (self, &bytes[length..]),
            (named, Some((marked, length))) if named.is_utf16() && marked.is_utf16() => (marked, &bytes[length..]),
            _ => (self, bytes),
        };
        charset.decode_exact(bytes).map_err(|problem| {
            let is_utf16 = Self::of_mark(bytes).is_some_and(|(marked, _)| marked.is_utf16() && charset == Self::Utf8);
            let hint = "it begins with the byte order mark of UTF-16; say charset=utf-16 in the Content-Type, or charset in the definition";
            BodyError::Malformed { kind, detail: if is_utf16 { hint.to_owned() } else { problem } }
        })
    }

    /// Decodes `bytes` as [`Charset::decode`] does, but treats a byte order mark as a character.
    ///
    /// # Errors
    /// The problem of the bytes, and its place if that is known.
    pub fn decode_exact(self, bytes: &[u8]) -> Result<Cow<'_, str>, String> {
        match self {
            Self::Utf8 => {
                std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()))
            }
            Self::Latin1 => Ok(match std::str::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => Cow::Borrowed(text),
                _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
            }),
            Self::Other(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| format!("its bytes are not {}", self.name())),
        }
    }

    /// Returns true if this is UTF-16, of either byte order.
    pub fn is_utf16(self) -> bool {
        matches!(self, Self::Other(encoding) if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE)
    }

    /// Encodes `text`. UTF-16 begins with a byte order mark, other charsets have none.
    ///
    /// # Errors
    /// The first character that is not in this charset.
    pub fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        match self {
            Self::Utf8 => Ok(Cow::Borrowed(text.as_bytes())),
            Self::Latin1 if text.is_ascii() => Ok(Cow::Borrowed(text.as_bytes())),
            Self::Latin1 => text.chars().map(|character| u8::try_from(u32::from(character)).map_err(|_| character)).collect(),
            Self::Other(encoding) if encoding == encoding_rs::UTF_16LE => Ok(utf16(text, u16::to_le_bytes).into()),
            Self::Other(encoding) if encoding == encoding_rs::UTF_16BE => Ok(utf16(text, u16::to_be_bytes).into()),
            Self::Other(encoding) => {
                let (bytes, _, has_unmappable) = encoding.encode(text);
                if !has_unmappable {
                    return Ok(bytes);
                }
                let is_missing = |character: &char| encoding.encode(character.encode_utf8(&mut [0; 4])).2;
                Err(text.chars().find(is_missing).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
        }
    }
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(to_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_from_its_bytes_in_every_charset() {
        for (name, bytes) in [
            ("utf-8", &b"\xc3\xb6"[..]),
            ("ISO-8859-1", b"\xf6"),
            ("windows-1252", b"\xf6"),
            ("utf-16", b"\xff\xfe\xf6\0"),
            ("utf-16be", b"\xfe\xff\0\xf6"),
            ("ibm866", b""),
        ] {
            let charset = Charset::named(name).unwrap();
            let text = if bytes.is_empty() { "" } else { "ö" };
            assert_eq!(charset.decode("text", bytes).unwrap(), text, "{name}");
            if !bytes.is_empty() {
                assert_eq!(charset.encode(text).unwrap(), bytes, "{name}");
            }
        }
        assert_eq!(Charset::named("'UTF-8'"), Ok(Charset::Utf8));
        assert_eq!(Charset::named("utf-16").unwrap().decode("text", b"a\0").unwrap(), "a");
        assert_eq!(Charset::named("windows-1252").unwrap().decode("text", b"\x80").unwrap(), "€");
        assert_eq!(Charset::Latin1.decode("text", b"\x80").unwrap(), "\u{80}");
    }

    #[test]
    fn bytes_that_do_not_fit_a_charset_are_named() {
        assert_eq!(Charset::Latin1.encode("a€"), Err('€'));
        assert_eq!(Charset::named("windows-1252").unwrap().encode("€ 你"), Err('你'));
        assert!(Charset::named("utf-16").unwrap().decode("text", b"abc").is_err());
        assert!(matches!(Charset::named("ebcdic"), Err(BodyError::Charset(..))));
    }
}
