//! Signing keys: secrets with which callers sign their calls. To check them their text is needed, so it is kept, encrypted.

use crate::database::listen::{self, Part};
use crate::database::pool::Store;
use crate::definitions::integrations::read_name;
use crate::error::StoreError;
use crate::remote::seal::{Place, Sealed, SecretKeys};
use crate::snapshot::ApiKey;
use deadpool_postgres::GenericClient;
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

/// Senders make them as they like, so any text will do.
pub(crate) fn valid_value(value: String) -> Result<String, StoreError> {
    if !PASTED.contains(&value.len()) {
        let reason = format!("has {} bytes; it must have {} to {}", value.len(), PASTED.start(), PASTED.end());
        return Err(StoreError::Invalid { what: WHAT, reason });
    }
    if value.chars().any(char::is_control) || value.trim() != value {
        let reason = "begins or ends with a space, or has a control character in it".to_owned();
        return Err(StoreError::Invalid { what: WHAT, reason });
    }
    Ok(value)
}

pub(crate) fn seal(keys: Option<&SecretKeys>, tenant: &Name, id: Uuid, value: &str) -> Result<Sealed, StoreError> {
    let missing = || StoreError::Invalid { what: WHAT, reason: "cannot be kept without FOREBAY_SECRET_KEY: set it".to_owned() };
    keys.ok_or_else(missing)?.seal(&place(tenant, &id.to_string(), id.as_bytes()), value.as_bytes().to_vec())
}

pub(crate) fn open(keys: Option<&SecretKeys>, tenant: &Name, id: Uuid, sealed: &[u8], by: &[u8]) -> Result<Secret, StoreError> {
    let missing = || StoreError::Invalid { what: WHAT, reason: "is encrypted, and this process has no FOREBAY_SECRET_KEY".to_owned() };
    let text = keys.ok_or_else(missing)?.open(&place(tenant, &id.to_string(), id.as_bytes()), sealed, by)?;
    String::from_utf8(text).map(Secret::new).map_err(|_| StoreError::Damaged { what: WHAT })
}

/// Its label may change, its id does not.
fn place<'a>(tenant: &'a Name, name: &'a str, earlier: &'a [u8]) -> Place<'a> {
    Place { kind: WHAT, tenant: tenant.as_str(), name, earlier }
}

/// The signing key of a tenant that has this value. One that cannot be opened any more has none.
pub(crate) async fn find(
    client: &impl GenericClient,
    keys: Option<&SecretKeys>,
    tenant: &Name,
    value: &str,
) -> Result<Option<Uuid>, StoreError> {
    let sql = "select id, sealed, sealed_by from api_keys where tenant = $1 and sealed is not null";
    let rows = client.query(sql, &[&tenant.as_str()]).await.map_err(StoreError::during("look for a signing key"))?;
    let has_value = |row: &&Row| open(keys, tenant, row.get(0), row.get(1), row.get(2)).is_ok_and(|secret| secret.expose() == value);
    Ok(rows.iter().find(has_value).map(|row| row.get(0)))
}

impl Store {
    /// Encrypts those signing keys anew that the first key did not encrypt; how many that were.
    pub(crate) async fn reseal_signing_keys(&self, keys: &SecretKeys) -> Result<usize, StoreError> {
        let operation = "encrypt signing keys";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = client.transaction().await.map_err(failed)?;
        listen::next_generation(&transaction, Part::Keys).await?;
        let rows =
            transaction.query("select id, sealed, sealed_by, tenant from api_keys where sealed is not null", &[]).await.map_err(failed)?;
        let mut resealed = 0;
        for row in rows.iter().filter(|row| !keys.is_current(row.get(2))) {
            let id = row.get(0);
            let tenant = read_name(row.get(3))?;
            let secret = open(Some(keys), &tenant, id, row.get(1), row.get(2))?;
            let Sealed { content, by } = seal(Some(keys), &tenant, id, secret.expose())?;
            let sql = "update api_keys set sealed = $2, sealed_by = $3 where id = $1";
            transaction.execute(sql, &[&id, &content, &by.as_slice()]).await.map_err(failed)?;
            resealed += 1;
        }
        listen::announce_change(&transaction).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(resealed)
    }
}
