//! The key of this installation.

use crate::database::pool::Store;
use crate::error::StoreError;
use forebay_contract::IdIssuer;

const KEY_BYTES: usize = 32;

impl Store {
    /// Returns the 32 secret bytes that key execution ids ([`IdIssuer::new`]), made by the first migration run.
    ///
    /// # Errors
    /// A database that is away or not migrated.
    pub async fn id_key(&self) -> Result<Vec<u8>, StoreError> {
        let operation = "read the installation's key";
        let client = self.client(operation).await?;
        let row = client.query_opt("select id_key from installation", &[]).await.map_err(StoreError::during(operation))?;
        let row = row.ok_or(StoreError::NotFound { what: "the installation's key".to_owned() })?;
        Ok(row.get(0))
    }

    /// Returns the issuer of this installation's ids, which restores the tags of ids that are read from the database.
    pub(crate) async fn issuer(&self) -> Result<&IdIssuer, StoreError> {
        self.issuer.get_or_try_init(|| async { Ok(IdIssuer::new(&self.id_key().await?)) }).await
    }
}

/// Makes the key unless there is one.
pub(crate) async fn make_key(transaction: &deadpool_postgres::Transaction<'_>) -> Result<(), StoreError> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|source| StoreError::Random { source })?;
    transaction
        .execute("insert into installation (id_key) values ($1) on conflict do nothing", &[&key])
        .await
        .map_err(StoreError::during("make the installation's key"))?;
    Ok(())
}
