//! Measures the store on this machine, in a database of its own that it drops at the end.
//! `cargo run --release -p forebay-store --example measure [ROWS]`; server: `FOREBAY_DATABASE_URL`, else postgres://postgres@127.0.0.1:5432.
#![allow(clippy::print_stdout)]

use bytes::Bytes;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::envelope::Request;
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::{ExecutionId, IdIssuer};
use forebay_store::{Filter, NewDefinition, Record, Store, StoreOptions, StoredRequest, TriggerKind, WatchOptions};
use std::error::Error;
use std::time::{Duration, Instant, SystemTime};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Over how many days the rows are spread.
const DAYS: i64 = 14;
const DAY: i64 = 86_400_000_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let server = std::env::var("FOREBAY_DATABASE_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432".to_owned());
    let rows: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let scheme_end = server.find("://").map_or(0, |at| at + 3);
    let authority = server[scheme_end..].split('/').next().unwrap_or_default();
    let name = format!("store_measure_{}", Uuid::new_v4().simple());
    let url = format!("postgres://{authority}/{name}");
    Store::create_database_if_missing(&url).await?;
    let outcome = measure(&url, rows).await;
    let admin = connect(&format!("postgres://{authority}/postgres")).await?;
    admin.batch_execute(&format!("drop database {name} with (force)")).await?;
    outcome
}

async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn measure(url: &str, rows: usize) -> Outcome<()> {
    let store = Store::connect(url, StoreOptions::default()).await?;
    let client = connect(url).await?;
    store.migrate().await?;
    let issuer = IdIssuer::new(&store.id_key().await?);
    let integrations = snapshots(&store).await?;
    records(&store, &issuer, integrations[0]).await?;
    fill(&store, &client, &issuer, &integrations, rows).await?;
    listings(&store, &issuer, integrations[0]).await
}

/// 10,000 integrations: the first load, and how soon one change is effective. The ids of the first tenant's are returned.
async fn snapshots(store: &Store) -> Outcome<Vec<Uuid>> {
    let definition = |tenant: usize, name: usize, text: &str| -> Outcome<NewDefinition> {
        let source = format!(
            "tenant: t{tenant}\nname: n{name}\ndescription: {text}\ntrigger: {{ webhook: {{ methods: [POST], ordered: true }} }}\n\
             retry: {{ attempts: 5 }}\ninput: '{{ id: .body.id }}'\nsteps:\n  - id: price\n    http: {{ url: 'http://erp/p/${{ .input.id }}' }}\n"
        );
        let document = documents(&source)?.remove(0);
        Ok(NewDefinition { definition: Definition::from_value(&document)?, document, source })
    };
    let mut all = Vec::new();
    for tenant in 0..100 {
        for name in 0..100 {
            all.push(definition(tenant, name, "x")?);
        }
    }
    let began = Instant::now();
    let applied = store.apply(&all, "measure").await?;
    println!("apply 10,000 definitions: {:?}", began.elapsed());
    let shutdown = CancellationToken::new();
    let began = Instant::now();
    let mut snapshot = store.watch(shutdown.clone(), WatchOptions::default()).await?;
    println!("first snapshot of 10,000: {:?}", began.elapsed());
    let mut took = Vec::new();
    for round in 0..50 {
        let changed = [definition(round, round, "changed")?];
        store.apply(&changed, "measure").await?;
        let began = Instant::now();
        snapshot.changed().await;
        took.push(began.elapsed());
    }
    say("one of 10,000 changed, from commit to effective", &mut took);
    let path = ("t0", "n7");
    let current = snapshot.current();
    let began = Instant::now();
    let found = (0..1_000_000).filter(|_| current.integration(std::hint::black_box(path.0), path.1).is_some()).count();
    println!("look-up by path: {:?} each ({found})", began.elapsed() / 1_000_000);
    shutdown.cancel();
    Ok(applied[..100].iter().map(|one| one.id).collect())
}

async fn records(store: &Store, issuer: &IdIssuer, integration: Uuid) -> Outcome<()> {
    for (what, payload) in [("bare", false), ("with 1 kB input", true)] {
        for size in [1, 50, 500] {
            let mut took = Vec::new();
            for _ in 0..60 {
                let mut batch = Vec::with_capacity(size);
                for _ in 0..size {
                    let mut record = record(issuer.issue(integration)?, integration);
                    record.input = payload.then(input);
                    batch.push(record);
                }
                let began = Instant::now();
                store.record(&batch).await?;
                took.push(began.elapsed());
            }
            say(&format!("record {size} {what}"), &mut took);
        }
    }
    Ok(())
}

fn record(execution_id: ExecutionId, integration_id: Uuid) -> Record {
    let accepted_at = execution_id.issued_at_millis() * 1000;
    Record {
        execution_id,
        integration_id,
        version: 1,
        trigger_kind: TriggerKind::Webhook,
        status: ExecutionStatus::Succeeded,
        attempts: 1,
        started_at: Some(accepted_at + 1_234),
        ended_at: accepted_at + 5_678,
        worker: "worker-7f9c6d5b8-x2x4z".to_owned(),
        error: None,
        response_status: Some(200),
        steps: Vec::new(),
        redeliveries: 0,
        kept: None,
        ends_kept: false,
        input: None,
        output: None,
        keep: None,
        halted: false,
        skipped: false,
    }
}

fn input() -> StoredRequest {
    let request = Request {
        method: "POST".to_owned(),
        path: "/t0/n0".to_owned(),
        query_string: String::new(),
        query: serde_json::Map::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
    };
    let orders: Vec<String> = (0..20).map(|number| format!("{{\"order\":{number},\"text\":\"{}\"}}", Uuid::new_v4())).collect();
    let body = Bytes::from(format!("[{}]", orders.join(",")));
    StoredRequest { request, content_type: Some("application/json".to_owned()), content_encoding: None, body }
}

/// Rows of the last days, in the order of their ids, one in a hundred failed.
async fn fill(store: &Store, client: &Client, issuer: &IdIssuer, integrations: &[Uuid], rows: usize) -> Outcome<()> {
    client.batch_execute("truncate executions; truncate execution_payloads").await?;
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?;
    for day in 0..DAYS {
        store.maintain(now - day * DAY, Duration::from_secs(40 * 86_400)).await?;
    }
    let step = DAYS * DAY / i64::try_from(rows)?;
    let began = Instant::now();
    let mut at = now - DAYS * DAY;
    let mut done = 0;
    while done < rows {
        let mut batch = Vec::with_capacity(2_000);
        for index in done..(done + 2_000).min(rows) {
            let integration = integrations[index * 7_919 % integrations.len()];
            let mut bytes = issuer.issue(integration)?.unique().into_bytes();
            bytes[..6].copy_from_slice(&(at / 1000).to_be_bytes()[2..]);
            let mut record = record(issuer.restore(Uuid::from_bytes(bytes), integration), integration);
            if index % 101 == 0 {
                record.status = ExecutionStatus::Failed;
            }
            batch.push(record);
            at += step;
        }
        done += batch.len();
        store.record(&batch).await?;
    }
    println!("recorded {rows} rows in batches of 2,000: {:?}", began.elapsed());
    let sql = "select sum(pg_total_relation_size(inhrelid))::bigint, sum(pg_relation_size(inhrelid))::bigint from pg_inherits
               where inhparent = 'executions'::regclass";
    let row = client.query_one(sql, &[]).await?;
    let (total, heap): (i64, i64) = (row.get(0), row.get(1));
    let count = i64::try_from(rows)?;
    println!("disk: {} bytes an execution, of which {} row", total / count, heap / count);
    client.batch_execute("analyze").await?;
    Ok(())
}

async fn listings(store: &Store, issuer: &IdIssuer, integration: Uuid) -> Outcome<()> {
    let tenant = Some("t0".parse()?);
    let name = Some("n0".parse()?);
    let failed = Some(ExecutionStatus::Failed);
    let all = Filter { limit: 50, ..Filter::default() };
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?;
    let mut old = issuer.issue(integration)?.unique().into_bytes();
    old[..6].copy_from_slice(&((now - 7 * DAY) / 1000).to_be_bytes()[2..]);
    let before = Some(issuer.restore(Uuid::from_bytes(old), integration));
    let of_one = Filter { tenant: tenant.clone(), integration: name, ..all.clone() };
    let filters = [
        ("all", all.clone()),
        ("failed", Filter { status: failed, ..all.clone() }),
        ("of a tenant with 100 integrations", Filter { tenant, ..all.clone() }),
        ("of one integration", of_one.clone()),
        ("of one, failed", Filter { status: failed, ..of_one.clone() }),
        ("of one, succeeded", Filter { status: Some(ExecutionStatus::Succeeded), ..of_one.clone() }),
        ("of one, since an hour", Filter { since: Some(now - DAY / 24), ..of_one.clone() }),
        ("of one, a page a week ago", Filter { before, ..of_one }),
    ];
    for (what, filter) in filters {
        let mut took = Vec::new();
        let mut rows = 0;
        for _ in 0..200 {
            let began = Instant::now();
            rows = store.list_executions(&filter).await?.len();
            took.push(began.elapsed());
        }
        say(&format!("list {what} ({rows} rows)"), &mut took);
    }
    let newest = store.list_executions(&all).await?;
    let mut took = Vec::new();
    for row in newest.iter().cycle().take(200) {
        let began = Instant::now();
        store.execution(row.integration_id, &row.id).await?;
        took.push(began.elapsed());
    }
    say("one execution with its answer", &mut took);
    Ok(())
}

fn say(what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!("{what}: median {:.2?}, p95 {:.2?}, slowest {:.2?}", at(50), at(95), at(100));
}
