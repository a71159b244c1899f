//! Idempotency keys: the first call with a key reserves it.

use crate::database::pool::Store;
use crate::error::StoreError;
use forebay_contract::ExecutionId;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A call with an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct ReservedCall {
    /// The integration.
    pub integration_id: Uuid,
    /// SHA-256 of the key.
    pub key_digest: [u8; 32],
    /// SHA-256 of the request.
    pub request_digest: [u8; 32],
    /// The id that the call gets when it is the first with its key.
    pub execution_id: ExecutionId,
    /// The time for which the key stays reserved.
    pub retention: Duration,
    /// Id of the API key that called; `None`: no API key did.
    pub caller: Option<Uuid>,
}

/// The first call with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierCall {
    /// Its execution.
    pub execution_id: ExecutionId,
    /// True if its request was the same.
    pub is_same_request: bool,
    /// Id of the API key that called; `None`: no API key did, or an earlier version accepted it.
    pub caller: Option<Uuid>,
}

/// The result of a reservation.
#[derive(Debug)]
pub enum Reserve {
    /// The key is the call's.
    Reserved(Reservation),
    /// An earlier call has it.
    Taken(EarlierCall),
}

/// An idempotency key that a call has. Dropped, it is released in the background, unless it is [retained](Self::retain): a call that ends
/// before it is published leaves no key behind.
pub struct Reservation {
    store: Store,
    call: ReservedCall,
    is_retained: bool,
}

impl Reservation {
    /// Retains the key from now on: the call may reach a worker.
    pub fn retain(&mut self) {
        self.is_retained = true;
    }

    /// Releases the key: the call was not accepted.
    ///
    /// # Errors
    /// The database is away, or refuses the statement.
    pub async fn release(mut self) -> Result<(), StoreError> {
        self.retain();
        self.store.release(&self.call).await
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.is_retained {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, call) = (self.store.clone(), self.call);
        runtime.spawn(async move {
            if let Err(error) = store.release(&call).await {
                tracing::warn!(forebay.execution.id = %call.execution_id, %error, "an idempotency key could not be released; the next call with it is published under the same id");
            }
        });
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("call", &self.call).field("is_retained", &self.is_retained).finish_non_exhaustive()
    }
}

impl Store {
    /// Reserves the call's key, or returns the call that has it. A key that has expired is free. Dropped before it returns, it leaves no key
    /// behind.
    ///
    /// # Errors
    /// The database is away, or refuses the statement.
    pub async fn reserve(&self, call: ReservedCall) -> Result<Reserve, StoreError> {
        let store = self.clone();
        // In a task of its own: the server completes the statement even if the caller is dropped, and the key has to be released then.
        let task = tokio::spawn(async move { store.reserve_uncancelled(call).await });
        match task.await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn reserve_uncancelled(&self, call: ReservedCall) -> Result<Reserve, StoreError> {
        let operation = "reserve an idempotency key";
        let failed = StoreError::during(operation);
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        let sql = "insert into idempotency_keys as stored (integration_id, key_digest, request_digest, execution_id, expires_at, caller)
                   values ($1, $2, $3, $4, now() + make_interval(secs => $5), $6)
                   on conflict (integration_id, key_digest) do update set
                       request_digest = case when stored.expires_at < now() then excluded.request_digest else stored.request_digest end,
                       execution_id = case when stored.expires_at < now() then excluded.execution_id else stored.execution_id end,
                       caller = case when stored.expires_at < now() then excluded.caller else stored.caller end,
                       created_at = case when stored.expires_at < now() then now() else stored.created_at end,
                       expires_at = case when stored.expires_at < now() then excluded.expires_at else stored.expires_at end
                   returning execution_id, request_digest, caller";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let unique = call.execution_id.unique();
        let ReservedCall { integration_id, key_digest, request_digest, execution_id: _, retention, caller } = &call;
        let (key_digest, request_digest, retention) = (key_digest.as_slice(), request_digest.as_slice(), retention.as_secs_f64());
        let parameters: [&(dyn ToSql + Sync); 6] = [integration_id, &key_digest, &request_digest, &unique, &retention, caller];
        let row = client.query_one(&statement, &parameters).await.map_err(failed)?;
        let first: Uuid = row.get("execution_id");
        if first == unique {
            return Ok(Reserve::Reserved(Reservation { store: self.clone(), call, is_retained: false }));
        }
        let execution_id = issuer.restore(first, call.integration_id);
        let is_same_request = row.get::<_, &[u8]>("request_digest") == call.request_digest;
        Ok(Reserve::Taken(EarlierCall { execution_id, is_same_request, caller: row.get("caller") }))
    }

    /// Releases a key where the execution has it.
    ///
    /// # Errors
    /// The database is away, or refuses the statement.
    pub async fn release(&self, call: &ReservedCall) -> Result<(), StoreError> {
        let operation = "release an idempotency key";
        let client = self.client(operation).await?;
        let sql = "delete from idempotency_keys where integration_id = $1 and key_digest = $2 and execution_id = $3";
        let parameters: [&(dyn ToSql + Sync); 3] = [&call.integration_id, &call.key_digest.as_slice(), &call.execution_id.unique()];
        client.execute(sql, &parameters).await.map_err(StoreError::during(operation))?;
        Ok(())
    }
}
