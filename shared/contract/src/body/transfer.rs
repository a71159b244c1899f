//! Content-Transfer-Encoding of the parts of a multipart body (RFC 2045, section 6): HTTP clients do not use it, programs that also send
//! emails do.

use data_encoding::BASE64_NOPAD;
use std::borrow::Cow;

/// Decodes `bytes`.
///
/// # Errors
/// An unknown encoding, and bytes that are not valid in the encoding.
pub(super) fn undo_transfer_encoding<'b>(encoding: Option<&str>, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, String> {
    let Some(encoding) = encoding else { return Ok(Cow::Borrowed(bytes)) };
    match encoding.to_ascii_lowercase().as_str() {
        "" | "7bit" | "8bit" | "binary" => Ok(Cow::Borrowed(bytes)),
        "base64" => base64(bytes).map(Cow::Owned),
        "quoted-printable" => quoted_printable(bytes).map(Cow::Owned),
        _ => {
            let shown: String = encoding.chars().take(40).collect();
            Err(format!("its Content-Transfer-Encoding '{shown}' is none of 7bit, 8bit, binary, base64 and quoted-printable"))
        }
    }
}

fn base64(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut compact: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = compact.iter().rev().take_while(|byte| **byte == b'=').count();
    compact.truncate(compact.len() - padding.min(2));
    BASE64_NOPAD.decode(&compact).map_err(|error| format!("its content is no base64: {error}"))
}

/// Decodes quoted-printable. It is our own, since existing readers either drop what they cannot decode, or refuse long lines and lower case
/// in `=c3`, which mail programs send.
fn quoted_printable(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end_at = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (content, line_end) = line.split_at(end_at);
        // Blanks at the end of a line were added in transport.
        let blanks = content.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let mut rest = &content[..content.len() - blanks];
        let mut is_soft = false;
        while let Some(at) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            if rest.is_empty() {
                is_soft = true;
                break;
            }
            let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|digits| !digits.starts_with('+'));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            out.push(byte.ok_or("its content is no quoted-printable: a '=' without two hexadecimal digits")?);
            rest = &rest[2..];
        }
        if !is_soft {
            out.extend_from_slice(rest);
            out.extend_from_slice(line_end);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_mail_are_undone() {
        let undone = |encoding: &str, bytes: &'static [u8]| undo_transfer_encoding(Some(encoding), bytes).map(Cow::into_owned);
        for (encoding, bytes, expected) in [
            ("8bit", &b"=C3 a"[..], &b"=C3 a"[..]),
            ("BASE64", b"aGVq\r\nIMO2\r\n", "hej ö".as_bytes()),
            ("base64", b"aGk", b"hi"),
            ("base64", b"aGk=", b"hi"),
            ("base64", b"", b""),
            ("Quoted-Printable", b"hej =C3=b6=\r\n!  \r\nx=3D\r\n", "hej ö!\r\nx=\r\n".as_bytes()),
            ("quoted-printable", b"a=  \nb", b"ab"),
            ("quoted-printable", b"", b""),
        ] {
            assert_eq!(undone(encoding, bytes), Ok(expected.to_vec()), "{encoding}: {}", String::from_utf8_lossy(bytes));
        }
        for (encoding, bytes, expected) in [
            ("uuencode", &b""[..], "'uuencode' is none of"),
            ("base64", b"a!", "no base64"),
            ("quoted-printable", b"a=Z1", "two hexadecimal digits"),
            ("quoted-printable", b"a=+1", "two hexadecimal digits"),
            ("quoted-printable", b"a=1", "two hexadecimal digits"),
            ("quoted-printable", b"a=\xc3\xb6", "two hexadecimal digits"),
        ] {
            let problem = undone(encoding, bytes).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
