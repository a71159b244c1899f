//! A history of many rows: how much disk it takes, how fast each search is, and how fast a day of it is gone.

use crate::{DAY, Outcome, now, record, say};
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus};
use forebay_contract::{ExecutionId, IdIssuer, Label, Name};
use forebay_store::{Filter, LabelFilter, Record, Store};
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
fn id_at(issuer: &IdIssuer, integration: Uuid, micros: i64) -> Outcome<ExecutionId> {
    let mut bytes = issuer.issue(integration)?.unique().into_bytes();
    bytes[..6].copy_from_slice(&(micros / 1000).to_be_bytes()[2..]);
    Ok(issuer.restore(Uuid::from_bytes(bytes), integration))
}

/// Rows of the last days in the order of their ids, of 100 integrations of one tenant and a few of each other one.
pub(crate) async fn fill(store: &Store, client: &Client, issuer: &IdIssuer, integrations: &[Uuid], rows: usize) -> Outcome<()> {
    client.batch_execute("truncate executions; truncate execution_payloads").await?;
    let end = now()?;
    for day in 0..DAYS {
        store.maintain(end - day * DAY, RETENTION).await?;
    }
    // First without labels, which is what most have: what one takes.
    for (what, labelled, rows) in [("without labels", 0, rows / 10), ("a quarter with two labels", LABELLED, rows)] {
        client.batch_execute("truncate executions").await?;
        let began = Instant::now();
        write(store, issuer, integrations, rows, end - DAYS * DAY, DAYS * DAY / i64::try_from(rows)?, labelled).await?;
        println!("recorded {rows} rows in batches of 2,000, {what}: {:?}", began.elapsed());
        disk(client, what, rows).await?;
    }
    client.batch_execute("analyze").await?;
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
            if labelled > 0 && index % labelled == 0 {
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

pub(crate) async fn searches(store: &Store, issuer: &IdIssuer, integrations: &[Uuid]) -> Outcome<()> {
    let name = |text: &str| -> Outcome<Name> { Ok(text.parse()?) };
    let (failed, now) = (vec![ExecutionStatus::Failed], now()?);
    let all = Filter { limit: 50, ..Filter::default() };
    let of = |tenants: Vec<Name>| Filter { tenants: Some(tenants), ..all.clone() };
    let label = |text: &str| Some(LabelFilter::of_text(text));
    let of_one = Filter { integration: Some(name("n0")?), ..of(vec![name("t0")?]) };
    let half: Vec<Name> = (0..50).map(|number| name(&format!("t{number}"))).collect::<Outcome<_>>()?;
    let before = Some(id_at(issuer, integrations[0], now - 7 * DAY)?);
    let hour = Some(now - DAY / 24);
    let week_ago = Filter { since: Some(now - 8 * DAY), until: Some(now - 7 * DAY), ..all.clone() };
    let mapping = Some(ErrorCode::Mapping);
    let filters = [
        ("all", all.clone()),
        ("failed", Filter { statuses: failed.clone(), ..all.clone() }),
        ("failed or expired", Filter { statuses: vec![ExecutionStatus::Failed, ExecutionStatus::Expired], ..all.clone() }),
        ("expired (none)", Filter { statuses: vec![ExecutionStatus::Expired], ..all.clone() }),
        ("failed in a mapping", Filter { error: mapping, ..all.clone() }),
        ("failed by a limit (none)", Filter { error: Some(ErrorCode::Limit), ..all.clone() }),
        ("of a tenant with 100 integrations", of(vec![name("t0")?])),
        ("of a quiet tenant, failed in a mapping", Filter { error: mapping, ..of(vec![name("t9")?]) }),
        ("of 50 tenants with 5,000 integrations", of(half.clone())),
        ("of 50 tenants, failed", Filter { statuses: failed.clone(), ..of(half.clone()) }),
        ("of one integration", of_one.clone()),
        ("of one, failed", Filter { statuses: failed.clone(), ..of_one.clone() }),
        ("of one, succeeded", Filter { statuses: vec![ExecutionStatus::Succeeded], ..of_one.clone() }),
        ("of one, since an hour", Filter { since: hour, ..of_one.clone() }),
        ("of one, a page a week ago", Filter { before, ..of_one.clone() }),
        ("a day a week ago", week_ago.clone()),
        ("a day a week ago, failed", Filter { statuses: failed.clone(), ..week_ago }),
        ("by a label of one, recent", Filter { label: label("order=A-00999000"), ..all.clone() }),
        ("by a label of one, old", Filter { label: label("order=A-00001000"), ..all.clone() }),
        ("by a value under any name", Filter { label: label("A-00001000"), ..all.clone() }),
        ("by a label of nobody", Filter { label: label("order=nothing"), ..all.clone() }),
        ("by a label of a quarter", Filter { label: label("site=Malmö"), ..all.clone() }),
        ("by a label of a quarter, of one integration", Filter { label: label("site=Malmö"), ..of_one.clone() }),
        ("by a label of a quarter, of 50 tenants", Filter { label: label("site=Malmö"), ..of(half.clone()) }),
        ("by a label of a quarter, failed", Filter { label: label("site=Malmö"), statuses: failed.clone(), ..all.clone() }),
        (
            "by a label of a quarter, failed by a limit (none)",
            Filter { label: label("Malmö"), error: Some(ErrorCode::Limit), ..all.clone() },
        ),
        ("by id", Filter { id: before, ..all.clone() }),
    ];
    for (what, filter) in &filters {
        let (mut took, mut rows) = (Vec::new(), 0);
        for _ in 0..100 {
            let began = Instant::now();
            rows = store.list_executions(filter).await?.len();
            took.push(began.elapsed());
        }
        say(&format!("search {what} ({rows} rows)"), &mut took);
    }
    let counted = [
        ("all", all.clone()),
        ("failed", Filter { statuses: failed.clone(), ..all.clone() }),
        ("of a tenant, failed", Filter { statuses: failed.clone(), ..of(vec![name("t0")?]) }),
        ("of 50 tenants, failed", Filter { statuses: failed.clone(), ..of(half) }),
        ("by a label of a quarter", Filter { label: label("site=Malmö"), ..all.clone() }),
    ];
    for (what, filter) in &counted {
        let (mut took, mut count) = (Vec::new(), 0);
        for _ in 0..50 {
            let began = Instant::now();
            count = store.count_executions(filter, 10_000).await?;
            took.push(began.elapsed());
        }
        say(&format!("count {what}, at most 10,000 ({count})"), &mut took);
    }
    let failures = Filter { statuses: failed, limit: 500, ..Filter::default() };
    let (mut took, mut after, mut seen) = (Vec::new(), None, 0);
    loop {
        let began = Instant::now();
        let page = store.executions_in_order(&failures, after.as_ref()).await?;
        took.push(began.elapsed());
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen += page.len();
    }
    say(&format!("all {seen} failures in the order of acceptance, a page of 500"), &mut took);
    let newest = store.list_executions(&all).await?;
    let mut took = Vec::new();
    for row in newest.iter().cycle().take(200) {
        let began = Instant::now();
        store.execution_detail(&row.id).await?;
        took.push(began.elapsed());
    }
    say("one execution", &mut took);
    Ok(())
}

/// A day that has as many rows as all days together.
pub(crate) async fn drop_of_a_day(store: &Store, client: &Client, issuer: &IdIssuer, integrations: &[Uuid], rows: usize) -> Outcome<()> {
    let end = now()?;
    let day = end - 20 * DAY;
    store.maintain(day, RETENTION).await?;
    write(store, issuer, integrations, rows, day - day.rem_euclid(DAY), DAY / i64::try_from(rows)?, LABELLED).await?;
    client.batch_execute("checkpoint").await?;
    let began = Instant::now();
    let report = store.maintain(end, Duration::from_secs(16 * 86_400)).await?;
    println!("a day of {rows} rows is gone with one upkeep: {:?} ({} partitions dropped)", began.elapsed(), report.dropped.len());
    Ok(())
}
