use crate::database::{Database, until, with_store};
use crate::samples::{Sample, error, request};
use bytes::Bytes;
use forebay_contract::outcome::{ExecutionStatus, StepRecord, StepStatus};
use forebay_contract::{ExecutionId, UnixMicros};
use forebay_store::{ExecutionRow, Record, Store, StoredResponse};
use std::time::Duration;
use uuid::Uuid;

async fn row(store: &Store, id: &ExecutionId) -> ExecutionRow {
    store.execution_detail(id).await.unwrap().unwrap().row
}

async fn payload_count(database: &Database) -> i64 {
    database.count("execution_payloads").await
}

fn steps() -> Vec<StepRecord> {
    vec![StepRecord {
        id: "price".to_owned(),
        status: StepStatus::Failed,
        started_at: UnixMicros::new(5),
        duration: 7,
        output: Some(serde_json::json!({ "a": [1, "\u{0}"] })),
        error: Some("no".to_owned()),
        note: Some("it waited".to_owned()),
    }]
}

#[tokio::test]
async fn everything_that_was_recorded_is_read_back() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let id = sample.id();
        let output = StoredResponse {
            status: 201,
            headers: vec![("content-type".into(), "text/plain".into())],
            body: Bytes::from_static(b"\0\xff"),
        };
        let record = Record {
            output: Some(output.clone()),
            steps: steps(),
            attempts: 3,
            redeliveries: 2,
            halted: true,
            skipped: true,
            version: 9,
            ..sample.failed_record(id)
        };
        // As JSON it waits on the broker while the database is away.
        let spooled: Record = serde_json::from_slice(&serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(spooled, record);
        store.record(std::slice::from_ref(&record)).await.unwrap();

        let detail = store.execution_detail(&id).await.unwrap().unwrap();
        let row = &detail.row;
        assert_eq!((row.id, row.integration_id, row.version), (id, sample.integration.id, 9));
        assert_eq!((row.tenant.as_str(), row.integration.as_str()), ("t", "n"));
        assert_eq!((row.status, row.attempts, row.redeliveries), (ExecutionStatus::Failed, 3, 2));
        assert_eq!((row.accepted_at, row.started_at, row.ended_at), (id.issued_at().to_micros(), record.started_at, Some(record.ended_at)));
        assert_eq!((row.worker.as_str(), row.response_status), ("worker-0123456789", None));
        assert_eq!(row.error, record.error);
        assert!(row.halted && row.skipped);
        assert_eq!(detail.steps, steps());
        assert_eq!(detail.input, Some(request("in")));
        assert_eq!(detail.output, Some(output));
    })
    .await;
}

#[tokio::test]
async fn writing_the_same_again_changes_nothing() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let plain = sample.record(sample.id());
        let batch = [sample.failed_record(sample.id()), plain.clone(), plain];
        for _ in 0..3 {
            store.record(&batch).await.unwrap();
        }
        assert_eq!(database.count("executions").await, 2);
        assert_eq!(payload_count(&database).await, 1);
        store.record(&[]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_record_with_more_attempts_stays_with_its_payloads() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let id = sample.id();
        let first = sample.failed_record(id);
        let second = Record { attempts: 2, response_status: Some(202), ..sample.record(id) };
        store.record(std::slice::from_ref(&first)).await.unwrap();
        assert_eq!(payload_count(&database).await, 1);
        store.record(std::slice::from_ref(&second)).await.unwrap();
        store.record(std::slice::from_ref(&first)).await.unwrap();
        let row = row(&store, &id).await;
        assert_eq!((row.status, row.attempts, row.response_status, row.error), (ExecutionStatus::Succeeded, 2, Some(202), None));
        assert_eq!(payload_count(&database).await, 0, "the input of the failed attempt is not the good one's");

        let other = sample.id();
        let newest_first = [Record { execution_id: other, ..second }, Record { execution_id: other, ..first }];
        store.record(&newest_first).await.unwrap();
        assert_eq!(store.execution_detail(&other).await.unwrap().unwrap().row.attempts, 2, "also within one batch");
    })
    .await;
}

#[tokio::test]
async fn an_execution_keeps_the_caller_that_was_recorded_first() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let caller = |number: u128| Some(Uuid::from_u128(number));
        let record = |id, attempts, caller| Record { attempts, caller, ..sample.failed_record(id) };
        for (recorded, expected) in [
            ([caller(1), caller(1)], caller(1)),
            ([caller(1), None], caller(1)),
            ([None, caller(1)], caller(1)),
            ([caller(1), caller(2)], caller(1)),
            ([None, None], None),
        ] {
            let id = sample.id();
            store.record(&[record(id, 1, recorded[0])]).await.unwrap();
            store.record(&[record(id, 2, recorded[1])]).await.unwrap();
            let outcome = store.execution(sample.integration.id, &id).await.unwrap().unwrap();
            assert_eq!((outcome.row.attempts, outcome.row.caller), (2, expected), "{recorded:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn no_text_makes_a_batch_fail() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (bad, good) = (sample.id(), sample.id());
        let mut failed = error("a\0b");
        failed.step = Some("s\0".repeat(500));
        failed.message.push_str(&"ä".repeat(100_000));
        let mut input = request("\0");
        input.request.path = "/\0".to_owned();
        let record = Record {
            error: Some(failed),
            worker: "w\0".to_owned(),
            steps: steps(),
            input: Some(input.clone()),
            response_status: Some(u16::MAX),
            ..sample.failed_record(bad)
        };
        store.record(&[record, sample.record(good)]).await.unwrap();
        let detail = store.execution_detail(&bad).await.unwrap().unwrap();
        let error = detail.row.error.unwrap();
        assert!(error.message.starts_with("a\u{fffd}b") && error.message.chars().count() == 4000, "{}", error.message.len());
        assert_eq!(detail.row.worker, "w\u{fffd}");
        assert_eq!(detail.input, Some(input));
        assert_eq!(row(&store, &good).await.status, ExecutionStatus::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn a_body_of_many_megabytes_is_kept_whole() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        // Bytes that do not deflate.
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let body: Bytes = (0..15_000_000).map(|_| next()).collect::<Vec<u8>>().into();
        let ids: Vec<ExecutionId> = (0..3).map(|_| sample.id()).collect();
        let batch: Vec<Record> = ids
            .iter()
            .map(|id| {
                let mut record = sample.failed_record(*id);
                record.input.as_mut().unwrap().body = body.clone();
                record
            })
            .collect();
        store.record(&batch).await.unwrap();
        for id in &ids {
            assert!(store.execution_detail(id).await.unwrap().unwrap().input.unwrap().body == body);
        }
    })
    .await;
}

#[tokio::test]
async fn a_redelivery_learns_what_has_ended() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (ended, halted, open, running) = (sample.id(), sample.id(), sample.id(), sample.id());
        let failed = Record { halted: true, ..sample.failed_record(halted) };
        let runs = Record { status: ExecutionStatus::Running, ..sample.record(running) };
        store.record(&[sample.record(ended), failed, runs]).await.unwrap();
        let finished = store.finished(&[ended, halted, open, running].map(|id| id.unique())).await.unwrap();
        assert_eq!(finished.len(), 2);
        let good = &finished[&ended.unique()];
        assert_eq!((good.status, good.attempts, good.halted), (ExecutionStatus::Succeeded, 1, false));
        let bad = &finished[&halted.unique()];
        assert_eq!((bad.status, bad.attempts, bad.halted), (ExecutionStatus::Failed, 1, true));
        assert!(store.finished(&[]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_record_the_same_executions_at_once_do_not_deadlock() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let mut batch: Vec<Record> = (0..200).map(|_| Record { attempts: 2, ..sample.record(sample.id()) }).collect();
        let mut tasks = Vec::new();
        for _ in 0..4 {
            batch.reverse();
            let (store, batch) = (store.clone(), batch.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..10 {
                    store.record(&batch).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(database.count("executions").await, 200);
    })
    .await;
}

#[tokio::test]
async fn an_expired_payload_is_not_shown() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (expired, retained) = (sample.id(), sample.id());
        let with_steps = |id| Record { steps: steps(), ..sample.failed_record(id) };
        store.record(&[Record { retention: Some(Duration::ZERO), ..with_steps(expired) }, with_steps(retained)]).await.unwrap();
        let expired = store.execution_detail(&expired).await.unwrap().unwrap();
        assert!(expired.input.is_none() && expired.steps.is_empty());
        let retained = store.execution_detail(&retained).await.unwrap().unwrap();
        assert!(retained.input.is_some() && !retained.steps.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_running_execution_ends_and_does_not_run_again_in_the_same_attempt() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let id = sample.id();
        let running = Record { status: ExecutionStatus::Running, response_status: None, ..sample.record(id) };
        store.record(std::slice::from_ref(&running)).await.unwrap();
        let runs = row(&store, &id).await;
        assert_eq!((runs.status, runs.ended_at), (ExecutionStatus::Running, None));
        store.record(&[sample.record(id), running.clone()]).await.unwrap();
        store.record(std::slice::from_ref(&running)).await.unwrap();
        assert_eq!(row(&store, &id).await.status, ExecutionStatus::Succeeded);
        store.record(&[Record { attempts: 2, ..running }]).await.unwrap();
        assert_eq!(row(&store, &id).await.status, ExecutionStatus::Succeeded, "a success stays");
    })
    .await;
}

#[tokio::test]
async fn a_record_that_is_given_up_half_way_leaves_no_open_transaction_and_is_stored_whole_or_not_at_all() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let record = || Record { input: Some(request("given up")), ..sample.failed_record(sample.id()) };
        // The statements are known to the connection, and how long one takes is known to the test.
        store.record(&[record()]).await.unwrap();
        let begun = std::time::Instant::now();
        store.record(&[record()]).await.unwrap();
        let whole = begun.elapsed();
        for part in 0..60 {
            let _ = tokio::time::timeout(whole * part / 40, store.record(&[record()])).await;
        }
        store.record(&[record()]).await.unwrap();
        let open = "pg_stat_activity where datname = current_database() and state like 'idle in transaction%'";
        until("no transaction is open", || async { database.count(open).await == 0 }).await;
        assert_eq!(database.count("executions").await, payload_count(&database).await);
    })
    .await;
}
