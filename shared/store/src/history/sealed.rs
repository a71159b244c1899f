//! Payloads that only programs read, of definitions that hide fields: encrypted, each for its own place.

use crate::error::StoreError;
use crate::history::payload::{DEFLATE, IDENTITY, Packed};
use crate::seal::{Sealed, SecretKeys};
use uuid::Uuid;

const SEALED_IDENTITY: &str = "sealed-identity";
const SEALED_DEFLATE: &str = "sealed-deflate";
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
    let Sealed { content, by } = keys.seal_for(&place(execution, kind), packed.content)?;
    let encoding = if packed.encoding == DEFLATE { SEALED_DEFLATE } else { SEALED_IDENTITY };
    Ok(Packed { encoding, content: [by.as_slice(), &content].concat() })
}

/// The encoding of a payload that is not sealed.
pub(crate) fn inner(encoding: &str) -> &'static str {
    if encoding == DEFLATE { DEFLATE } else { IDENTITY }
}

/// Returns encoding and content as they were before [`seal`]; content that is not sealed is returned as it is.
pub(crate) fn open<'e>(
    keys: Option<&SecretKeys>,
    execution: Uuid,
    kind: &str,
    encoding: &'e str,
    content: Vec<u8>,
) -> Result<(&'e str, Vec<u8>), StoreError> {
    let inner = match encoding {
        SEALED_IDENTITY => IDENTITY,
        SEALED_DEFLATE => DEFLATE,
        _ => return Ok((encoding, content)),
    };
    let missing = || StoreError::Invalid { what: WHAT, reason: "is encrypted, and this process has no FOREBAY_SECRET_KEY".to_owned() };
    let keys = keys.ok_or_else(missing)?;
    let (by, content) = content.split_at_checked(KEY_ID_BYTES).ok_or(StoreError::Damaged { what: WHAT })?;
    Ok((inner, keys.open_for(WHAT, &place(execution, kind), content, by)?))
}

fn place(execution: Uuid, kind: &str) -> Vec<u8> {
    [execution.as_bytes(), kind.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::Secret;

    #[test]
    fn a_payload_opens_in_its_place_only() {
        let keys = SecretKeys::parse(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap();
        let (execution, packed) = (Uuid::new_v4(), Packed { encoding: DEFLATE, content: b"hunter2".to_vec() });
        let sealed = seal(&keys, execution, "retry", packed).unwrap();
        assert!(!sealed.content.windows(7).any(|part| part == b"hunter2"));
        let opened = open(Some(&keys), execution, "retry", sealed.encoding, sealed.content.clone()).unwrap();
        assert_eq!(opened, (DEFLATE, b"hunter2".to_vec()));
        assert!(open(Some(&keys), execution, "answer", sealed.encoding, sealed.content.clone()).is_err());
        let without = open(None, execution, "retry", sealed.encoding, sealed.content).unwrap_err();
        assert!(without.to_string().contains("FOREBAY_SECRET_KEY"), "{without}");
    }
}
