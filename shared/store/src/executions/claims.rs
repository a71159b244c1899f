//! Executions that may be published more than once.

use crate::database::pool::Store;
use crate::error::StoreError;
use forebay_contract::ExecutionId;

impl Store {
    /// Claims the execution for the message with this claim token; `false`: another message has it. The same message may ask again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_execution(&self, id: &ExecutionId, claim_token: i64) -> Result<bool, StoreError> {
        let operation = "claim an execution";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        // Not `do nothing`: the statement returns the row that is in the way too, also one that was inserted in this moment.
        let sql = "insert into execution_claims (execution_id, message) values ($1, $2)
                   on conflict (execution_id) do update set message = execution_claims.message returning message";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let row = client.query_one(&statement, &[&id.unique(), &claim_token]).await.map_err(failed)?;
        Ok(row.get::<_, i64>("message") == claim_token)
    }
}
