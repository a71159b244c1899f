//! The proof that a process of the installation wrote a message. Permission to publish at the broker is not enough to make one.
//!
//! The proof is HMAC-SHA256 (RFC 2104) with a key that is derived from the installation's, over all parts of the message that Forebay
//! reads. It is in the property `app_id`.

use crate::error::DecodeError;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use lapin::BasicProperties;
use lapin::types::ShortString;
use sha2::Sha256;

/// The text before the proof in `app_id`; its number is the version of the proof.
const PREFIX: &str = "forebay-1.";
/// The purpose from which the key is derived, so that a proof reveals nothing of ids, which use the installation's key too.
const PURPOSE: &[u8] = b"forebay messages 1";
/// Bytes of the proof in a message: RFC 2104 allows half.
const LENGTH: usize = 16;

/// Signs and verifies messages. Cheap to clone.
#[derive(Clone)]
pub struct MessageKey {
    /// The function, keyed and with no message yet.
    keyed: Hmac<Sha256>,
    accepts_unsigned: bool,
}

/// The kind of a message: one kind never stands for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Envelope = 1,
    Record = 2,
}

/// The parts of a message that are signed.
pub(crate) struct Parts<'a> {
    pub(crate) kind: Kind,
    /// The message's id.
    pub(crate) id: &'a str,
    /// The header that Forebay reads; empty where there is none.
    pub(crate) head: &'a [u8],
    pub(crate) reply_to: &'a str,
    pub(crate) body: &'a [u8],
}

impl MessageKey {
    /// `installation`: the installation's key. `accepts_unsigned`: messages without a proof are read, for the time in which an installation
    /// is brought up from a version that wrote none.
    #[must_use]
    pub fn new(installation: &[u8], accepts_unsigned: bool) -> Self {
        let derived = keyed(installation).chain_update(PURPOSE).finalize().into_bytes();
        Self { keyed: keyed(&derived), accepts_unsigned }
    }

    pub(crate) fn sign(&self, properties: BasicProperties, parts: &Parts<'_>) -> BasicProperties {
        let tag = self.over(parts).finalize().into_bytes();
        let proof = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&tag[..LENGTH]));
        properties.with_app_id(ShortString::from(proof))
    }

    /// # Errors
    /// [`DecodeError::NotSigned`].
    pub(crate) fn verify(&self, properties: &BasicProperties, parts: &Parts<'_>) -> Result<(), DecodeError> {
        let Some(proof) = properties.app_id().as_ref().and_then(|id| id.as_str().strip_prefix(PREFIX)) else {
            return if self.accepts_unsigned { Ok(()) } else { Err(DecodeError::NotSigned) };
        };
        match BASE64URL_NOPAD.decode(proof.as_bytes()) {
            Ok(given) if given.len() == LENGTH => self.over(parts).verify_truncated_left(&given).map_err(|_| DecodeError::NotSigned),
            Ok(_) | Err(_) => Err(DecodeError::NotSigned),
        }
    }

    fn over(&self, parts: &Parts<'_>) -> Hmac<Sha256> {
        let Parts { kind, id, head, reply_to, body } = parts;
        let mut mac = self.keyed.clone();
        mac.update(&[*kind as u8]);
        // Lengths stand before the parts, so that no byte can move from one to another. The body is the rest.
        for part in [id.as_bytes(), *head, reply_to.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(body);
        mac
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Parts<'static> = Parts { kind: Kind::Envelope, id: "id", head: b"head", reply_to: "reply", body: b"body" };

    fn key() -> MessageKey {
        MessageKey::new(b"installation", false)
    }

    #[test]
    fn a_message_of_the_installation_is_verified() {
        let signed = key().sign(BasicProperties::default(), &PARTS);
        assert_eq!(key().verify(&signed, &PARTS), Ok(()));
    }

    #[test]
    fn whatever_is_changed_is_found_out() {
        let signed = key().sign(BasicProperties::default(), &PARTS);
        let changed = [
            Parts { kind: Kind::Record, ..PARTS },
            Parts { id: "ie", ..PARTS },
            Parts { head: b"heae", ..PARTS },
            Parts { reply_to: "replz", ..PARTS },
            Parts { body: b"bodz", ..PARTS },
            Parts { body: b"", ..PARTS },
            // A byte that moves from one part to the next.
            Parts { id: "i", head: b"dhead", ..PARTS },
            Parts { reply_to: "replyb", body: b"ody", ..PARTS },
        ];
        for parts in &changed {
            assert_eq!(key().verify(&signed, parts), Err(DecodeError::NotSigned));
        }
        assert_eq!(MessageKey::new(b"another", false).verify(&signed, &PARTS), Err(DecodeError::NotSigned));
        assert_eq!(
            MessageKey::new(b"another", true).verify(&signed, &PARTS),
            Err(DecodeError::NotSigned),
            "a wrong proof is never accepted"
        );
    }

    #[test]
    fn a_message_without_a_proof_is_read_only_where_that_is_asked_for() {
        let unsigned = BasicProperties::default();
        let of_another_program = BasicProperties::default().with_app_id("erp".into());
        for properties in [unsigned, of_another_program] {
            assert_eq!(key().verify(&properties, &PARTS), Err(DecodeError::NotSigned));
            assert_eq!(MessageKey::new(b"installation", true).verify(&properties, &PARTS), Ok(()));
        }
    }
}
