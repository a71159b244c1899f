//! Encryption at rest: AES-256-GCM under keys that come from the environment.

use crate::error::StoreError;
use forebay_contract::{EncryptionKeys, Secret};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use sha2::{Digest, Sha256};

const KEY_ID_BYTES: usize = 8;

/// The keys of an installation. The first one encrypts; all of them decrypt, so that a new key can be put first and the old one taken
/// out once everything is re-encrypted.
pub struct SecretKeys(Vec<Key>);

struct Key {
    id: [u8; KEY_ID_BYTES],
    key: LessSafeKey,
    /// For digests from which their text must not be guessed.
    digests: hmac::Key,
}

/// The stored form: the nonce, then the ciphertext with its tag; and the id of the key with, behind it, the form of the place.
pub(crate) struct Sealed {
    pub(crate) content: Vec<u8>,
    pub(crate) by: Vec<u8>,
}

/// The byte after the id of the key where the ciphertext is bound to all of its [`Place`]. Earlier versions wrote none, and bound the
/// ciphertext to [`Place::earlier`] alone.
const WHOLE_PLACE: u8 = 2;

/// The place of a text: it cannot be moved to another tenant, another name or another use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The kind of text, for errors too, such as `the connection`.
    pub(crate) kind: &'static str,
    pub(crate) tenant: &'a str,
    /// Its name among those of its kind in the tenant.
    pub(crate) name: &'a str,
    /// The data to which earlier versions bound it.
    pub(crate) earlier: &'a [u8],
}

impl Place<'_> {
    /// Returns the additional data of the encryption, which differs for any two places.
    fn whole(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in ["forebay", self.kind, self.tenant, self.name] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl From<&EncryptionKeys> for SecretKeys {
    fn from(keys: &EncryptionKeys) -> Self {
        Self(keys.texts().map(Key::of).collect())
    }
}

impl Key {
    #[expect(clippy::expect_used, reason = "a digest of SHA-256 has the length of a key of AES-256")]
    fn of(text: &Secret) -> Self {
        let bytes = Sha256::digest(text.expose());
        let id_of = Sha256::digest(bytes);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&id_of[..KEY_ID_BYTES]);
        let key = UnboundKey::new(&AES_256_GCM, &bytes).expect("a key of 32 bytes");
        let digests = hmac::Key::new(hmac::HMAC_SHA256, &Sha256::digest([b"digest".as_slice(), &bytes].concat()));
        Self { id, key: LessSafeKey::new(key), digests }
    }
}

impl SecretKeys {
    /// Returns a keyed digest of a text; `None`: there is no key.
    pub(crate) fn digest(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.0.first().map(|key| hmac::sign(&key.digests, text).as_ref().to_vec())
    }

    /// Returns the id of the key that encrypts now.
    pub(crate) fn current_id(&self) -> Option<&[u8]> {
        self.0.first().map(|key| key.id.as_slice())
    }

    /// Returns true if a text was encrypted by the key that encrypts now, and is bound to all of its place.
    pub(crate) fn is_current(&self, by: &[u8]) -> bool {
        self.0.first().is_some_and(|key| by.split_last() == Some((&WHOLE_PLACE, key.id.as_slice())))
    }

    /// Encrypts a text for a place.
    pub(crate) fn seal(&self, place: &Place<'_>, text: Vec<u8>) -> Result<Sealed, StoreError> {
        let Sealed { content, mut by } = self.seal_for(&place.whole(), text)?;
        by.push(WHOLE_PLACE);
        Ok(Sealed { content, by })
    }

    /// Decrypts the content that is stored at a place.
    pub(crate) fn open(&self, place: &Place<'_>, content: &[u8], by: &[u8]) -> Result<Vec<u8>, StoreError> {
        match by.split_last() {
            Some((&WHOLE_PLACE, id)) if id.len() == KEY_ID_BYTES => self.open_for(place.kind, &place.whole(), content, id),
            _ => self.open_for(place.kind, place.earlier, content, by),
        }
    }

    /// Encrypts a text for a place that is unique in itself, such as the id of an execution.
    pub(crate) fn seal_for(&self, place: &[u8], text: Vec<u8>) -> Result<Sealed, StoreError> {
        let failed = || StoreError::Invalid { what: "the secret key", reason: "cannot encrypt".to_owned() };
        let key = self.0.first().ok_or_else(failed)?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|source| StoreError::Random { source })?;
        let mut sealed = text;
        key.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed).map_err(|_| failed())?;
        let mut content = nonce.to_vec();
        content.append(&mut sealed);
        Ok(Sealed { content, by: key.id.to_vec() })
    }

    /// Decrypts a text of [`Self::seal_for`]. `what`: its name in errors.
    pub(crate) fn open_for(&self, what: &'static str, place: &[u8], content: &[u8], by: &[u8]) -> Result<Vec<u8>, StoreError> {
        let missing = "was encrypted by another FOREBAY_SECRET_KEY: give that one too, after a comma";
        let key = self.0.iter().find(|key| key.id == by);
        let key = key.ok_or_else(|| StoreError::Invalid { what, reason: missing.to_owned() })?;
        let damaged = StoreError::damaged(what);
        let Some((nonce, sealed)) = content.split_at_checked(NONCE_LEN) else { return Err(damaged) };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return Err(damaged) };
        let mut sealed = sealed.to_vec();
        let Ok(text) = key.key.open_in_place(nonce, Aad::from(place), &mut sealed) else { return Err(damaged) };
        Ok(text.to_vec())
    }
}

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> SecretKeys {
        SecretKeys::from(&text.parse().unwrap())
    }

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    const PLACE: Place<'_> = Place { kind: "the text", tenant: "t", name: "a", earlier: b"id" };

    #[test]
    fn a_text_opens_in_its_place_only_and_never_looks_the_same_twice() {
        let keys = keys(OLD);
        let (one, two) = (keys.seal(&PLACE, b"hunter2".to_vec()).unwrap(), keys.seal(&PLACE, b"hunter2".to_vec()).unwrap());
        assert_ne!(one.content, two.content);
        assert_eq!(keys.open(&PLACE, &one.content, &one.by).unwrap(), b"hunter2");
        let elsewhere = [
            Place { kind: "another text", ..PLACE },
            Place { tenant: "other", ..PLACE },
            Place { name: "b", ..PLACE },
            Place { tenant: "", name: "ta", ..PLACE },
        ];
        for place in elsewhere {
            assert!(matches!(keys.open(&place, &one.content, &one.by), Err(StoreError::Damaged { .. })), "{place:?}");
        }
        // The form of an earlier version.
        assert!(keys.open(&PLACE, &one.content, &one.by[..KEY_ID_BYTES]).is_err());
        let mut bent = one.content.clone();
        bent[20] ^= 1;
        assert!(keys.open(&PLACE, &bent, &one.by).is_err());
        assert!(keys.open(&PLACE, &[1], &one.by).is_err());
    }

    #[test]
    fn content_of_an_earlier_version_opens_and_is_due_for_rotation() {
        let keys = keys(OLD);
        let earlier = keys.seal_for(PLACE.earlier, b"x".to_vec()).unwrap();
        assert_eq!(keys.open(&PLACE, &earlier.content, &earlier.by).unwrap(), b"x");
        assert!(!keys.is_current(&earlier.by));
        assert!(keys.open(&Place { earlier: b"other", ..PLACE }, &earlier.content, &earlier.by).is_err());
    }

    #[test]
    fn a_new_key_encrypts_while_the_old_one_still_opens() {
        let sealed = keys(OLD).seal(&PLACE, b"x".to_vec()).unwrap();
        let both = keys(&format!("{NEW}, {OLD}"));
        assert_eq!(both.open(&PLACE, &sealed.content, &sealed.by).unwrap(), b"x");
        assert!(!both.is_current(&sealed.by));
        assert!(both.is_current(&both.seal(&PLACE, b"x".to_vec()).unwrap().by));
        let error = keys(NEW).open(&PLACE, &sealed.content, &sealed.by).unwrap_err();
        assert!(error.to_string().contains("another FOREBAY_SECRET_KEY"), "{error}");
    }
}
