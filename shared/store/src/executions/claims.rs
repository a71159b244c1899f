//! Executions that may be published more than once.

use crate::database::pool::Store;
use crate::error::StoreError;
use forebay_contract::ExecutionId;

impl Store {
    /// Makes the execution that of the message, unless another message has it; whether the message has it now. The same message may ask
    /// again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_execution(&self, id: &ExecutionId, message: i64) -> Result<bool, StoreError> {
        let operation = "claim an execution";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        // Not `do nothing`: the row that is in the way is wanted too, also when it came in this moment.
        let sql = "insert into execution_claims (execution_id, message) values ($1, $2)
                   on conflict (execution_id) do update set message = execution_claims.message returning message";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let row = client.query_one(&statement, &[&id.unique(), &message]).await.map_err(failed)?;
        Ok(row.get::<_, i64>(0) == message)
    }
}
