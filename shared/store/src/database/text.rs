//! Texts as PostgreSQL takes them: without NUL, and bounded.

use std::borrow::Cow;

/// Maximum characters of an error's message; the rest is cut.
const MAX_MESSAGE_CHARS: usize = 4000;

/// Returns the text without NUL, which PostgreSQL's `text` does not have.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Returns an error's message as it is stored.
pub(crate) fn bounded_message(message: &str) -> Cow<'_, str> {
    let end = message.char_indices().nth(MAX_MESSAGE_CHARS).map_or(message.len(), |(end, _)| end);
    bounded(message, end)
}

/// Returns at most `max` bytes of the text, cut at the end of a character, without NUL.
pub(crate) fn bounded(text: &str, max: usize) -> Cow<'_, str> {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    if text.contains('\0') { Cow::Owned(storable(text)) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_characters_end_and_has_no_nul() {
        assert_eq!(bounded("aä", 2), "a");
        assert_eq!(bounded("a\0b", 10), "a\u{fffd}b");
        assert_eq!(bounded("abc", 10), "abc");
    }
}
