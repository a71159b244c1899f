//! JSON bodies: UTF-8, with or without a byte order mark (RFC 8259, section 8.1).

use super::BodyError;
use memchr::memmem::Finder;
use std::fmt;
use std::sync::LazyLock;

/// Maximum nesting of a JSON body. Parsers and mappings recurse, so depth costs stack; real documents are far below it.
pub const MAX_JSON_DEPTH: usize = 512;

/// Half of a surrogate pair in a string: `\ud800` without the other half is not a character, and no text can contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneSurrogate {
    /// The byte of its backslash, counted from 0.
    pub at: usize,
    /// The escape as written, such as `\ud800`.
    pub escape: String,
}

impl fmt::Display for LoneSurrogate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {} is half of a surrogate pair, which is no character", self.at, self.escape)
    }
}

/// Returns a hint for bytes that are not UTF-8, if they are UTF-16.
pub fn utf16_hint(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it begins with the byte order mark of UTF-16; JSON is sent as UTF-8 (RFC 8259)"),
        [1..=255, 0, 1..=255, 0, ..] | [0, 1..=255, 0, 1..=255, ..] => Some("it is UTF-16; JSON is sent as UTF-8 (RFC 8259)"),
        _ => None,
    }
}

/// The beginnings of escaped surrogates.
static SURROGATES: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new(b"\\ud"), Finder::new(b"\\uD")]);

/// Returns the first half of a surrogate pair without its other half in a valid JSON text.
///
/// Most texts have no escaped surrogates; for those it takes about 3 % of the time in which serde_json skips them.
pub fn lone_surrogate(json: &[u8]) -> Option<LoneSurrogate> {
    if memchr::memchr(b'\\', json).is_none() || SURROGATES.iter().all(|finder| finder.find(json).is_none()) {
        return None;
    }
    let mut from = 0;
    // Each backslash begins an escape, unless it is the second character of one.
    for at in memchr::memchr_iter(b'\\', json) {
        if at < from {
            continue;
        }
        from = at + 2;
        match half(json, at) {
            None => {}
            Some(Half::First) if half(json, at + 6) == Some(Half::Second) => from = at + 12,
            Some(_) => {
                let escape = String::from_utf8_lossy(json.get(at..at + 6).unwrap_or_default()).into_owned();
                return Some(LoneSurrogate { at, escape });
            }
        }
    }
    None
}

#[derive(PartialEq, Eq)]
enum Half {
    First,
    Second,
}

/// Returns the half at this byte, if it is an escaped one.
fn half(json: &[u8], at: usize) -> Option<Half> {
    match json.get(at..at + 4)? {
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B'] => Some(Half::First),
        [b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F'] => Some(Half::Second),
        _ => None,
    }
}

/// Checks that the bytes are one JSON text. Nothing is built: serde_json skips values without recursion, so depth costs no stack here.
pub(super) fn check_json(body: &[u8]) -> Result<(), BodyError> {
    let malformed = |detail: String| BodyError::Malformed { kind: "JSON", detail };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let hinted = |detail: String| malformed(utf16_hint(body).map_or(detail, str::to_owned));
    if let Err(error) = std::str::from_utf8(body) {
        return Err(hinted(format!("byte {} is not UTF-8", error.valid_up_to())));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(malformed("it holds no value, only blanks".to_owned()));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(|error| hinted(error.to_string()))?;
    if let Some(surrogate) = lone_surrogate(body) {
        return Err(malformed(surrogate.to_string()));
    }
    if max_nesting(body) > MAX_JSON_DEPTH {
        return Err(malformed(format!("it is nested deeper than {MAX_JSON_DEPTH} levels")));
    }
    Ok(())
}

/// Returns the deepest nesting of a valid JSON text.
fn max_nesting(json: &[u8]) -> usize {
    // If there are at most as many brackets as the limit, also within strings, nesting need not be computed. Chunks are counted in bytes,
    // for which the compiler generates vector instructions; the two brackets differ in one bit.
    let in_chunk = |chunk: &[u8]| usize::from(chunk.iter().map(|byte| u8::from(*byte | 0x20 == b'{')).sum::<u8>());
    if json.chunks(usize::from(u8::MAX)).map(in_chunk).sum::<usize>() <= MAX_JSON_DEPTH {
        return 0;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_of_a_surrogate_pair_is_found_and_a_whole_one_is_not() {
        for (text, expected) in [
            (r#""\ud800""#, Some(1)),
            (r#"["\u00e4","\udc00"]"#, Some(11)),
            (r#""\ud83d\ude00\ud83d""#, Some(13)),
            (r#""\ud83d\ud83d\ude00""#, Some(1)),
            (r#""\uD83Dx""#, Some(1)),
            (r#""\ud83d\ude00 \uD83D\uDE00""#, None),
            (r#""\\ud800""#, None),
            (r#""\\\ud800""#, Some(3)),
            (r#""\ud7ff\ue000""#, None),
            (r#""d800""#, None),
        ] {
            assert_eq!(lone_surrogate(text.as_bytes()).map(|found| found.at), expected, "{text}");
        }
    }

    proptest! {
        /// serde_json also refuses half a pair when it builds a text, but without a better place.
        #[test]
        fn halves_are_found_where_a_reader_that_builds_texts_finds_them(text in r#"(\\\\|\\u(d83d|DE00|dc00|0041)|\\n|[a-z]|ö){0,12}"#) {
            let json = format!("[\"{text}\"]");
            let builds = serde_json::from_str::<Vec<String>>(&json).is_ok();
            prop_assert_eq!(lone_surrogate(json.as_bytes()).is_none(), builds, "{}", json);
        }
    }
}
