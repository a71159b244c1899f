//! Hidden fields, diagnostics for a time, budgets, following.

use crate::database::{Database, with_store};
use crate::samples::{Sample, name, request};
use bytes::Bytes;
use forebay_contract::outcome::{Checkpoint, ExecutionStatus};
use forebay_contract::{StepVariables, VariableLog};
use forebay_store::{
    CheckpointBatch, Filter, Followed, Record, RetryInput, SecretKeys, Store, StoreOptions, StoredRequest, StoredResponse, WatchOptions,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

async fn store_with_key(database: &Database) -> Store {
    let keys = SecretKeys::from(&"0123456789abcdef0123456789abcdef".parse().unwrap());
    let options = StoreOptions { secret_keys: Some(Arc::new(keys)), ..StoreOptions::default() };
    Store::connect(&database.url(), options).await.unwrap()
}

fn answer(text: &str) -> StoredResponse {
    StoredResponse { status: 200, headers: Vec::new(), body: Bytes::from(text.to_owned()) }
}

/// A failed record whose input is shown without its fields.
fn hidden(record: Record) -> Record {
    let input = Some(StoredRequest { redacted: true, ..request("hidden") });
    Record { input, retry_input: Some(request("hunter2")), seals: true, ..record }
}

#[tokio::test]
async fn hidden_fields_are_for_programs_only_and_are_stored_encrypted() {
    with_store(|plain, database| async move {
        let store = store_with_key(&database).await;
        let sample = Sample::make(&store, "t/n").await;
        let (failed, answered) = (sample.id(), sample.id());
        let step = Checkpoint { path: "a".to_owned(), output: b"\"hunter2\"".to_vec() };
        store.add_checkpoints(&failed, sample.integration.id, 0, std::slice::from_ref(&step), true).await.unwrap();
        let checkpoints = Some(CheckpointBatch::new(1, std::slice::from_ref(&step)));
        let served = Record {
            output: Some(answer("hidden")),
            answer: Some(answer("hunter2")),
            is_served: true,
            seals: true,
            ..sample.record(answered)
        };
        store.record(&[Record { checkpoints, ..hidden(sample.failed_record(failed)) }, served]).await.unwrap();

        let detail = store.execution_detail(&failed).await.unwrap().unwrap();
        assert_eq!(detail.input.unwrap().body, "hidden");
        assert_eq!(store.retry_input(&failed).await.unwrap(), RetryInput::Whole(Box::new(request("hunter2"))));
        assert_eq!(store.checkpoints(&failed).await.unwrap(), (vec![step.clone(), step], 2));
        let shown = store.execution_detail(&answered).await.unwrap().unwrap().output.unwrap();
        let outcome = store.execution(sample.integration.id, &answered).await.unwrap().unwrap().output.unwrap();
        assert_eq!((shown.body, outcome.body), (Bytes::from("hidden"), Bytes::from("hunter2")));
        assert_eq!(database.count("execution_payloads where encoding like 'sealed%'").await, 4);
        assert_eq!(database.count("execution_payloads where content::text like '%' || encode('hunter2', 'hex') || '%'").await, 0);

        let error = plain.retry_input(&failed).await.unwrap_err();
        assert!(error.to_string().contains("FOREBAY_SECRET_KEY"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn without_a_key_what_is_hidden_is_not_kept() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (id, succeeded) = (sample.id(), sample.id());
        let step = Checkpoint { path: "a".to_owned(), output: b"1".to_vec() };
        store.add_checkpoints(&id, sample.integration.id, 0, &[step], true).await.unwrap();
        let shown = Record { input: Some(StoredRequest { redacted: true, ..request("hidden") }), ..sample.record(succeeded) };
        store.record(&[hidden(sample.failed_record(id)), shown]).await.unwrap();
        assert_eq!(store.retry_input(&id).await.unwrap(), RetryInput::Redacted);
        assert_eq!(store.retry_input(&succeeded).await.unwrap(), RetryInput::Redacted);
        assert_eq!(store.retry_input(&sample.id()).await.unwrap(), RetryInput::NotStored);
        assert_eq!(database.count("execution_payloads").await, 2);
    })
    .await;
}

#[tokio::test]
async fn variables_are_read_back_around_each_step() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let id = sample.id();
        let places =
            |places: &[(&str, u32)]| -> BTreeMap<String, u32> { places.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect() };
        let step = StepVariables { before: places(&[("input", 0)]), after: places(&[("input", 0), ("steps.a", 1)]) };
        let variables = VariableLog { values: vec![json!({ "x": 1 }), json!([2])], steps: vec![step] };
        store.record(&[Record { variables: Some(variables.clone()), ..sample.record(id) }]).await.unwrap();
        let read = store.execution_detail(&id).await.unwrap().unwrap().variables.unwrap();
        assert_eq!(read, variables);
        assert_eq!(json!(read.before(0)), json!({ "input": { "x": 1 } }));
        assert_eq!(json!(read.after(0)), json!({ "input": { "x": 1 }, "steps.a": [2] }));
        assert_eq!(read.after(1), None);
    })
    .await;
}

#[tokio::test]
async fn diagnostics_that_are_switched_on_reach_every_process_within_a_second_and_end() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let id = sample.integration.id;
        let options = WatchOptions { reconcile: Duration::from_secs(60) };
        let mut snapshot = store.watch(CancellationToken::new(), options).await.unwrap();
        assert_eq!(snapshot.current().diagnosed_until(id), None);
        let until = sample.id().issued_at().to_micros() + Duration::from_secs(3600);
        let began = Instant::now();
        store.diagnose(id, until, "ann").await.unwrap();
        snapshot.changed().await;
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(snapshot.current().diagnosed_until(id), Some(until));
        let row = store.list_diagnoses().await.unwrap().remove(0);
        assert_eq!((row.integration.as_str(), row.until, row.by.as_str()), ("n", until, "ann"));

        assert!(store.end_diagnosis(id, "ann").await.unwrap());
        snapshot.changed().await;
        assert_eq!(snapshot.current().diagnosed_until(id), None);
        assert!(!store.end_diagnosis(id, "ann").await.unwrap());
        store.diagnose(id, until - Duration::from_secs(7200), "ann").await.unwrap();
        assert!(store.list_diagnoses().await.unwrap().is_empty(), "its time has passed");
        assert!(store.diagnose(uuid::Uuid::new_v4(), until, "ann").await.unwrap_err().to_string().contains("does not exist"));
    })
    .await;
}

#[tokio::test]
async fn payloads_over_a_budget_go_the_oldest_first_and_last_what_a_retry_needs() {
    with_store(|store, database| async move {
        let (sample, other) = (Sample::make(&store, "t/n").await, Sample::make(&store, "u/n").await);
        let now = sample.id().issued_at().to_micros();
        let noise: String = (0..500).map(|_| sample.id().to_string()).collect();
        let with_input = |record: Record| Record { input: Some(request(&noise)), ..record };
        let (failed, old, recent) = (sample.id_at(now - DAY), sample.id_at(now - DAY + Duration::from_millis(1)), sample.id_at(now));
        let foreign = other.id_at(now - DAY);
        let records = [
            with_input(sample.failed_record(failed)),
            with_input(sample.record(old)),
            with_input(sample.record(recent)),
            with_input(other.record(foreign)),
        ];
        store.record(&records).await.unwrap();
        let running = sample.id_at(now - DAY);
        store
            .add_checkpoints(&running, sample.integration.id, 0, &[Checkpoint { path: "a".into(), output: b"1".to_vec() }], false)
            .await
            .unwrap();

        assert_eq!(store.maintain(now, MONTH).await.unwrap().over_budget, 0, "nobody has a budget");
        store.set_tenant_payload_bytes(&name("t"), Some(u64::MAX), "ann").await.unwrap();
        assert_eq!(store.maintain(now, MONTH).await.unwrap().over_budget, 0);
        let usage = store.payload_usage().await.unwrap();
        let used = usage.iter().find(|usage| usage.tenant == name("t")).unwrap();
        assert!(used.bytes > used.needed && used.needed > 0, "{used:?}");
        assert_eq!(store.list_tenants().await.unwrap()[0].payload_bytes, Some(i64::MAX as u64));

        let input_of = |id| {
            let store = store.clone();
            async move { store.execution_detail(&id).await.unwrap().unwrap().input.is_some() }
        };
        let budget = used.bytes - 1;
        store.set_tenant_payload_bytes(&name("t"), Some(budget), "ann").await.unwrap();
        assert_eq!(store.maintain(now, MONTH).await.unwrap().over_budget, 1);
        assert_eq!((input_of(failed).await, input_of(old).await, input_of(recent).await), (true, false, true), "the oldest has gone");
        assert_eq!(store.maintain(now, MONTH).await.unwrap().over_budget, 0, "the rest is within the budget");

        store.set_tenant_payload_bytes(&name("t"), Some(0), "ann").await.unwrap();
        assert_eq!(store.maintain(now, MONTH).await.unwrap().over_budget, 2);
        assert_eq!((input_of(failed).await, input_of(recent).await), (false, false));
        assert!(input_of(foreign).await, "another tenant's stay");
        assert_eq!(store.checkpoints(&running).await.unwrap().0.len(), 1, "what a running execution keeps stays");
        assert_eq!(database.count("execution_payloads").await, 2);
        store.set_tenant_payload_bytes(&name("t"), None, "ann").await.unwrap();
        assert_eq!(store.maintain(now, MONTH).await.unwrap().over_budget, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_get_the_records_that_fit_their_filter() {
    with_store(|store, database| async move {
        let (sample, other) = (Sample::make(&store, "t/n").await, Sample::make(&store, "u/n").await);
        let shutdown = CancellationToken::new();
        let watch = store.watch_outcomes(shutdown.clone());
        let mut failed_of_t =
            watch.follow(Filter { tenants: Some(vec![name("t")]), statuses: vec![ExecutionStatus::Failed], ..Filter::default() });
        let mut all = watch.follow(Filter::default());
        let now = sample.id().issued_at().to_micros();
        let ids = [sample.id_at(now), sample.id_at(now + Duration::from_millis(1)), other.id_at(now + Duration::from_millis(2))];
        let records = [sample.failed_record(ids[0]), sample.record(ids[1]), other.failed_record(ids[2])];
        store.record(&records).await.unwrap();
        let unique = ids.map(|id| id.unique());
        // The connection may not listen yet.
        let first = loop {
            store.announce_outcomes(&unique, 0).await.unwrap();
            if let Ok(first) = tokio::time::timeout(Duration::from_millis(200), all.next()).await {
                break first.unwrap();
            }
        };
        let Followed::Rows { rows, left_out: 0 } = first else { panic!("{first:?}") };
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
        let Some(Followed::Rows { rows, .. }) = failed_of_t.next().await else { panic!() };
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[0]]);

        let many: Vec<_> = (0..500).map(|_| sample.id().unique()).collect();
        store.announce_outcomes(&many, 7).await.unwrap();
        loop {
            match all.next().await.unwrap() {
                Followed::Rows { left_out: 0, .. } => {}
                left => {
                    assert_eq!(left, Followed::Rows { rows: Vec::new(), left_out: 207 });
                    break;
                }
            }
        }

        database.terminate_sessions().await;
        assert_eq!(all.next().await, Some(Followed::Interrupted), "a lost connection may have missed some");
        shutdown.cancel();
        while let Some(followed) = all.next().await {
            assert_eq!(followed, Followed::Interrupted);
        }
    })
    .await;
}
