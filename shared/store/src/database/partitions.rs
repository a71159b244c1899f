//! One partition a day for executions and one for their payloads, named `<table>_YYYYMMDD` by the UTC day of `accepted_at`.
//! Rows that no day fits go to `<table>_default`, so that an insert never fails for want of a partition.

use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use deadpool_postgres::{GenericClient, Transaction};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp as Instant, ToSpan, tz::TimeZone};

/// The partitioned tables.
pub(crate) const TABLES: [&str; 2] = ["executions", "execution_payloads"];
/// Number of days ahead for which partitions are created, so that a scheduler or worker that is down over a weekend leaves nothing in the
/// default partition.
const DAYS_AHEAD: i64 = 3;
const OPERATION: &str = "make partitions";

/// One day of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) table: &'static str,
    pub(crate) day: Date,
}

impl Partition {
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.table, self.day.strftime("%Y%m%d"))
    }

    fn of_name(table: &'static str, name: &str) -> Option<Self> {
        let digits = name.strip_prefix(table)?.strip_prefix('_')?;
        let day = Date::strptime("%Y%m%d", digits).ok()?;
        Some(Self { table, day })
    }
}

/// Returns the UTC day of a time; for times after it, the last day of 9999.
pub(crate) fn day_of(time: Timestamp) -> Date {
    let instant = Instant::UNIX_EPOCH.checked_add(SignedDuration::from_micros(time.0.get())).unwrap_or(Instant::MAX);
    TimeZone::UTC.to_datetime(instant).date()
}

/// Returns the partitions that a table has.
pub(crate) async fn existing(client: &impl GenericClient, table: &'static str) -> Result<Vec<Partition>, StoreError> {
    let rows = client
        .query(
            "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass",
            &[&table],
        )
        .await
        .map_err(StoreError::during(OPERATION))?;
    Ok(rows.iter().filter_map(|row| Partition::of_name(table, row.get(0))).collect())
}

/// Returns the missing partitions, from yesterday's (for a backlog that still runs) to those of the coming days.
pub(crate) async fn missing(client: &impl GenericClient, now: Timestamp) -> Result<Vec<Partition>, StoreError> {
    let today = day_of(now);
    let mut missing = Vec::new();
    for table in TABLES {
        let existing = existing(client, table).await?;
        for offset in -1..=DAYS_AHEAD {
            let Ok(day) = today.checked_add(offset.days()) else { continue };
            let partition = Partition { table, day };
            if !existing.contains(&partition) {
                missing.push(partition);
            }
        }
    }
    Ok(missing)
}

/// Creates the missing partitions, within a migration.
pub(crate) async fn create_coming(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    for partition in missing(transaction, now).await? {
        create(transaction, &partition).await?;
    }
    Ok(())
}

/// Creates one partition and moves the rows of its day into it from the default partition. Only the default partition is locked:
/// attaching lets reading and writing of the others go on, where `create table ... partition of` would stop both.
pub(crate) async fn create(transaction: &Transaction<'_>, partition: &Partition) -> Result<(), StoreError> {
    let table = partition.table;
    let name = partition.name();
    let from = partition.day;
    let to = partition.day.tomorrow().unwrap_or(partition.day);
    let statements = format!(
        "lock table {table}_default in access exclusive mode;
         create table {name} (like {table} including defaults including constraints including storage);
         with moved as (
             delete from {table}_default where accepted_at >= '{from} 00:00+00' and accepted_at < '{to} 00:00+00' returning *)
         insert into {name} select * from moved;
         alter table {table} attach partition {name} for values from ('{from} 00:00+00') to ('{to} 00:00+00')"
    );
    transaction.batch_execute(&statements).await.map_err(StoreError::during(OPERATION))
}

/// Drops one partition with its rows.
pub(crate) async fn drop(transaction: &Transaction<'_>, partition: &Partition) -> Result<(), StoreError> {
    let statement = format!("drop table if exists {}", partition.name());
    transaction.batch_execute(&statement).await.map_err(StoreError::during("drop partitions"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::UnixMicros;

    #[test]
    fn a_partition_is_found_again_by_its_name() {
        let partition = Partition { table: "executions", day: jiff::civil::date(2026, 12, 1) };
        assert_eq!(partition.name(), "executions_20261201");
        assert_eq!(Partition::of_name("executions", "executions_20261201"), Some(partition));
        assert_eq!(Partition::of_name("executions", "executions_default"), None);
        assert_eq!(Partition::of_name("executions", "execution_payloads_20261201"), None);
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(day_of(Timestamp(UnixMicros::new(1_796_083_199_999_999))).to_string(), "2026-11-30");
        assert_eq!(day_of(Timestamp(UnixMicros::new(1_796_083_200_000_000))).to_string(), "2026-12-01");
        assert_eq!(day_of(Timestamp(UnixMicros::MAX)).to_string(), "9999-12-30");
    }
}
