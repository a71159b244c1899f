//! Digests of API keys, by which the key of a caller is looked up.
//!
//! A key that Forebay has made has 256 random bits: SHA-256 is enough. A key that a person has pasted may be short enough to be guessed
//! from such a digest, so it is an HMAC under a key of the installation, which is encrypted under `FOREBAY_SECRET_KEY`. Without that
//! setting, and for keys of earlier versions, it is SHA-256.

use crate::error::StoreError;
use crate::seal::{Place, Sealed, SecretKeys};
use deadpool_postgres::{GenericClient, Transaction};
use ring::hmac;
use sha2::{Digest, Sha256};

const PLACE: Place<'_> = Place { kind: "the key of digests", tenant: "", name: "installation", earlier: b"" };
const KEY_BYTES: usize = 32;
const OPERATION: &str = "read the key of digests";

/// Returns the digest by which a generated key, a session and a token are stored.
#[must_use]
pub fn key_digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Makes the digests of pasted keys.
#[derive(Clone)]
pub(crate) struct PastedDigests(hmac::Key);

impl PastedDigests {
    /// Returns the digest of a value in a tenant. It differs by tenant.
    pub(crate) fn of(&self, tenant: &str, value: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&(tenant.len() as u64).to_be_bytes());
        context.update(tenant.as_bytes());
        context.update(value.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

impl std::fmt::Debug for PastedDigests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PastedDigests")
    }
}

/// Returns the installation's; `None`: it has none, since no key has been pasted since this version.
///
/// # Errors
/// This process has no key that opens it.
pub(crate) async fn load(client: &impl GenericClient, keys: Option<&SecretKeys>) -> Result<Option<PastedDigests>, StoreError> {
    let sql = "select digest_key, digest_key_by from installation where digest_key is not null";
    let Some(row) = client.query_opt(sql, &[]).await.map_err(StoreError::during(OPERATION))? else { return Ok(None) };
    let missing =
        || StoreError::Invalid { what: PLACE.kind, reason: "is encrypted, and this process has no FOREBAY_SECRET_KEY".to_owned() };
    let key = keys.ok_or_else(missing)?.open(&PLACE, row.get("digest_key"), row.get("digest_key_by"))?;
    Ok(Some(PastedDigests(hmac::Key::new(hmac::HMAC_SHA256, &key))))
}

/// Returns the installation's, and makes it where there is none; `None`: there is no `FOREBAY_SECRET_KEY` to encrypt it under.
pub(crate) async fn load_or_make(client: &impl GenericClient, keys: Option<&SecretKeys>) -> Result<Option<PastedDigests>, StoreError> {
    let Some(secret) = keys else { return load(client, None).await };
    if let Some(digests) = load(client, keys).await? {
        return Ok(Some(digests));
    }
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|source| StoreError::Random { source })?;
    let Sealed { content, by } = secret.seal(&PLACE, key)?;
    let sql = "update installation set digest_key = $1, digest_key_by = $2 where digest_key is null";
    client.execute(sql, &[&content, &by]).await.map_err(StoreError::during("create the key of digests"))?;
    // Another process may have been faster.
    load(client, keys).await
}

/// Re-encrypts the key of digests, unless the first key has encrypted it; returns true if it did.
pub(crate) async fn reseal(transaction: &Transaction<'_>, keys: &SecretKeys) -> Result<bool, StoreError> {
    let failed = StoreError::during("encrypt the key of digests");
    let sql = "select digest_key, digest_key_by from installation where digest_key is not null for update";
    let Some(row) = transaction.query_opt(sql, &[]).await.map_err(failed)?.filter(|row| !keys.is_current(row.get("digest_key_by"))) else {
        return Ok(false);
    };
    let Sealed { content, by } = keys.seal(&PLACE, keys.open(&PLACE, row.get("digest_key"), row.get("digest_key_by"))?)?;
    transaction.execute("update installation set digest_key = $1, digest_key_by = $2", &[&content, &by]).await.map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_another_digest_in_another_tenant_and_installation() {
        let one = PastedDigests(hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]));
        let other = PastedDigests(hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]));
        let digest = one.of("t", "hunter2");
        assert_eq!(digest, one.of("t", "hunter2"));
        for another in [one.of("u", "hunter2"), one.of("th", "unter2"), other.of("t", "hunter2"), key_digest("hunter2")] {
            assert_ne!(digest, another);
        }
    }
}
