use crate::database::{with_empty_database, with_store, with_unmade_database};
use crate::samples::Sample;
use forebay_contract::ExecutionId;
use forebay_store::{Record, SCHEMA_VERSION, Store, StoreError};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_may_create_the_database_at_once() {
    with_unmade_database(|database| async move {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let url = database.url();
                tokio::spawn(async move { Store::create_database_if_missing(&url).await.unwrap() })
            })
            .collect();
        let mut created = 0;
        for task in tasks {
            created += usize::from(task.await.unwrap());
        }
        assert_eq!(created, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_may_migrate_at_once_and_one_does_the_work() {
    with_empty_database(|database| async move {
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let store = database.store().await;
            tasks.push(tokio::spawn(async move { (store.migrate().await.unwrap(), store.id_key().await.unwrap()) }));
        }
        let mut keys = Vec::new();
        let mut busy = 0;
        for task in tasks {
            let (report, key) = task.await.unwrap();
            assert_eq!(report.version, SCHEMA_VERSION);
            busy += usize::from(!report.applied.is_empty());
            keys.push(key);
        }
        assert_eq!(busy, 1);
        keys.dedup();
        assert_eq!(keys.len(), 1, "every process has the same key");
        assert_eq!(keys[0].len(), 32);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_a_newer_program_migrated_is_refused() {
    with_store(|store, database| async move {
        let sql = "insert into forebay_migrations (version, name, checksum) values (99, 'later', 'x')";
        database.client().await.batch_execute(sql).await.unwrap();
        let error = store.migrate().await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { database: 99, program: SCHEMA_VERSION }), "{error}");
        assert!(error.to_string().contains("run a newer Forebay"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_migration_with_another_text_is_noticed() {
    with_store(|store, database| async move {
        database.client().await.batch_execute("update forebay_migrations set checksum = 'other'").await.unwrap();
        let error = store.migrate().await.unwrap_err();
        assert!(matches!(error, StoreError::OtherMigration { version: 1, .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn keys_from_before_callers_were_recorded_read_all_outcomes_and_newer_ones_do_not() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let client = database.client().await;
        let undo = "alter table executions drop caller; alter table idempotency_keys drop caller;
                    alter table api_keys drop reads_all_outcomes; delete from forebay_migrations where name = 'callers'";
        client.batch_execute(undo).await.unwrap();
        // As an older program writes them.
        let key = |label: &str, sealed: &str| {
            format!(
                "insert into api_keys (id, tenant, label, digest, sealed, sealed_by)
                 values (gen_random_uuid(), 't', '{label}', sha256('{label}'), {sealed}, {sealed})"
            )
        };
        let execution = |id: &ExecutionId| {
            format!(
                "insert into executions (id, integration_id, accepted_at, version, attempts, redeliveries, halted, skipped, status, trigger_kind, worker)
                 values ('{}', '{}', to_timestamp({} / 1000.0), 1, 1, 0, false, false, 'succeeded', 'webhook', 'w')",
                id.unique(),
                sample.integration.id,
                id.issued_at().get()
            )
        };
        let (before, after) = (sample.id(), sample.id());
        client.batch_execute(&key("before", "null")).await.unwrap();
        client.batch_execute(&key("signs", "'x'")).await.unwrap();
        client.batch_execute(&execution(&before)).await.unwrap();
        assert_eq!(store.migrate().await.unwrap().applied, ["callers"]);
        // The older program runs until it is replaced.
        client.batch_execute(&key("after", "null")).await.unwrap();
        client.batch_execute(&execution(&after)).await.unwrap();

        let keys = store.list_keys(None).await.unwrap();
        let keys: Vec<_> = keys.iter().map(|key| (key.label.as_str(), key.reads_all_outcomes)).collect();
        assert_eq!(keys, [("after", false), ("before", true), ("signs", false)]);
        for id in [before, after] {
            assert_eq!(store.execution(sample.integration.id, &id).await.unwrap().unwrap().row.caller, None);
        }
        let caller = Some(Uuid::from_u128(1));
        let id = sample.id();
        store.record(&[Record { caller, ..sample.record(id) }]).await.unwrap();
        assert_eq!(store.execution(sample.integration.id, &id).await.unwrap().unwrap().row.caller, caller);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_was_not_migrated_is_a_statement_error_and_not_an_outage() {
    with_empty_database(|database| async move {
        let error = database.store().await.list_keys(None).await.unwrap_err();
        assert!(!error.is_unavailable(), "{error:?}");
    })
    .await;
}
