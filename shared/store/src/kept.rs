//! Outputs of steps, kept so that no later attempt of their execution repeats the steps. They end with the execution, unless it
//! fails: then a retry by hand needs them as long as the history is kept.

use crate::connection::Store;
use crate::error::StoreError;
use crate::payload::{self, Packer};
use crate::record::accepted_at;
use crate::timestamp::Timestamp;
use forebay_contract::ExecutionId;
use forebay_contract::outcome::KeptStep;

/// Before the number of a batch in the kind of a payload.
pub(crate) const KEPT: &str = "kept/";

/// The kind of a batch.
pub(crate) fn kind(batch: u32) -> String {
    format!("{KEPT}{batch:06}")
}

impl Store {
    /// Keeps a batch of outputs; its number tells it from the execution's others. Writing the same again changes nothing.
    ///
    /// # Errors
    /// What the server says.
    pub async fn keep_steps(&self, id: &ExecutionId, batch: u32, steps: &[KeptStep]) -> Result<(), StoreError> {
        let operation = "keep steps";
        let failed = StoreError::during(operation);
        let packed = Packer::new().kept(steps);
        let client = self.client(operation).await?;
        let sql = "insert into execution_payloads (execution_id, accepted_at, kind, encoding, content) values ($1, $2, $3, $4, $5)
                   on conflict (execution_id, accepted_at, kind) do update set encoding = excluded.encoding, content = excluded.content";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&id.unique(), &Timestamp(accepted_at(id)), &kind(batch), &packed.encoding, &packed.content];
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
            steps.append(&mut payload::read_kept(row.get(1), row.get(2))?);
        }
        Ok((steps, next))
    }
}
