//! Outputs of steps, kept so that no later attempt of their execution repeats the steps. They end with the execution, unless it
//! fails: then a retry by hand needs them as long as the history is kept.

use crate::connection::Store;
use crate::error::StoreError;
use crate::payload::{self, Packed, Packer};
use crate::record::accepted_at;
use crate::seal::SecretKeys;
use crate::sealed;
use crate::timestamp::Timestamp;
use forebay_contract::ExecutionId;
use forebay_contract::outcome::KeptStep;
use uuid::Uuid;

/// Before the number of a batch in the kind of a payload.
pub(crate) const KEPT: &str = "kept/";

/// The kind of a batch.
pub(crate) fn kind(batch: u32) -> String {
    format!("{KEPT}{batch:06}")
}

/// A batch as it is stored; `None`: it must be encrypted, and there is no key.
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
        (true, Some(keys)) => sealed::seal(keys, execution, kind, packed).map(Some),
    }
}

impl Store {
    /// Keeps a batch of outputs; its number tells it from the execution's others. Writing the same again changes nothing. `sealed`: they are
    /// encrypted, and not kept where there is no key.
    ///
    /// # Errors
    /// What the server says.
    pub async fn keep_steps(
        &self,
        id: &ExecutionId,
        integration: Uuid,
        batch: u32,
        steps: &[KeptStep],
        sealed: bool,
    ) -> Result<(), StoreError> {
        let operation = "keep steps";
        let failed = StoreError::during(operation);
        let (kind, packed) = (kind(batch), Packer::new().kept(steps));
        let Some(packed) = packed_for(sealed, self.secret_keys.as_deref(), id.unique(), &kind, packed)? else { return Ok(()) };
        let client = self.client(operation).await?;
        let sql = "insert into execution_payloads (execution_id, accepted_at, kind, encoding, content, integration_id, needed)
                   values ($1, $2, $3, $4, $5, $6, true)
                   on conflict (execution_id, accepted_at, kind) do update set encoding = excluded.encoding, content = excluded.content";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&id.unique(), &Timestamp(accepted_at(id)), &kind, &packed.encoding, &packed.content, &integration];
        client.execute(&statement, &parameters).await.map_err(failed)?;
        Ok(())
    }

    /// Forgets everything that is kept of an execution: it begins from its start.
    ///
    /// # Errors
    /// What the server says.
    pub async fn forget_kept_steps(&self, id: &ExecutionId) -> Result<(), StoreError> {
        let operation = "forget kept steps";
        let client = self.client(operation).await?;
        let sql = "delete from execution_payloads where execution_id = $1 and accepted_at = $2 and kind like 'kept/%'";
        client.execute(sql, &[&id.unique(), &Timestamp(accepted_at(id))]).await.map_err(StoreError::during(operation))?;
        Ok(())
    }

    /// Everything that is kept, and the number that the next batch gets.
    ///
    /// # Errors
    /// What the server says.
    pub async fn kept_steps(&self, id: &ExecutionId) -> Result<(Vec<KeptStep>, u32), StoreError> {
        let operation = "read kept steps";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select kind, encoding, content from execution_payloads
                   where execution_id = $1 and accepted_at = $2 and kind like 'kept/%' order by kind";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&id.unique(), &Timestamp(accepted_at(id))]).await.map_err(failed)?;
        let (mut steps, mut next) = (Vec::new(), 0);
        for row in rows {
            let batch = row.get::<_, &str>(0).strip_prefix(KEPT).and_then(|number| number.parse::<u32>().ok());
            next = batch.ok_or(StoreError::Damaged { what: "kept steps" })? + 1;
            let (encoding, content) = sealed::open(self.secret_keys.as_deref(), id.unique(), row.get(0), row.get(1), row.get(2))?;
            steps.append(&mut payload::read_kept(encoding, content)?);
        }
        Ok((steps, next))
    }
}
