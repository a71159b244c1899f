//! A history of many rows: how much disk it takes, and how fast a day of it is gone.

use crate::{DAY, Outcome, now, record};
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus};
use forebay_contract::{ExecutionId, IdIssuer, Label, UnixMicros};
use forebay_store::{Record, Store};
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use uuid::Uuid;

/// Over how many days the rows are spread.
const DAYS: i64 = 14;
/// One in so many has failed, and one in so many has labels.
const FAILED: usize = 101;
const LABELLED: usize = 4;
const RETENTION: Duration = Duration::from_secs(40 * 86_400);

/// An id as it was issued at a time.
pub(crate) fn id_at(issuer: &IdIssuer, integration: Uuid, micros: i64) -> Outcome<ExecutionId> {
    let mut bytes = issuer.issue(integration)?.unique().into_bytes();
    bytes[..6].copy_from_slice(&(micros / 1000).to_be_bytes()[2..]);
    Ok(issuer.restore(Uuid::from_bytes(bytes), integration))
}

/// Rows of the last days in the order of their ids, of 100 integrations of one tenant and a few of each other one.
pub(crate) async fn fill(store: &Store, client: &Client, issuer: &IdIssuer, integrations: &[Uuid], rows: usize) -> Outcome<()> {
    client.batch_execute("truncate executions; truncate execution_payloads").await?;
    let end = now()?;
    for day in 0..DAYS {
        store.maintain(UnixMicros::new(end - day * DAY), RETENTION).await?;
    }
    // First without labels, which is what most have: what one takes.
    for (what, labelled, rows) in [("without labels", 0, rows / 10), ("a quarter with two labels", LABELLED, rows)] {
        client.batch_execute("truncate executions").await?;
        let began = Instant::now();
        write(store, issuer, integrations, rows, end - DAYS * DAY, DAYS * DAY / i64::try_from(rows)?, labelled).await?;
        println!("recorded {rows} rows in batches of 2,000, {what}: {:?}", began.elapsed());
        disk(client, what, rows).await?;
    }
    client.batch_execute("vacuum analyze").await?;
    Ok(())
}

async fn write(
    store: &Store,
    issuer: &IdIssuer,
    integrations: &[Uuid],
    rows: usize,
    begin: i64,
    step: i64,
    labelled: usize,
) -> Outcome<()> {
    let (mut at, mut done) = (begin, 0);
    while done < rows {
        let mut batch: Vec<Record> = Vec::with_capacity(2_000);
        for index in done..(done + 2_000).min(rows) {
            // Half of all are of the first tenant.
            let place = if index % 2 == 0 { index * 7_919 % 100 } else { index * 7_919 % integrations.len() };
            let integration = integrations[place];
            let mut record = record(id_at(issuer, integration, at)?, integration);
            if index % FAILED == 0 {
                record.status = ExecutionStatus::Failed;
                let code = if index % (FAILED * 10) == 0 { ErrorCode::Mapping } else { ErrorCode::Remote };
                record.error = Some(ExecutionError::permanent(code, "the remote system answered with 400"));
            }
            // Half of the labelled are of the first tenant, too.
            if labelled > 0 && index / 2 % labelled == 0 {
                record.labels = vec![Label::new("order", &format!("A-{index:08}"))?, Label::new("site", "Malmö")?];
            }
            batch.push(record);
            at += step;
        }
        done += batch.len();
        store.record(&batch).await?;
    }
    Ok(())
}

async fn disk(client: &Client, what: &str, rows: usize) -> Outcome<()> {
    let sql = "select sum(pg_total_relation_size(inhrelid))::bigint, sum(pg_relation_size(inhrelid))::bigint from pg_inherits
               where inhparent = 'executions'::regclass";
    let row = client.query_one(sql, &[]).await?;
    let (total, heap): (i64, i64) = (row.get(0), row.get(1));
    let count = i64::try_from(rows)?;
    println!("disk, {what}: {} bytes an execution, of which {} row", total / count, heap / count);
    Ok(())
}

/// A day that has as many rows as all days together.
pub(crate) async fn drop_of_a_day(store: &Store, client: &Client, issuer: &IdIssuer, integrations: &[Uuid], rows: usize) -> Outcome<()> {
    let end = now()?;
    let day = end - 20 * DAY;
    store.maintain(UnixMicros::new(day), RETENTION).await?;
    write(store, issuer, integrations, rows, day - day.rem_euclid(DAY), DAY / i64::try_from(rows)?, LABELLED).await?;
    client.batch_execute("checkpoint").await?;
    let began = Instant::now();
    let report = store.maintain(UnixMicros::new(end), Duration::from_secs(16 * 86_400)).await?;
    println!("a day of {rows} rows is gone with one upkeep: {:?} ({} partitions dropped)", began.elapsed(), report.dropped.len());
    Ok(())
}
