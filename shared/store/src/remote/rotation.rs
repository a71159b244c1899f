//! Re-encryption of the payloads of executions, after a new key was put first: in parts, so that another process can continue where one ended.

use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::timestamp::Timestamp;
use crate::database::word::Stored;
use crate::error::StoreError;
use crate::history::payload::Packed;
use crate::history::sealed;
use crate::seal::SecretKeys;
use deadpool_postgres::Transaction;
use forebay_contract::UnixMicros;
use tokio_postgres::Row;
use uuid::Uuid;

/// Maximum payloads in one part.
const PART: i64 = 500;
/// A process that has not been seen for this time is gone.
const RUNNER_TIMEOUT: &str = "30 seconds";
const OPERATION: &str = "re-encrypt payloads";

/// The progress of a rotation of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The time at which it began.
    pub started_at: UnixMicros,
    /// The time at which everything was encrypted with the new key; `None`: it is not finished.
    pub finished_at: Option<UnixMicros>,
    /// True while a process works on it. A rotation that is neither running nor finished has to be started again, and continues where it
    /// ended.
    pub is_running: bool,
    /// Connections, keys and payloads that were re-encrypted.
    pub resealed: u64,
    /// Payloads that no given key opens.
    pub unreadable: u64,
    /// Executions that were received before this time are done.
    pub up_to: Option<UnixMicros>,
    /// True if it is for the key that is the first one now.
    pub is_of_this_key: bool,
}

/// The right of one process to continue a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runner(Uuid);

impl Store {
    /// Begins the re-encryption, or continues it where a process has ended; `None`: another process works on it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_rotation(&self, keys: &SecretKeys) -> Result<Option<Runner>, StoreError> {
        let client = self.client(OPERATION).await?;
        let runner = Uuid::new_v4();
        // Finished, or for another key: from the beginning.
        let sql = format!(
            "insert into key_rotation as stored (key_id, runner) values ($1, $2)
             on conflict (only_row) do update set
                 runner = excluded.runner, last_seen_at = now(), key_id = excluded.key_id,
                 started_at = case when stored.finished_at is null and stored.key_id = excluded.key_id then stored.started_at else now() end,
                 resealed = case when stored.finished_at is null and stored.key_id = excluded.key_id then stored.resealed else 0 end,
                 unreadable = case when stored.finished_at is null and stored.key_id = excluded.key_id then stored.unreadable else 0 end,
                 execution_id = case when stored.finished_at is null and stored.key_id = excluded.key_id then stored.execution_id end,
                 accepted_at = case when stored.finished_at is null and stored.key_id = excluded.key_id then stored.accepted_at end,
                 kind = case when stored.finished_at is null and stored.key_id = excluded.key_id then stored.kind end,
                 finished_at = null
             where stored.finished_at is not null or stored.last_seen_at < now() - interval '{RUNNER_TIMEOUT}' or stored.key_id <> excluded.key_id
             returning 1"
        );
        let begun = client.query_opt(&sql, &[&keys.current_id(), &runner]).await.map_err(StoreError::during(OPERATION))?;
        Ok(begun.map(|_| Runner(runner)))
    }

    /// Returns the progress; `None`: no rotation has begun.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rotation(&self, keys: &SecretKeys) -> Result<Option<Rotation>, StoreError> {
        let operation = "read the progress of the re-encryption";
        let client = self.client(operation).await?;
        let sql = format!(
            "select started_at, finished_at, finished_at is null and last_seen_at > now() - interval '{RUNNER_TIMEOUT}' as is_running, resealed,
                 unreadable, accepted_at, key_id = $1 as is_of_this_key
             from key_rotation"
        );
        let row = client.query_opt(&sql, &[&keys.current_id()]).await.map_err(StoreError::during(operation))?;
        Ok(row.map(|row| Rotation {
            started_at: row.time("started_at"),
            finished_at: row.optional_time("finished_at"),
            is_running: row.get("is_running"),
            resealed: row.count("resealed"),
            unreadable: row.count("unreadable"),
            up_to: row.optional_time("accepted_at"),
            is_of_this_key: row.get("is_of_this_key"),
        }))
    }

    /// Counts connections and keys that were encrypted with the new key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_resealed(&self, runner: Runner, more: usize) -> Result<(), StoreError> {
        let client = self.client(OPERATION).await?;
        let sql = "update key_rotation set resealed = resealed + $2, last_seen_at = now() where runner = $1";
        client.execute(sql, &[&runner.0, &(more as i64)]).await.map_err(StoreError::during(OPERATION))?;
        Ok(())
    }

    /// Re-encrypts the next part of the payloads; `false`: that was the last one, or another process has taken over.
    ///
    /// # Errors
    /// Those of the database. Parts that were done stay done.
    pub async fn rotate_part(&self, keys: &SecretKeys, runner: Runner) -> Result<bool, StoreError> {
        let failed = StoreError::during(OPERATION);
        let mut client = self.client(OPERATION).await?;
        let transaction = ChangeTransaction::begin(&mut client, OPERATION, NO_PART).await?;
        let sql = "select execution_id, accepted_at, kind from key_rotation where runner = $1 and finished_at is null for update";
        let Some(place) = transaction.query_opt(sql, &[&runner.0]).await.map_err(failed)? else { return Ok(false) };
        let after: Option<(Uuid, Timestamp, String)> = place
            .get::<_, Option<Uuid>>("execution_id")
            .and_then(|id| Some((id, place.get::<_, Option<Timestamp>>("accepted_at")?, place.get::<_, Option<String>>("kind")?)));
        let (id, at, kind) = after.unwrap_or((Uuid::nil(), Timestamp(UnixMicros::default()), String::new()));
        // A part has a bounded number of rows, whether they are encrypted or not: it takes no longer in a large history.
        let sql = "select execution_id, accepted_at, kind,
                       case when encoding like 'sealed-%' then substring(content from 1 for 8) <> $4 else false end as is_due
                   from execution_payloads where (execution_id, accepted_at, kind) > ($1, $2, $3)
                   order by execution_id, accepted_at, kind limit $5";
        let rows = transaction.query(sql, &[&id, &at, &kind, &keys.current_id(), &PART]).await.map_err(failed)?;
        let (mut resealed, mut unreadable) = (0_i64, 0_i64);
        for row in rows.iter().filter(|row| row.get("is_due")) {
            match reseal(&transaction, keys, row).await {
                Ok(done) => resealed += i64::from(done),
                Err(error @ (StoreError::Invalid { .. } | StoreError::Damaged { .. })) => {
                    tracing::warn!(execution.id = %row.get::<_, Uuid>("execution_id"), %error, "a payload cannot be re-encrypted");
                    unreadable += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let last = rows.last().filter(|_| rows.len() as i64 == PART);
        let (id, at, kind) = match last {
            Some(row) => {
                (Some(row.get::<_, Uuid>("execution_id")), Some(row.get::<_, Timestamp>("accepted_at")), Some(row.get::<_, String>("kind")))
            }
            None => (None, None, None),
        };
        let sql = "update key_rotation set resealed = resealed + $2, unreadable = unreadable + $3, last_seen_at = now(),
                       execution_id = $4, accepted_at = $5, kind = $6, finished_at = case when $4::uuid is null then now() end
                   where runner = $1";
        transaction.execute(sql, &[&runner.0, &resealed, &unreadable, &id, &at, &kind]).await.map_err(failed)?;
        transaction.commit_unaudited().await?;
        Ok(last.is_some())
    }
}

/// Re-encrypts one payload; `false`: it was deleted meanwhile.
async fn reseal(transaction: &Transaction<'_>, keys: &SecretKeys, found: &Row) -> Result<bool, StoreError> {
    let failed = StoreError::during(OPERATION);
    let (execution, at, kind): (Uuid, Timestamp, &str) = (found.get("execution_id"), found.get("accepted_at"), found.get("kind"));
    let sql = "select encoding, content from execution_payloads where execution_id = $1 and accepted_at = $2 and kind = $3 for update";
    let Some(row) = transaction.query_opt(sql, &[&execution, &at, &kind]).await.map_err(failed)? else { return Ok(false) };
    let opened = sealed::open(Some(keys), execution, kind, Packed::of_row(&row)?)?;
    let Packed { encoding, content } = sealed::seal(keys, execution, kind, opened)?;
    let sql = "update execution_payloads set encoding = $4, content = $5 where execution_id = $1 and accepted_at = $2 and kind = $3";
    transaction.execute(sql, &[&execution, &at, &kind, &Stored(encoding), &content]).await.map_err(failed)?;
    Ok(true)
}
