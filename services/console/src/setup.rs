//! The first run: nobody can sign in yet, so who sets the console up proves that the installation is theirs.

use hmac::{Hmac, Mac};
use sha2::Sha256;

const PURPOSE: &[u8] = b"forebay console setup";
const CHARACTERS: usize = 20;

/// The same in every process of an installation, so that the log of any of them has it; 100 bits.
pub(crate) fn code(installation_key: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(installation_key) else { return String::new() };
    mac.update(PURPOSE);
    let text = data_encoding::BASE32_NOPAD.encode(&mac.finalize().into_bytes());
    text[..CHARACTERS].to_lowercase()
}

/// Whether a text is the code, in a time that does not depend on how much of it is right.
pub(crate) fn is_right(code: &str, text: &str) -> bool {
    let given = text.trim().to_lowercase();
    let differs = code.bytes().zip(given.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    !code.is_empty() && code.len() == given.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_of_the_installation_and_nothing_else_is_it() {
        let one = code(b"one installation's key, 32 bytes");
        assert_eq!(one.len(), CHARACTERS);
        assert_ne!(one, code(b"another installation's key"));
        assert!(is_right(&one, &format!(" {} ", one.to_uppercase())));
        assert!(!is_right(&one, "") && !is_right(&one, &one[1..]) && !is_right("", ""));
    }
}
