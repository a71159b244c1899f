//! The keys that encrypt what an installation stores secretly, as an operator writes them.

use crate::Secret;
use std::str::FromStr;

/// Shortest text of a key: 16 random bytes as hexadecimal, or more.
const MIN_KEY: usize = 32;

/// The texts of the keys of an installation, at least one: the first encrypts, each decrypts. So a new key can be put first, and the old
/// one taken out once everything is encrypted anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionKeys(Vec<Secret>);

impl EncryptionKeys {
    /// Returns the texts, at least one, the one that encrypts first.
    pub fn texts(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl FromStr for EncryptionKeys {
    /// The problem and the remedy, without any part of the text.
    type Err = String;

    /// Reads one key, or several with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let keys: Vec<Secret> = text.split(',').map(|key| Secret::new(key.trim())).collect();
        if keys.iter().any(|key| key.expose().len() < MIN_KEY) {
            return Err(format!("each key must have at least {MIN_KEY} characters: `openssl rand -hex 32` makes one"));
        }
        Ok(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_divided_by_commas_and_never_printed() {
        let (new, old) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
        let keys: EncryptionKeys = format!("{new}, {old}").parse().unwrap();
        assert_eq!(keys.texts().map(Secret::expose).collect::<Vec<_>>(), [new, old]);
        assert_eq!(format!("{keys:?}"), "EncryptionKeys([***, ***])");
        for text in ["hunter2", "", &format!("{new},hunter2"), &format!("{new},")] {
            let error = text.parse::<EncryptionKeys>().unwrap_err();
            assert!(error.contains("at least 32 characters") && !error.contains("hunter2"), "{error}");
        }
    }
}
