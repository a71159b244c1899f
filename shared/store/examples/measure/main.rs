//! Measures the store on this machine, in a database of its own that it drops at the end.
//! `cargo run --release -p forebay-store --example measure [ROWS [PART...]]`; parts: records, pages, budget, retention; else all.
//! With the part `keep` the database stays, to be looked at through the console (tests/browser/timings.mjs).
//! Server: `FOREBAY_DATABASE_URL`, else postgres://postgres@127.0.0.1:5432.
#![allow(clippy::print_stdout)]

mod budget;
mod charts;
mod history;
mod lists;
mod pages;
mod searches;

use crate::pages::Pages;
use bytes::Bytes;
use forebay_contract::definition::{Definition, documents};
use forebay_contract::envelope::Request;
use forebay_contract::outcome::{Checkpoint, ExecutionStatus};
use forebay_contract::{ExecutionId, IdIssuer, Label};
use forebay_store::{NewDefinition, Record, Store, StoreOptions, StoredRequest, TriggerKind, WatchOptions};
use std::error::Error;
use std::time::{Duration, Instant, SystemTime};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error>>;

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
    let parts: Vec<String> = std::env::args().skip(2).collect();
    let outcome = measure(&url, rows, &parts).await;
    if parts.iter().any(|part| part == "keep") {
        println!("not removed: {url}");
        return outcome;
    }
    let admin = connect(&format!("postgres://{authority}/postgres")).await?;
    admin.batch_execute(&format!("drop database {name} with (force)")).await?;
    outcome
}

async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn measure(url: &str, rows: usize, parts: &[String]) -> Outcome<()> {
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    let store = Store::connect(url, StoreOptions::default()).await?;
    let client = connect(url).await?;
    store.migrate().await?;
    let issuer = IdIssuer::new(&store.id_key().await?);
    let integrations = snapshots(&store).await?;
    if wants("records") {
        records(&store, &issuer, integrations[0]).await?;
        checkpoints(&store, &issuer, integrations[0]).await?;
    }
    if wants("pages") {
        history::fill(&store, &client, &issuer, &integrations, rows).await?;
        lists::fill(&store, &client).await?;
        let busy = charts::fill(&store, &client, &integrations).await?;
        let mut pages = Pages::default();
        charts::charts(&store, &client, &mut pages, &busy).await?;
        charts::activity(&store, &mut pages, &busy, &integrations).await?;
        lists::lists(&store, &mut pages).await?;
        searches::searches(&store, &mut pages, &issuer, &integrations).await?;
        pages.conclude();
    }
    if wants("budget") {
        budget::budget(&store, &issuer, integrations[0]).await?;
    }
    if wants("retention") {
        history::drop_of_a_day(&store, &client, &issuer, &integrations, rows).await?;
    }
    Ok(())
}

/// 10,000 integrations: the first load, and how soon one change is effective. Their ids are returned, those of a tenant one after the other.
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
    let mut durations = Vec::new();
    for round in 0..50 {
        let changed = [definition(round, round, "changed")?];
        store.apply(&changed, "measure").await?;
        let began = Instant::now();
        snapshot.changed().await;
        durations.push(began.elapsed());
    }
    say("one of 10,000 changed, from commit to effective", &mut durations);
    let path = ("t0", "n7");
    let current = snapshot.current();
    let began = Instant::now();
    let found = (0..1_000_000).filter(|_| current.integration(std::hint::black_box(path.0), path.1).is_some()).count();
    println!("look-up by path: {:?} each ({found})", began.elapsed() / 1_000_000);
    shutdown.cancel();
    Ok(applied.iter().map(|one| one.id).collect())
}

async fn records(store: &Store, issuer: &IdIssuer, integration: Uuid) -> Outcome<()> {
    for (what, payload, labelled) in [("bare", false, false), ("with a label", false, true), ("with 1 kB input", true, false)] {
        for size in [1, 50, 500] {
            let mut durations = Vec::new();
            for _ in 0..60 {
                let mut batch = Vec::with_capacity(size);
                for _ in 0..size {
                    let mut record = record(issuer.issue(integration)?, integration);
                    record.input = payload.then(input);
                    if labelled {
                        record.labels = vec![Label::new("order", &record.execution_id.to_string())?];
                    }
                    batch.push(record);
                }
                let began = Instant::now();
                store.record(&batch).await?;
                durations.push(began.elapsed());
            }
            say(&format!("record {size} {what}"), &mut durations);
        }
    }
    Ok(())
}

/// What a workflow with several effects pays for each but the last, and what a resume costs.
async fn checkpoints(store: &Store, issuer: &IdIssuer, integration: Uuid) -> Outcome<()> {
    let (mut keeping, mut reading) = (Vec::new(), Vec::new());
    let step = Checkpoint { path: "send".to_owned(), output: format!("\"{}\"", "x".repeat(1000)).into_bytes() };
    for _ in 0..300 {
        let id = issuer.issue(integration)?;
        let began = Instant::now();
        store.add_checkpoints(&id, integration, 0, std::slice::from_ref(&step), false).await?;
        keeping.push(began.elapsed());
        let began = Instant::now();
        store.checkpoints(&id).await?;
        reading.push(began.elapsed());
    }
    say("store one output of 1 kB", &mut keeping);
    say("read the stored outputs", &mut reading);
    Ok(())
}

fn record(execution_id: ExecutionId, integration_id: Uuid) -> Record {
    let accepted_at = execution_id.issued_at().to_micros();
    let (kind, worker) = (TriggerKind::Webhook, "worker-7f9c6d5b8-x2x4z".to_owned());
    Record {
        status: ExecutionStatus::Succeeded,
        attempts: 1,
        started_at: Some(accepted_at + Duration::from_micros(1_234)),
        response_status: Some(200),
        ..Record::new(execution_id, integration_id, 1, kind, worker, accepted_at + Duration::from_micros(5_678))
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
    StoredRequest { request, content_type: Some("application/json".to_owned()), content_encoding: None, body, redacted: false }
}

fn now() -> Outcome<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?)
}

fn say(what: &str, durations: &mut [Duration]) {
    durations.sort_unstable();
    let at = |share: usize| durations[(durations.len() - 1) * share / 100];
    println!("{what}: median {:.2?}, p95 {:.2?}, slowest {:.2?}", at(50), at(95), at(100));
}
