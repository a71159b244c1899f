use crate::database::{with_empty_database, with_store, with_unmade_database};
use forebay_store::{SCHEMA_VERSION, Store, StoreError};

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
async fn a_database_that_was_not_migrated_is_a_statement_error_and_not_an_outage() {
    with_empty_database(|database| async move {
        let error = database.store().await.list_keys(None).await.unwrap_err();
        assert!(!error.is_unavailable(), "{error:?}");
    })
    .await;
}
