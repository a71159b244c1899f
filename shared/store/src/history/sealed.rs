//! The encryption of payloads of definitions that hide fields, each for its own place.

use crate::error::StoreError;
use crate::history::payload::{Encoding, Packed};
use crate::seal::{Sealed, SecretKeys};
use uuid::Uuid;

const WHAT: &str = "a payload";
/// Bytes that name the key, before the rest.
const KEY_ID_BYTES: usize = 8;

/// The prefix of the kind of a payload that is a batch of checkpoints; the number of the batch follows.
pub(crate) const CHECKPOINTS_PREFIX: &str = "kept/";

/// Returns the kind of the payload of a batch.
pub(crate) fn checkpoints_kind(batch: u32) -> String {
    format!("{CHECKPOINTS_PREFIX}{batch:06}")
}

/// Returns a batch as it is stored; `None`: it must be encrypted, and there is no key.
pub(crate) fn packed_for(
    sealed: bool,
    keys: Option<&SecretKeys>,
    execution: Uuid,
    kind: &str,
    packed: Packed,
) -> Result<Option<Packed>, StoreError> {
    match (sealed, keys) {
        (false, _) => Ok(Some(packed)),
        (true, None) => Ok(None),
        (true, Some(keys)) => seal(keys, execution, kind, packed).map(Some),
    }
}

/// Encrypts a payload of an execution.
pub(crate) fn seal(keys: &SecretKeys, execution: Uuid, kind: &str, packed: Packed) -> Result<Packed, StoreError> {
    let encoding = match packed.encoding {
        Encoding::Identity => Encoding::SealedIdentity,
        Encoding::Deflate => Encoding::SealedDeflate,
        Encoding::SealedIdentity | Encoding::SealedDeflate => return Ok(packed),
    };
    let Sealed { content, by } = keys.seal_for(&place(execution, kind), packed.content)?;
    Ok(Packed { encoding, content: [by.as_slice(), &content].concat() })
}

/// Decrypts a payload that [`seal`] has encrypted; any other one is returned as it is.
pub(crate) fn open(keys: Option<&SecretKeys>, execution: Uuid, kind: &str, packed: Packed) -> Result<Packed, StoreError> {
    let encoding = match packed.encoding {
        Encoding::SealedIdentity => Encoding::Identity,
        Encoding::SealedDeflate => Encoding::Deflate,
        Encoding::Identity | Encoding::Deflate => return Ok(packed),
    };
    let missing = || StoreError::Invalid { what: WHAT, reason: "is encrypted, and this process has no FOREBAY_SECRET_KEY".to_owned() };
    let keys = keys.ok_or_else(missing)?;
    let (by, content) = packed.content.split_at_checked(KEY_ID_BYTES).ok_or(StoreError::damaged(WHAT))?;
    Ok(Packed { encoding, content: keys.open_for(WHAT, &place(execution, kind), content, by)? })
}

fn place(execution: Uuid, kind: &str) -> Vec<u8> {
    [execution.as_bytes(), kind.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_opens_in_its_place_only() {
        let keys = SecretKeys::from(&"0123456789abcdef0123456789abcdef".parse().unwrap());
        let (execution, packed) = (Uuid::new_v4(), Packed { encoding: Encoding::Deflate, content: b"hunter2".to_vec() });
        let sealed = || seal(&keys, execution, "retry", Packed { content: packed.content.clone(), ..packed }).unwrap();
        assert!(!sealed().content.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(open(Some(&keys), execution, "retry", sealed()).unwrap(), packed);
        assert!(open(Some(&keys), execution, "answer", sealed()).is_err());
        let without = open(None, execution, "retry", sealed()).unwrap_err();
        assert!(without.to_string().contains("FOREBAY_SECRET_KEY"), "{without}");
    }
}
