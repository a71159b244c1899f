//! The history, triggers and workers against a real server: `FOREBAY_DATABASE_URL`, or the local one. Each test has a database of its own.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use forebay_contract::definition::Definition;
use forebay_contract::envelope::Request;
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus, Response, StepRecord, StepStatus};
use forebay_contract::{ExecutionId, IdIssuer, IntegrationPath};
use forebay_store::{
    Decision, Filter, NewDefinition, Record, Store, StoreError, StoreOptions, StoredRequest, StoredResponse, TriggerKind, TriggerPhase,
    WatchOptions, WorkerRow,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SECOND: Duration = Duration::from_secs(1);

struct Fixture {
    store: Store,
    issuer: IdIssuer,
    integration: Uuid,
    server: String,
    database: String,
}

impl Fixture {
    async fn new() -> Self {
        let url = std::env::var("FOREBAY_DATABASE_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
        let after_host = url.find("://").unwrap() + 3;
        let server = url[after_host..].find('/').map_or(url.as_str(), |slash| &url[..after_host + slash]).to_owned();
        let database = format!("forebay_test_{}", Uuid::new_v4().simple());
        let own = format!("{server}/{database}");
        assert!(Store::create_database_if_missing(&own).await.unwrap());
        let store = Store::connect(&own, StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let issuer = IdIssuer::new(&store.id_key().await.unwrap());
        let mut fixture = Self { store, issuer, integration: Uuid::nil(), server, database };
        fixture.integration = fixture.apply("t", "serial", "ordered: true").await;
        fixture
    }

    async fn apply(&self, tenant: &str, name: &str, trigger: &str) -> Uuid {
        let source = format!("tenant: {tenant}\nname: {name}\ntrigger:\n  webhook: {{ {trigger} }}\n");
        let document = forebay_contract::definition::documents(&source).unwrap().remove(0);
        let definition = Definition::from_value(&document).unwrap();
        self.store.apply(&[NewDefinition { definition, document, source }], "test").await.unwrap()[0].id
    }

    fn record(&self) -> Record {
        self.record_of(self.issuer.issue(self.integration).unwrap())
    }

    fn record_of(&self, execution_id: ExecutionId) -> Record {
        let now = execution_id.issued_at_millis() * 1000;
        Record {
            execution_id,
            integration_id: self.integration,
            version: 1,
            trigger_kind: TriggerKind::Webhook,
            status: ExecutionStatus::Succeeded,
            attempts: 1,
            started_at: Some(now + 1),
            ended_at: now + 2,
            worker: "w".to_owned(),
            error: None,
            response_status: Some(201),
            steps: vec![],
            redeliveries: 0,
            input: None,
            output: None,
            keep: None,
            halted: false,
            skipped: false,
        }
    }

    /// Not in `Drop`, which can't wait; a failed test leaves its database to look at.
    async fn end(self) {
        let Self { store, server, database, .. } = self;
        drop(store);
        let (client, connection) = tokio_postgres::connect(&format!("{server}/postgres"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("drop database {database} with (force)")).await.unwrap();
    }
}

fn failure(message: &str) -> ExecutionError {
    ExecutionError { code: ErrorCode::Remote, step: Some("post".to_owned()), message: message.to_owned(), transient: true }
}

fn with_payloads(mut record: Record) -> Record {
    let request = Request {
        method: "POST".to_owned(),
        path: "/t/serial".to_owned(),
        query_string: "a=1".to_owned(),
        query: serde_json::Map::from_iter([("a".to_owned(), 1.into())]),
        headers: vec![("x-a".to_owned(), "b".to_owned())],
    };
    let body = Bytes::from((0..=255).collect::<Vec<u8>>());
    record.input = Some(StoredRequest { request, content_type: Some("text/plain".to_owned()), content_encoding: None, body });
    record.output = Some((&Response { status: 201, headers: vec![], body: Bytes::from(vec![b'x'; 10_000]) }).into());
    let output = Some(serde_json::json!({ "z": 1, "a": "\0" }));
    record.steps = vec![StepRecord { id: "post".to_owned(), status: StepStatus::Succeeded, started_at: 1, took: 2, output, error: None }];
    record
}

async fn until<T, F: Future<Output = Option<T>>>(mut probe: impl FnMut() -> F) -> T {
    for _ in 0..100 {
        if let Some(found) = probe().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 5 s");
}

#[tokio::test]
async fn a_record_is_read_back_whole_and_travels_as_json() {
    let fixture = Fixture::new().await;
    let record = with_payloads(fixture.record());
    let spooled: Record = serde_json::from_slice(&serde_json::to_vec(&record).unwrap()).unwrap();
    assert_eq!(spooled, record);
    for _ in 0..2 {
        fixture.store.record(std::slice::from_ref(&spooled)).await.unwrap();
    }
    let id = record.execution_id;
    let detail = fixture.store.execution_detail(&id).await.unwrap().unwrap();
    assert_eq!((detail.input, detail.output.clone(), detail.steps), (record.input, record.output, record.steps));
    let row = &detail.row;
    assert_eq!((row.id, row.tenant.as_str(), row.integration.as_str()), (id, "t", "serial"));
    assert_eq!((row.accepted_at, row.started_at, row.ended_at), (id.issued_at_millis() * 1000, record.started_at, Some(record.ended_at)));
    assert_eq!((row.status, row.response_status), (ExecutionStatus::Succeeded, Some(201)));
    assert_eq!(serde_json::to_value(row).unwrap()["id"], id.to_string());

    let outcome = fixture.store.execution(fixture.integration, &id).await.unwrap().unwrap();
    assert_eq!((outcome.row, outcome.output), (detail.row, detail.output));
    assert_eq!(fixture.store.execution(Uuid::new_v4(), &id).await.unwrap(), None);
    let guessed = IdIssuer::new(b"other").restore(id.unique(), fixture.integration);
    assert_eq!(fixture.store.execution_detail(&guessed).await.unwrap(), None);
    fixture.end().await;
}

#[tokio::test]
async fn an_older_record_never_replaces_a_newer_one() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let id = fixture.record().execution_id;
    let running = Record { status: ExecutionStatus::Running, attempts: 2, ..fixture.record_of(id) };
    store.record(std::slice::from_ref(&running)).await.unwrap();
    assert!(store.finished(&[id.unique()]).await.unwrap().is_empty());
    let row = store.execution_detail(&id).await.unwrap().unwrap().row;
    assert_eq!((row.status, row.ended_at), (ExecutionStatus::Running, None));

    let failed = Record {
        status: ExecutionStatus::Failed,
        attempts: 2,
        halted: true,
        error: Some(failure("x")),
        ..with_payloads(fixture.record_of(id))
    };
    // The last of the batch counts.
    store.record(&[running.clone(), failed.clone()]).await.unwrap();
    let first =
        Record { attempts: 1, output: Some(StoredResponse { status: 500, headers: vec![], body: Bytes::new() }), ..fixture.record_of(id) };
    for late in [first, running] {
        store.record(&[late]).await.unwrap();
        let finished = &store.finished(&[id.unique(), Uuid::new_v4()]).await.unwrap()[&id.unique()];
        assert_eq!((finished.status, finished.halted, finished.attempts), (ExecutionStatus::Failed, true, 2));
        assert_eq!(store.execution_detail(&id).await.unwrap().unwrap().output, failed.output);
    }
    // A later attempt replaces the row and its payloads.
    store.record(&[Record { attempts: 3, ..fixture.record_of(id) }]).await.unwrap();
    let detail = store.execution_detail(&id).await.unwrap().unwrap();
    assert_eq!((detail.row.status, detail.row.error, detail.output), (ExecutionStatus::Succeeded, None, None));
    fixture.end().await;
}

#[tokio::test]
async fn no_text_makes_a_batch_fail() {
    let fixture = Fixture::new().await;
    let message = format!("\0{}", "ä".repeat(5000));
    let mut record = Record { status: ExecutionStatus::Failed, worker: "w\0".to_owned(), ..fixture.record() };
    record.error = Some(failure(&message));
    fixture.store.record(&[record.clone(), fixture.record()]).await.unwrap();
    let row = fixture.store.execution_detail(&record.execution_id).await.unwrap().unwrap().row;
    assert_eq!(row.worker, "w\u{fffd}");
    let error = row.error.unwrap();
    assert_eq!(error.message, format!("\u{fffd}{}", "ä".repeat(3999)));
    assert_eq!((error.code, error.transient), (ErrorCode::Remote, true));
    fixture.end().await;
}

#[tokio::test]
async fn payloads_are_gone_after_their_time() {
    let fixture = Fixture::new().await;
    let record = Record { keep: Some(Duration::ZERO), ..with_payloads(fixture.record()) };
    fixture.store.record(std::slice::from_ref(&record)).await.unwrap();
    let detail = fixture.store.execution_detail(&record.execution_id).await.unwrap().unwrap();
    assert!(detail.input.is_none() && detail.output.is_none() && detail.steps.is_empty());
    let now = record.ended_at + 1_000_000;
    let report = fixture.store.maintain(now, SECOND * 86_400).await.unwrap();
    assert_eq!((report.complete, report.payloads_deleted), (true, 3));
    fixture.end().await;
}

#[tokio::test]
async fn a_listing_is_newest_first_in_pages_and_filtered() {
    let fixture = Fixture::new().await;
    let mut records = Vec::new();
    for number in 0..5 {
        let status = if number == 1 { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded };
        records.push(Record { status, ..fixture.record() });
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let other = fixture.apply("u", "serial", "concurrency: 5").await;
    let elsewhere = Record { integration_id: other, ..fixture.record_of(fixture.issuer.issue(other).unwrap()) };
    fixture.store.record(&records).await.unwrap();
    fixture.store.record(std::slice::from_ref(&elsewhere)).await.unwrap();

    let ids = async |filter: Filter| -> Vec<ExecutionId> {
        fixture.store.list_executions(&filter).await.unwrap().into_iter().map(|row| row.id).collect()
    };
    let mut all: Vec<_> = records.iter().chain([&elsewhere]).map(|record| record.execution_id).collect();
    all.reverse();
    let any = Filter::default;
    let (t, serial) = (Some("t".parse().unwrap()), Some("serial".parse().unwrap()));
    assert_eq!(ids(any()).await, all);
    assert_eq!(ids(Filter { integration: serial.clone(), ..any() }).await, all);
    assert_eq!(ids(Filter { tenant: t.clone(), ..any() }).await, all[1..]);
    assert_eq!(ids(Filter { tenant: t.clone(), limit: 2, ..any() }).await, all[1..3]);
    assert_eq!(ids(Filter { tenant: t.clone(), before: Some(all[2]), limit: 2, ..any() }).await, all[3..5]);
    assert_eq!(ids(Filter { status: Some(ExecutionStatus::Failed), ..any() }).await, [records[1].execution_id]);
    assert_eq!(ids(Filter { status: Some(ExecutionStatus::Running), ..any() }).await, []);
    let since = Some(records[3].execution_id.issued_at_millis() * 1000);
    assert_eq!(ids(Filter { since, tenant: t, integration: serial, status: Some(ExecutionStatus::Succeeded), ..any() }).await, all[1..3]);
    assert_eq!(ids(Filter { tenant: Some("none".parse().unwrap()), ..any() }).await, []);
    fixture.end().await;
}

#[tokio::test]
async fn a_halted_trigger_waits_for_a_decision() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let path: IntegrationPath = "t/serial".parse().unwrap();
    let stop = CancellationToken::new();
    let snapshot = store.watch(stop.clone(), WatchOptions { reconcile: SECOND * 60 }).await.unwrap();
    let state = || snapshot.current().trigger_state(fixture.integration).cloned();

    assert!(matches!(store.resume_trigger(&path, "me").await, Err(StoreError::NotHalted { .. })));
    assert!(matches!(store.skip_trigger(&"t/none".parse().unwrap(), "me").await, Err(StoreError::NotFound { .. })));
    let (first, second) = (fixture.record().execution_id, fixture.record().execution_id);
    assert!(matches!(store.halt_trigger(Uuid::new_v4(), &first, &failure("x")).await, Err(StoreError::NotFound { .. })));
    store.halt_trigger(fixture.integration, &first, &failure("it\0broke")).await.unwrap();
    store.halt_trigger(fixture.integration, &second, &failure("later")).await.unwrap();
    let halted = until(async || state()).await;
    assert_eq!((halted.phase, halted.execution_id, halted.decision), (TriggerPhase::Halted, Some(first.unique()), None));
    assert_eq!(halted.error, Some(failure("it\u{fffd}broke")));

    let worker = WorkerRow {
        id: Uuid::new_v4(),
        name: "w1".to_owned(),
        version: "1".to_owned(),
        started_at: 1,
        concurrency: 4,
        running: 0,
        queues: vec![fixture.integration],
        last_seen: 0,
    };
    store.heartbeat(&worker).await.unwrap();
    fixture.apply("t", "parallel", "concurrency: 5").await;
    fixture.apply("u", "lane", "").await;
    let rows = store.list_triggers(None).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.policy.as_str(), row.state.as_str(), row.kind.as_str())).collect();
    let expected = [("parallel", "parallel 5", "running"), ("serial", "serial", "halted"), ("lane", "lane", "running")];
    assert_eq!(shown, expected.map(|(name, policy, state)| (name, policy, state, "webhook")));
    assert_eq!((rows[1].execution_id, rows[1].worker.as_deref()), (Some(first), Some("w1")));
    assert_eq!(rows[1].error.as_deref(), Some("post: it\u{fffd}broke"));
    assert_eq!(store.list_triggers(Some(&"u".parse().unwrap())).await.unwrap().len(), 1);

    store.skip_trigger(&path, "me").await.unwrap();
    until(async || state().filter(|state| state.decision == Some(Decision::Skip))).await;
    store.clear_halt(fixture.integration).await.unwrap();
    until(async || state().is_none().then_some(())).await;
    // An old decision says nothing about a new halt.
    store.halt_trigger(fixture.integration, &second, &failure("again")).await.unwrap();
    assert_eq!(until(async || state()).await.decision, None);
    store.resume_trigger(&path, "me").await.unwrap();
    until(async || state().filter(|state| state.decision == Some(Decision::Resume))).await;
    stop.cancel();
    fixture.end().await;
}

#[tokio::test]
async fn workers_are_seen_to_join_and_leave() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let stop = CancellationToken::new();
    let mut watch = store.watch_workers(stop.clone());
    watch.changed().await;
    let mut worker = WorkerRow {
        id: Uuid::new_v4(),
        name: "w1".to_owned(),
        version: "1".to_owned(),
        started_at: 1_000_000,
        concurrency: 4,
        running: 0,
        queues: vec![],
        last_seen: 0,
    };
    let wakes = async |watch: &mut forebay_store::WorkerWatch| tokio::time::timeout(SECOND, watch.changed()).await.is_ok();
    store.heartbeat(&worker).await.unwrap();
    assert!(wakes(&mut watch).await, "joined");
    worker.running = 3;
    store.heartbeat(&worker).await.unwrap();
    assert!(!wakes(&mut watch).await, "a mere sign of life");
    let live = store.live_workers(SECOND * 15).await.unwrap();
    assert!(live[0].last_seen > worker.started_at);
    worker.last_seen = live[0].last_seen;
    assert_eq!(live, [worker.clone()]);
    assert!(store.live_workers(Duration::ZERO).await.unwrap().is_empty());
    store.remove_worker(worker.id).await.unwrap();
    assert!(wakes(&mut watch).await, "left");
    assert!(store.live_workers(SECOND * 15).await.unwrap().is_empty());
    stop.cancel();
    fixture.end().await;
}
