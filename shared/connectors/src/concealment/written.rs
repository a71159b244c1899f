//! Finds a text within another one in percent-encoding, as a JSON string or as HTML, whole or in part: remote systems repeat requests in
//! the notation of their response.

/// Replaces each occurrence of `part` in the text by `by`. `cut_off`: the text is truncated, and this many characters of `part` at its end
/// count as an occurrence.
pub(super) fn replaced(text: &str, part: &str, by: &str, cut_off: Option<usize>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if let Some(length) = length_of(part, &text[at..], cut_off) {
            replaced.push_str(by);
            at += length;
        } else {
            replaced.push(first);
            at += first.len_utf8();
        }
    }
    replaced
}

/// Returns the bytes of `part` at the start of the text; `None`: the text begins otherwise.
fn length_of(part: &str, text: &str, cut_off: Option<usize>) -> Option<usize> {
    // Several if a character can be read in several ways: `%` alone, or with the characters after it.
    let mut ends = vec![0];
    for (index, character) in part.chars().enumerate() {
        if cut_off.is_some_and(|enough| index >= enough) && ends.iter().any(|end| is_cut_off(&text[*end..])) {
            return Some(text.len());
        }
        let mut next: Vec<usize> = ends.iter().flat_map(|end| lengths(character, &text[*end..]).map(move |length| end + length)).collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.into_iter().max().filter(|length| *length > 0)
}

/// Returns true if a text ends before its next character is complete.
fn is_cut_off(rest: &str) -> bool {
    rest.is_empty() || rest.len() < "\\u0000".len() && rest.starts_with(['%', '\\', '&'])
}

/// Returns the bytes of the character at the start of the text, in each encoding in which it occurs there.
fn lengths(character: char, text: &str) -> impl Iterator<Item = usize> {
    let itself = text.starts_with(character).then(|| character.len_utf8());
    [itself, percent(character, text), json(character, text), html(character, text)].into_iter().flatten()
}

/// Percent-encoding (RFC 3986, section 2.1); a space may also be encoded as in forms.
fn percent(character: char, text: &str) -> Option<usize> {
    if character == ' ' && text.starts_with('+') {
        return Some(1);
    }
    let mut bytes = [0; 4];
    let mut rest = text;
    for byte in character.encode_utf8(&mut bytes).bytes() {
        let hex = rest.strip_prefix('%')?.get(..2)?;
        if u8::from_str_radix(hex, 16) != Ok(byte) {
            return None;
        }
        rest = &rest[3..];
    }
    Some(text.len() - rest.len())
}

/// JSON escapes (RFC 8259, section 7).
fn json(character: char, text: &str) -> Option<usize> {
    let escaped = text.strip_prefix('\\')?;
    let short = match character {
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        other => other,
    };
    if escaped.starts_with(short) && !short.is_ascii_digit() && (short != character || !short.is_ascii_alphabetic()) {
        return Some(1 + short.len_utf8());
    }
    let mut units = [0; 2];
    let mut rest = text;
    for unit in character.encode_utf16(&mut units) {
        let hex = rest.strip_prefix("\\u")?.get(..4)?;
        if u16::from_str_radix(hex, 16) != Ok(*unit) {
            return None;
        }
        rest = &rest[6..];
    }
    Some(text.len() - rest.len())
}

fn html(character: char, text: &str) -> Option<usize> {
    let (name, _) = text.strip_prefix('&')?.split_once(';')?;
    let means = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    (means == character).then(|| name.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_text_is_found_in_every_notation_and_nothing_else_is() {
        let secret = "p\"a/s&s +\\w%41\u{f6}\u{1f511}";
        for text in [
            secret.to_owned(),
            serde_json::to_string(secret).unwrap().trim_matches('"').to_owned(),
            r#"p\"a\/s\u0026s \u002B\\w%41\u00f6\ud83d\uDD11"#.to_owned(),
            "p%22a%2Fs%26s%20%2B%5Cw%2541%C3%B6%F0%9F%94%91".to_owned(),
            "p%22a%2fs%26s+%2b%5cw%2541%c3%b6%f0%9f%94%91".to_owned(),
            "p&quot;a/s&amp;s &#43;&#x5c;w%41&#246;&#x1F511;".to_owned(),
        ] {
            assert_eq!(replaced(&format!("<{text}>{text}, so"), secret, "***", None), "<***>***, so", "{text}");
        }
        for text in ["", "p", "p\"a/s&s", "100 %", "%4", "%C3%A4 \\u00zz &#xx; &nope; &", "\u{f6}\\"] {
            assert_eq!(replaced(text, secret, "***", None), text);
        }
    }

    #[test]
    fn the_beginning_of_a_text_is_found_at_an_end_that_was_cut_off() {
        for (text, expected) in
            [("is secr%65", "is ***"), ("is secret+", "is secret+"), ("is secre%7", "is ***"), ("is sec", "is sec"), ("sec is", "sec is")]
        {
            assert_eq!(replaced(text, "secret-key", "***", Some(5)), expected);
            assert_eq!(replaced(text, "secret-key", "***", None), text);
        }
    }
}
