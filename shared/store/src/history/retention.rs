//! Upkeep: creates partitions for the coming days, and deletes everything whose retention has passed.

use crate::database::partitions::{self, Partition, TABLES};
use crate::database::pool::Store;
use crate::database::timestamp::Timestamp;
use crate::database::upkeep::{OPERATION, ROWS_AT_ONCE, begin, delete_all};
use crate::error::StoreError;
use crate::history::budget;
use crate::history::statistics;
use forebay_contract::UnixMicros;
use std::time::Duration;

/// Time after which the row of a silent worker is deleted.
const SILENT_WORKER: &str = "1 hour";
/// Retention of a claim: longer than a message stays in a queue.
const OLD_CLAIM: &str = "60 days";
/// Rows that are deleted by age: table, column, age.
const AGES: [(&str, &str, &str); 4] = [
    ("execution_claims", "claimed_at", OLD_CLAIM),
    ("idempotency_keys", "expires_at", "0 s"),
    ("connection_tokens", "expires_at", "0 s"),
    ("diagnostics_windows", "until_at", "1 day"),
];

/// The result of one upkeep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// `false`: another process did the upkeep, and this one left the rest to it.
    pub complete: bool,
    /// Names of partitions created.
    pub created: Vec<String>,
    /// Names of partitions dropped.
    pub dropped: Vec<String>,
    /// Payloads deleted since their `diagnostics.keep` had passed.
    pub payloads_deleted: u64,
    /// Payloads deleted since their tenant's budget was used up.
    pub over_budget: u64,
}

impl Store {
    /// Creates the partitions of the coming days, drops those that lie wholly before `now - retention`, deletes payloads whose
    /// `diagnostics.keep` has passed or that are over their tenant's budget, and deletes workers that left long ago. Any number of
    /// processes may call it at once: one does the work. It never waits more than 2 s for a lock, since others would wait behind it; the
    /// next call does the rest.
    ///
    /// # Errors
    /// Those of the database; done steps stay done.
    pub async fn maintain(&self, now: UnixMicros, retention: Duration) -> Result<MaintenanceReport, StoreError> {
        let mut client = self.client(OPERATION).await?;
        let mut report = MaintenanceReport::default();
        let now = Timestamp(now);
        for partition in partitions::missing(&client, now).await? {
            let Some(transaction) = begin(&mut client).await? else { return Ok(report) };
            // Another process that had the lock before may have created it.
            if partitions::existing(&*transaction, partition.table).await?.contains(&partition) {
                continue;
            }
            partitions::create(&transaction, &partition).await?;
            transaction.commit_unaudited().await?;
            report.created.push(partition.name());
        }
        let oldest = Timestamp(now.0 - retention);
        for table in TABLES {
            for partition in partitions::existing(&client, table).await? {
                if !is_wholly_before(&partition, oldest) {
                    continue;
                }
                let Some(transaction) = begin(&mut client).await? else { return Ok(report) };
                partitions::drop(&transaction, &partition).await?;
                transaction.commit_unaudited().await?;
                report.dropped.push(partition.name());
            }
            let statement = format!(
                "delete from {table}_default where ctid = any(array(
                     select ctid from {table}_default where accepted_at < $1 limit {ROWS_AT_ONCE}))"
            );
            if delete_all(&mut client, &statement, oldest).await?.is_none() {
                return Ok(report);
            }
        }
        let statement = format!(
            "with deleted as (
                 delete from execution_payloads p using (
                     select execution_id, accepted_at, kind from execution_payloads where expires_at < $1 limit {ROWS_AT_ONCE}) x
                 where p.execution_id = x.execution_id and p.accepted_at = x.accepted_at and p.kind = x.kind returning p.accepted_at),
             uncounted as (
                 delete from payload_usage where day in (select (accepted_at at time zone 'UTC')::date from deleted))
             select from deleted"
        );
        let Some(deleted) = delete_all(&mut client, &statement, now).await? else { return Ok(report) };
        report.payloads_deleted = deleted;
        if !statistics::forget(&mut client, now, oldest).await? {
            return Ok(report);
        }
        let sql = "delete from payload_usage where day < $1::text::date";
        client.execute(sql, &[&partitions::day_of(oldest).to_string()]).await.map_err(StoreError::during(OPERATION))?;
        let Some(deleted) = budget::enforce(&mut client, now).await? else { return Ok(report) };
        report.over_budget = deleted;
        let statement = format!("delete from workers where last_seen < now() - interval '{SILENT_WORKER}'");
        client.execute(&statement, &[]).await.map_err(StoreError::during(OPERATION))?;
        for (table, column, age) in AGES {
            let statement = format!("delete from {table} where {column} < now() - interval '{age}'");
            client.execute(&statement, &[]).await.map_err(StoreError::during(OPERATION))?;
        }
        report.complete = true;
        Ok(report)
    }
}

fn is_wholly_before(partition: &Partition, oldest: Timestamp) -> bool {
    partition.day < partitions::day_of(oldest)
}
