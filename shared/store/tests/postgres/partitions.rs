use crate::database::{Database, with_store};
use crate::samples::{Sample, request};
use forebay_contract::UnixMicros;
use forebay_store::{Record, Store};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

async fn partitions(database: &Database, table: &str) -> Vec<String> {
    let sql = "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
               where i.inhparent = $1::text::regclass order by 1";
    database.client().await.query(sql, &[&table]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn maintain_at(store: &Store, now: UnixMicros) -> forebay_store::MaintenanceReport {
    let report = store.maintain(now, MONTH).await.unwrap();
    assert!(report.complete);
    report
}

#[tokio::test]
async fn a_migrated_database_has_partitions_for_the_coming_days_and_upkeep_keeps_it_so() {
    with_store(|store, database| async move {
        let now = Sample::make(&store, "t/n").await.id().issued_at().to_micros();
        assert_eq!(partitions(&database, "executions").await.len(), 6, "yesterday to in three days, and the default");
        assert_eq!(partitions(&database, "execution_payloads").await.len(), 6);
        assert!(maintain_at(&store, now).await.created.is_empty());
        let report = maintain_at(&store, now + DAY).await;
        assert_eq!(report.created.len(), 2, "{report:?}");
    })
    .await;
}

#[tokio::test]
async fn a_day_without_a_partition_fails_no_insert_and_is_moved_into_its_own_later() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let now = sample.id().issued_at().to_micros();
        let later = now + 20 * DAY;
        let id = sample.id_at(later);
        store.record(&[sample.failed_record(id)]).await.unwrap();
        assert_eq!(database.count("executions_default").await, 1);
        let before = store.execution_detail(&id).await.unwrap().unwrap();

        let report = maintain_at(&store, later).await;
        assert_eq!(report.created.len(), 10, "{report:?}");
        assert_eq!(database.count("executions_default").await, 0);
        assert_eq!(database.count("execution_payloads_default").await, 0);
        assert_eq!(store.execution_detail(&id).await.unwrap().unwrap(), before);
        // The moved row has its indexes: the same record conflicts with it.
        store.record(&[sample.failed_record(id)]).await.unwrap();
        assert_eq!(database.count("executions").await, 1);
        let storage = "pg_attribute where attname = 'content' and attstorage <> 'e' and attrelid in (select inhrelid from pg_inherits)";
        assert_eq!(database.count(storage).await, 0, "no partition compresses what is compressed");
    })
    .await;
}

#[tokio::test]
async fn executions_older_than_the_retention_are_dropped_with_their_payloads() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let now = sample.id().issued_at().to_micros();
        let (old, recent, ancient) = (sample.id_at(now), sample.id_at(now + 10 * DAY), sample.id_at(now - 300 * DAY));
        let records = [old, recent, ancient].map(|id| sample.failed_record(id));
        store.record(&records).await.unwrap();
        let report = maintain_at(&store, now + 35 * DAY).await;
        assert!(report.dropped.len() >= 8, "{report:?}");
        assert!(store.execution_detail(&old).await.unwrap().is_none());
        assert!(store.execution_detail(&ancient).await.unwrap().is_none(), "also from the default partition");
        assert!(store.execution_detail(&recent).await.unwrap().is_some());
        assert_eq!(database.count("execution_payloads").await, 1);
    })
    .await;
}

#[tokio::test]
async fn payloads_whose_retention_has_passed_are_deleted() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let now = sample.id().issued_at().to_micros();
        let retention = |seconds| Some(Duration::from_secs(seconds));
        let short = Record { input: Some(request("x")), retention: retention(3600), ..sample.record(sample.id()) };
        let long = Record { input: Some(request("x")), retention: retention(14 * 86_400), ..sample.record(sample.id()) };
        let failed = sample.failed_record(sample.id());
        store.record(&[short, long, failed]).await.unwrap();
        assert_eq!(maintain_at(&store, now).await.payloads_deleted, 0);
        assert_eq!(maintain_at(&store, now + DAY).await.payloads_deleted, 1);
        assert_eq!(database.count("execution_payloads").await, 2);
        assert_eq!(database.count("executions").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_do_the_upkeep_at_once_while_workers_record() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let now = sample.id().issued_at().to_micros();
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                for day in 0..5 {
                    store.maintain(now + day * DAY, MONTH).await.unwrap();
                }
            }));
        }
        let records: Vec<Record> = (0..100).map(|index| sample.failed_record(sample.id_at(now + (index % 8) * DAY))).collect();
        for record in &records {
            store.record(std::slice::from_ref(record)).await.unwrap();
        }
        for task in tasks {
            task.await.unwrap();
        }
        maintain_at(&store, now + 5 * DAY).await;
        assert_eq!(database.count("executions").await, 100);
        assert_eq!(database.count("executions_default").await, 0);
    })
    .await;
}
