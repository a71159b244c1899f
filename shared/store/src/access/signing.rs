//! Signing keys: secrets with which callers sign their calls. The check of a signature needs their text, so it is stored, encrypted.

use crate::access::api_key::ApiKey;
use crate::database::resealed::Resealed;
use crate::database::row::ReadRow;
use crate::error::StoreError;
use crate::seal::{Place, Sealed, SecretKeys};
use deadpool_postgres::{GenericClient, Transaction};
use forebay_contract::{Name, Secret};
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// The name of a signing key in errors.
const WHAT: &str = "a signing key";
/// Bytes of a pasted key.
const PASTED: std::ops::RangeInclusive<usize> = 8..=512;

/// A signing key, with the key.
#[derive(Debug)]
pub struct SigningKey {
    /// The integrations that it opens, and the time at which it expires.
    pub key: Arc<ApiKey>,
    /// The secret of the signature.
    pub secret: Secret,
}

/// Returns the value of a pasted key, which may be any text: senders choose it.
pub(crate) fn valid_value(value: &str) -> Result<String, StoreError> {
    if !PASTED.contains(&value.len()) {
        let reason = format!("has {} bytes; it must have {} to {}", value.len(), PASTED.start(), PASTED.end());
        return Err(StoreError::Invalid { what: WHAT, reason });
    }
    if value.chars().any(char::is_control) || value.trim() != value {
        let reason = "begins or ends with a space, or has a control character in it".to_owned();
        return Err(StoreError::Invalid { what: WHAT, reason });
    }
    Ok(value.to_owned())
}

pub(crate) fn seal(keys: Option<&SecretKeys>, tenant: &Name, id: Uuid, value: &str) -> Result<Sealed, StoreError> {
    let missing = || StoreError::Invalid { what: WHAT, reason: "cannot be kept without FOREBAY_SECRET_KEY: set it".to_owned() };
    keys.ok_or_else(missing)?.seal(&place(tenant, &id.to_string(), id.as_bytes()), value.as_bytes().to_vec())
}

pub(crate) fn open(keys: Option<&SecretKeys>, tenant: &Name, id: Uuid, sealed: &[u8], by: &[u8]) -> Result<Secret, StoreError> {
    let missing = || StoreError::Invalid { what: WHAT, reason: "is encrypted, and this process has no FOREBAY_SECRET_KEY".to_owned() };
    let text = keys.ok_or_else(missing)?.open(&place(tenant, &id.to_string(), id.as_bytes()), sealed, by)?;
    String::from_utf8(text).map(Secret::new).map_err(|_| StoreError::damaged(WHAT))
}

/// Returns the place of a signing key. It has the id in it, since the label may change.
fn place<'a>(tenant: &'a Name, name: &'a str, earlier: &'a [u8]) -> Place<'a> {
    Place { kind: WHAT, tenant: tenant.as_str(), name, earlier }
}

/// Returns the id of the signing key of a tenant that has this value. A key that cannot be opened any more has none.
pub(crate) async fn find(
    client: &impl GenericClient,
    keys: Option<&SecretKeys>,
    tenant: &Name,
    value: &str,
) -> Result<Option<Uuid>, StoreError> {
    let sql = "select id, sealed, sealed_by from api_keys where tenant = $1 and sealed is not null";
    let rows = client.query(sql, &[&tenant.as_str()]).await.map_err(StoreError::during("look for a signing key"))?;
    let has_value = |row: &&Row| {
        open(keys, tenant, row.get("id"), row.get("sealed"), row.get("sealed_by")).is_ok_and(|secret| secret.expose() == value)
    };
    Ok(rows.iter().find(has_value).map(|row| row.get("id")))
}

/// Re-encrypts the signing keys that the first key has not encrypted, and returns their number.
pub(crate) async fn reseal(transaction: &Transaction<'_>, keys: &SecretKeys) -> Result<usize, StoreError> {
    let sql = "select id, tenant, sealed, sealed_by from api_keys where sealed is not null";
    let mut resealed = Resealed::default();
    for row in transaction.query(sql, &[]).await.map_err(StoreError::during("encrypt signing keys"))? {
        if keys.is_current(row.get("sealed_by")) {
            continue;
        }
        let (id, tenant) = (row.get("id"), row.name("tenant")?);
        let secret = open(Some(keys), &tenant, id, row.get("sealed"), row.get("sealed_by"))?;
        resealed.push(id, seal(Some(keys), &tenant, id, secret.expose())?);
    }
    resealed.write(transaction, "api_keys").await
}
