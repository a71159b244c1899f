//! Texts that a page shows once, after a change. The response to a form is the address of another page, which can be loaded again without a
//! repetition of the change. Neither the database nor the address alone reveals the text.

use crate::database::pool::Store;
use crate::error::StoreError;
use crate::seal::SecretKeys;
use forebay_contract::{EncryptionKeys, Secret};
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

impl Store {
    /// Stores a text for one reading with the same credential (a session's cookie, a token), which is not stored. Returns its id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_flash(&self, credential: &Secret, text: Vec<u8>, lifetime: Duration) -> Result<Uuid, StoreError> {
        let operation = "store what is shown once";
        let failed = StoreError::during(operation);
        let id = Uuid::new_v4();
        let sealed = keys(credential)?.seal_for(id.as_bytes(), text)?;
        let client = self.client(operation).await?;
        client.execute("delete from flashes where expires_at < now()", &[]).await.map_err(failed)?;
        let sql = "insert into flashes (id, content, sealed_by, expires_at) values ($1, $2, $3, now() + $4 * interval '1 second')";
        client.execute(sql, &[&id, &sealed.content, &sealed.by.as_slice(), &lifetime.as_secs_f64()]).await.map_err(failed)?;
        Ok(id)
    }

    /// Reads a text this one time; `None`: it was read, its time is over, or the credential is another one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take_flash(&self, credential: &Secret, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let operation = "read what is shown once";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let keys = keys(credential)?;
        // A request with another credential neither reads nor removes it.
        let sql = "select content, sealed_by from flashes where id = $1 and expires_at > now()";
        let Some(row) = client.query_opt(sql, &[&id]).await.map_err(failed)? else { return Ok(None) };
        let Ok(text) = keys.open_for("what is shown once", id.as_bytes(), row.get("content"), row.get("sealed_by")) else {
            return Ok(None);
        };
        // Two requests that read at the same time: one gets it.
        let deleted = client.execute("delete from flashes where id = $1", &[&id]).await.map_err(failed)?;
        Ok((deleted > 0).then_some(text))
    }
}

/// The digest differs from the one by which a session or a token is stored.
fn keys(credential: &Secret) -> Result<SecretKeys, StoreError> {
    let key = Sha256::new().chain_update("forebay flash ").chain_update(credential.expose()).finalize();
    let keys: Result<EncryptionKeys, String> = data_encoding::HEXLOWER.encode(&key).parse();
    keys.map(|keys| SecretKeys::from(&keys)).map_err(|reason| StoreError::Invalid { what: "the credential", reason })
}
