//! The budget of a tenant's payloads. Payloads above it are deleted, the oldest first; those that a retry by hand or a repeated call needs
//! go last.

use crate::database::partitions::{self, Partition};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::timestamp::Timestamp;
use crate::database::upkeep::{ROWS_AT_ONCE, begin};
use crate::error::StoreError;
use deadpool_postgres::Object;
use forebay_contract::Name;
use jiff::ToSpan;
use jiff::civil::Date;
use uuid::Uuid;

const OPERATION: &str = "keep payloads within budgets";
const PAYLOADS: &str = "execution_payloads";
/// Approximate bytes of a payload's row beside its content.
const ROW_BYTES: i64 = 100;

/// The bytes of a tenant's payloads, as the last upkeep counted them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadUsage {
    /// The tenant.
    pub tenant: Name,
    /// Bytes, compressed as they are stored.
    pub bytes: u64,
    /// The bytes among these that retries by a person and repeated calls need.
    pub needed: u64,
}

/// Payloads of one tenant that are over its budget.
struct Over {
    integrations: Vec<Uuid>,
    bytes: i64,
}

impl Store {
    /// Returns the bytes of each tenant's payloads, as the last upkeep counted them; it counts tenants that have a budget.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn payload_usage(&self) -> Result<Vec<PayloadUsage>, StoreError> {
        let operation = "read the use of payloads";
        let client = self.client(operation).await?;
        let sql = "select i.tenant, sum(u.bytes)::bigint as bytes, coalesce(sum(u.bytes) filter (where u.needed), 0)::bigint as needed
                   from payload_usage u join integrations i on i.id = u.integration_id group by i.tenant order by i.tenant";
        let rows = client.query(sql, &[]).await.map_err(StoreError::during(operation))?;
        rows.iter()
            .map(|row| Ok(PayloadUsage { tenant: row.name("tenant")?, bytes: row.count("bytes"), needed: row.count("needed") }))
            .collect()
    }
}

/// Deletes payloads that are over budgets. Returns their number, or `None` when another process has the lock.
pub(crate) async fn enforce(client: &mut Object, now: Timestamp) -> Result<Option<u64>, StoreError> {
    let failed = StoreError::during(OPERATION);
    let any = client.query_opt("select 1 from tenants where payload_bytes is not null limit 1", &[]).await.map_err(failed)?;
    if any.is_none() {
        return Ok(Some(0));
    }
    let mut days: Vec<Date> = partitions::existing(client, PAYLOADS).await?.iter().map(|partition| partition.day).collect();
    days.sort_unstable();
    if !count(client, &days, now).await? {
        return Ok(None);
    }
    let mut deleted = 0;
    for mut over in over_budget(client).await? {
        for needed in [false, true] {
            for day in &days {
                let Some(rows) = delete_of_day(client, &mut over, *day, needed).await? else { return Ok(None) };
                deleted += rows;
            }
        }
    }
    Ok(Some(deleted))
}

/// Counts the days that may have changed; `false`: another process has the lock.
async fn count(client: &mut Object, days: &[Date], now: Timestamp) -> Result<bool, StoreError> {
    let failed = StoreError::during(OPERATION);
    let yesterday = partitions::day_of(now).yesterday().unwrap_or(Date::MIN);
    let rows = client.query("select distinct day::text from payload_usage", &[]).await.map_err(failed)?;
    let counted: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for day in days.iter().filter(|day| **day >= yesterday || !counted.contains(&day.to_string())) {
        let Some(transaction) = begin(client).await? else { return Ok(false) };
        let partition = Partition { table: PAYLOADS, day: *day }.name();
        let statements = format!(
            "delete from payload_usage where day = '{day}';
             insert into payload_usage (day, integration_id, needed, bytes)
             select '{day}', integration_id, needed, sum(octet_length(content) + {ROW_BYTES})::bigint from {partition}
             where integration_id is not null group by integration_id, needed"
        );
        transaction.batch_execute(&statements).await.map_err(failed)?;
        transaction.commit_unaudited().await?;
    }
    Ok(true)
}

async fn over_budget(client: &Object) -> Result<Vec<Over>, StoreError> {
    let sql = "select array_agg(distinct i.id) as integrations, (sum(u.bytes) - t.payload_bytes)::bigint as bytes from tenants t
               join integrations i on i.tenant = t.name join payload_usage u on u.integration_id = i.id
               where t.payload_bytes is not null group by t.name, t.payload_bytes having sum(u.bytes) > t.payload_bytes";
    let rows = client.query(sql, &[]).await.map_err(StoreError::during(OPERATION))?;
    Ok(rows.iter().map(|row| Over { integrations: row.get("integrations"), bytes: row.get("bytes") }).collect())
}

/// Deletes payloads of one day; checkpoints of a running execution stay. Returns their number, or `None` when another process has the lock.
async fn delete_of_day(client: &mut Object, over: &mut Over, day: Date, needed: bool) -> Result<Option<u64>, StoreError> {
    let failed = StoreError::during(OPERATION);
    let partition = Partition { table: PAYLOADS, day }.name();
    let tomorrow = day.checked_add(1.day()).unwrap_or(day);
    let has_ended = format!(
        "and exists (select from executions e where e.id = p.execution_id and e.accepted_at = p.accepted_at and e.ended_at is not null
             and e.accepted_at >= '{day} 00:00+00' and e.accepted_at < '{tomorrow} 00:00+00')"
    );
    let statement = format!(
        "with oldest as (
             select execution_id, accepted_at, kind, octet_length(content) + {ROW_BYTES} as size from {partition} p
             where integration_id = any($1) and needed = $2 {} order by execution_id, kind limit {ROWS_AT_ONCE}),
         summed as (select *, sum(size) over (order by execution_id, kind) - size as before from oldest),
         gone as (
             delete from {partition} p using summed s
             where s.before < $3::bigint and p.execution_id = s.execution_id and p.accepted_at = s.accepted_at and p.kind = s.kind
             returning s.size)
         select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from gone",
        if needed { &has_ended } else { "" }
    );
    let mut deleted = 0;
    while over.bytes > 0 {
        let Some(transaction) = begin(client).await? else { return Ok(None) };
        let row = transaction.query_one(&statement, &[&over.integrations, &needed, &over.bytes]).await.map_err(failed)?;
        let (rows, bytes) = (row.count("rows"), row.get::<_, i64>("bytes"));
        // Counted again by the next upkeep.
        transaction.execute("delete from payload_usage where day = $1::text::date", &[&day.to_string()]).await.map_err(failed)?;
        transaction.commit_unaudited().await?;
        if rows == 0 {
            break;
        }
        deleted += rows;
        over.bytes -= bytes;
    }
    Ok(Some(deleted))
}
