//! The first run: no user exists yet, so the first user must prove access to the log of the installation.

use forebay_contract::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const PURPOSE: &[u8] = b"forebay console setup";
const CHARACTERS: usize = 20;

/// Returns the code, of 100 bits. It is the same in every process of an installation, so that the log of any of them has it.
pub(crate) fn code(installation_key: &[u8]) -> Secret {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(installation_key) else { return Secret::new("") };
    mac.update(PURPOSE);
    let text = data_encoding::BASE32_NOPAD.encode(&mac.finalize().into_bytes());
    text[..CHARACTERS].to_lowercase().into()
}

/// Compares a text with the code, in a time that does not depend on how much of it is right.
pub(crate) fn is_right(code: &Secret, text: &str) -> bool {
    let code = code.expose();
    let given = text.trim().to_lowercase();
    let differs = code.bytes().zip(given.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    !code.is_empty() && code.len() == given.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_of_the_installation_is_accepted() {
        let one = code(b"one installation's key, 32 bytes");
        let text = one.expose();
        assert_eq!(text.len(), CHARACTERS);
        assert_ne!(one, code(b"another installation's key"));
        assert!(is_right(&one, &format!(" {} ", text.to_uppercase())));
        assert!(!is_right(&one, "") && !is_right(&one, &text[1..]) && !is_right(&Secret::new(""), ""));
    }
}
