//! The lock of the upkeep, and deleting in bounded statements under it.

use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use deadpool_postgres::Object;

/// The lock of the upkeep: "forebaz" in ASCII, next to the migrations' lock.
const LOCK: i64 = 0x66_6f72_6562_617a;
/// Rows deleted in one statement, so that none of them runs into the statement timeout.
pub(crate) const ROWS_AT_ONCE: i64 = 5_000;
pub(crate) const OPERATION: &str = "maintain";

/// Begins a transaction that holds the lock of the upkeep; `None`: another process has it.
pub(crate) async fn begin(client: &mut Object) -> Result<Option<ChangeTransaction<'_>>, StoreError> {
    let failed = StoreError::during(OPERATION);
    let transaction = ChangeTransaction::begin(client, OPERATION, NO_PART).await?;
    transaction.batch_execute("set local lock_timeout = '2s'; set local statement_timeout = '60s'").await.map_err(failed)?;
    let row = transaction.query_one("select pg_try_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    Ok(row.get::<_, bool>(0).then_some(transaction))
}

/// Repeats a statement that deletes a bounded number of rows until none is left. Returns the number deleted, or `None` when another process
/// has the lock.
pub(crate) async fn delete_all(client: &mut Object, statement: &str, before: Timestamp) -> Result<Option<u64>, StoreError> {
    let mut deleted = 0;
    loop {
        let Some(transaction) = begin(client).await? else { return Ok(None) };
        let rows = transaction.execute(statement, &[&before]).await.map_err(StoreError::during(OPERATION))?;
        transaction.commit_unaudited().await?;
        deleted += rows;
        if rows == 0 {
            return Ok(Some(deleted));
        }
    }
}
