//! Executions that may be published more than once, and calls that are known by an idempotency key.

use crate::connection::Store;
use crate::error::StoreError;
use forebay_contract::ExecutionId;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A call with an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct KnownCall {
    /// The integration.
    pub integration_id: Uuid,
    /// SHA-256 of the key.
    pub key_digest: [u8; 32],
    /// SHA-256 of what the call asks for.
    pub request_digest: [u8; 32],
    /// The id that the call gets when it is the first with its key.
    pub execution_id: ExecutionId,
    /// How long the key is known.
    pub keep: Duration,
    /// Id of the API key that called; `None`: no API key did.
    pub caller: Option<Uuid>,
}

/// The first call with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstCall {
    /// Its execution.
    pub execution_id: ExecutionId,
    /// Whether it asked for the same.
    pub is_same_request: bool,
    /// Id of the API key that called; `None`: no API key did, or an earlier version accepted it.
    pub caller: Option<Uuid>,
}

impl Store {
    /// Makes the execution that of the message, unless another message has it; whether the message has it now. The same message may ask
    /// again.
    ///
    /// # Errors
    /// What the server says.
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

    /// Makes the call the first with its key, or gives the first one. A key that has expired is as if it had never been.
    ///
    /// # Errors
    /// What the server says.
    pub async fn know_call(&self, call: &KnownCall) -> Result<Option<FirstCall>, StoreError> {
        let operation = "look up an idempotency key";
        let failed = StoreError::during(operation);
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        let sql = "insert into idempotency_keys as known (integration_id, key_digest, request_digest, execution_id, expires_at, caller)
                   values ($1, $2, $3, $4, now() + make_interval(secs => $5), $6)
                   on conflict (integration_id, key_digest) do update set
                       request_digest = case when known.expires_at < now() then excluded.request_digest else known.request_digest end,
                       execution_id = case when known.expires_at < now() then excluded.execution_id else known.execution_id end,
                       caller = case when known.expires_at < now() then excluded.caller else known.caller end,
                       created_at = case when known.expires_at < now() then now() else known.created_at end,
                       expires_at = case when known.expires_at < now() then excluded.expires_at else known.expires_at end
                   returning execution_id, request_digest, caller";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let unique = call.execution_id.unique();
        let KnownCall { integration_id, key_digest, request_digest, execution_id: _, keep, caller } = call;
        let (key_digest, request_digest, keep) = (key_digest.as_slice(), request_digest.as_slice(), keep.as_secs_f64());
        let parameters: [&(dyn ToSql + Sync); 6] = [integration_id, &key_digest, &request_digest, &unique, &keep, caller];
        let row = client.query_one(&statement, &parameters).await.map_err(failed)?;
        let first: Uuid = row.get(0);
        if first == unique {
            return Ok(None);
        }
        let execution_id = issuer.restore(first, call.integration_id);
        Ok(Some(FirstCall { execution_id, is_same_request: row.get::<_, &[u8]>(1) == call.request_digest, caller: row.get(2) }))
    }

    /// Forgets a call that was not accepted after all.
    ///
    /// # Errors
    /// What the server says.
    pub async fn forget_call(&self, call: &KnownCall) -> Result<(), StoreError> {
        let operation = "forget an idempotency key";
        let client = self.client(operation).await?;
        let sql = "delete from idempotency_keys where integration_id = $1 and key_digest = $2 and execution_id = $3";
        let parameters: [&(dyn ToSql + Sync); 3] = [&call.integration_id, &call.key_digest.as_slice(), &call.execution_id.unique()];
        client.execute(sql, &parameters).await.map_err(StoreError::during(operation))?;
        Ok(())
    }
}
