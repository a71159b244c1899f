//! Checkpoints: stored outputs of steps, so that no later attempt of an execution repeats the steps. They are deleted when the execution
//! ends; those of a failed execution stay as long as its history, for a retry by a person.

use crate::database::pool::Store;
use crate::database::timestamp::Timestamp;
use crate::database::word::Stored;
use crate::error::StoreError;
use crate::history::payload::{self, Packed, Packer};
use crate::history::record::accepted_at;
use crate::history::sealed;
use forebay_contract::ExecutionId;
use forebay_contract::outcome::Checkpoint;
use uuid::Uuid;

impl Store {
    /// Stores a batch of checkpoints under its number among those of the execution. Storing it again changes nothing. `sealed`: they are
    /// encrypted, and not stored where there is no key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_checkpoints(
        &self,
        id: &ExecutionId,
        integration: Uuid,
        batch: u32,
        steps: &[Checkpoint],
        sealed: bool,
    ) -> Result<(), StoreError> {
        let operation = "store checkpoints";
        let failed = StoreError::during(operation);
        let (kind, packed) = (sealed::checkpoints_kind(batch), Packer::new().checkpoints(steps));
        let Some(packed) = sealed::packed_for(sealed, self.secret_keys.as_deref(), id.unique(), &kind, packed)? else { return Ok(()) };
        let client = self.client(operation).await?;
        let sql = "insert into execution_payloads (execution_id, accepted_at, kind, encoding, content, integration_id, needed)
                   values ($1, $2, $3, $4, $5, $6, true)
                   on conflict (execution_id, accepted_at, kind) do update set encoding = excluded.encoding, content = excluded.content";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&id.unique(), &Timestamp(accepted_at(id)), &kind, &Stored(packed.encoding), &packed.content, &integration];
        client.execute(&statement, &parameters).await.map_err(failed)?;
        Ok(())
    }

    /// Deletes the checkpoints of an execution: its next attempt begins from its start.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_checkpoints(&self, id: &ExecutionId) -> Result<(), StoreError> {
        let operation = "delete checkpoints";
        let client = self.client(operation).await?;
        let sql = "delete from execution_payloads where execution_id = $1 and accepted_at = $2 and kind like 'kept/%'";
        client.execute(sql, &[&id.unique(), &Timestamp(accepted_at(id))]).await.map_err(StoreError::during(operation))?;
        Ok(())
    }

    /// Returns the checkpoints of an execution, and the number of its next batch.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn checkpoints(&self, id: &ExecutionId) -> Result<(Vec<Checkpoint>, u32), StoreError> {
        let operation = "read checkpoints";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select kind, encoding, content from execution_payloads
                   where execution_id = $1 and accepted_at = $2 and kind like 'kept/%' order by kind";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&id.unique(), &Timestamp(accepted_at(id))]).await.map_err(failed)?;
        let (mut steps, mut next) = (Vec::new(), 0);
        for row in rows {
            let batch = row.get::<_, &str>("kind").strip_prefix(sealed::CHECKPOINTS_PREFIX).and_then(|number| number.parse::<u32>().ok());
            next = batch.ok_or(StoreError::damaged("checkpoints"))? + 1;
            let packed = sealed::open(self.secret_keys.as_deref(), id.unique(), row.get("kind"), Packed::of_row(&row)?)?;
            steps.append(&mut payload::read_checkpoints(packed)?);
        }
        Ok((steps, next))
    }
}
