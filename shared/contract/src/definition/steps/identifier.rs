//! Names that mappings see as fields: `.steps.NAME`.

/// Returns true for a letter or `_`, followed by letters, digits and `_`, at most 64.
pub(super) fn is_identifier(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
