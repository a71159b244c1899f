use crate::database::{until, with_empty_database, with_store};
use crate::proxy::Proxy;
use crate::samples::{apply, definition, error, name, path};
use forebay_contract::IdIssuer;
use forebay_store::{KeyChange, NewKey, SnapshotHandle, Store, StoreError, StoreOptions, WatchOptions};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So slow that only a notification can explain a quick change.
const NEVER: WatchOptions = WatchOptions { reconcile: Duration::from_secs(3600) };
const BOUND: Duration = Duration::from_secs(5);

async fn watch(store: &Store) -> SnapshotHandle {
    store.watch(CancellationToken::new(), NEVER).await.unwrap()
}

fn version(snapshot: &SnapshotHandle, tenant: &str, name: &str) -> i32 {
    snapshot.current().integration(tenant, name).map_or(0, |integration| integration.version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_another_process_is_seen_within_a_second() {
    with_store(|store, database| async move {
        let mut snapshot = watch(&store).await;
        assert_eq!(snapshot.current().integrations().len(), 0);
        let other = database.store().await;

        let applied = apply(&other, "t/n", "").await;
        let delay = until("the integration is seen", || async { version(&snapshot, "t", "n") == 1 }).await;
        println!("a change was seen after {delay:?}");
        assert!(delay < BOUND);
        tokio::time::timeout(BOUND, snapshot.changed()).await.unwrap();
        assert_eq!(snapshot.generation(), snapshot.current().generation());
        assert_eq!(snapshot.current().integration_by_id(applied.id).unwrap().definition.path(), path("t/n"));
        assert!(snapshot.current().integration("t", "other").is_none());
        assert!(snapshot.current().integration("other", "n").is_none());

        apply(&other, "t/n", "enabled: false\n").await;
        until("the new version is seen", || async { version(&snapshot, "t", "n") == 2 }).await;
        assert!(!snapshot.current().integration("t", "n").unwrap().definition.enabled);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_and_closes_at_once() {
    with_store(|store, _| async move {
        let applied = apply(&store, "t/n", "").await;
        let second = apply(&store, "t/m", "").await;
        let snapshot = watch(&store).await;
        let new = NewKey {
            tenant: name("t"),
            label: "l".to_owned(),
            integrations: vec![name("n")],
            value: None,
            expires_at: None,
            signs: false,
            reads_all_outcomes: false,
        };
        let created = store.create_key(new, &"test".into()).await.unwrap();
        until("the key is seen", || async { snapshot.current().key("t", created.key.expose()).is_some() }).await;
        let key = snapshot.current().key("t", created.key.expose()).unwrap().clone();
        assert!(snapshot.current().key("u", created.key.expose()).is_none(), "another tenant's key is none");
        assert!(key.id == created.id && key.tenant == name("t") && key.integrations.contains(&applied.id));

        store
            .update_key(created.id, KeyChange { integrations: Some(vec![name("m")]), ..KeyChange::default() }, None, &"test".into())
            .await
            .unwrap();
        until("the grant is seen", || async {
            snapshot.current().key("t", created.key.expose()).unwrap().integrations.contains(&second.id)
        })
        .await;
        assert!(!snapshot.current().key("t", created.key.expose()).unwrap().integrations.contains(&applied.id));

        store.delete_key(created.id, None, &"test".into()).await.unwrap();
        until("the key is gone", || async { snapshot.current().key("t", created.key.expose()).is_none() }).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_and_its_decision_are_seen() {
    with_store(|store, _| async move {
        let applied = apply(&store, "t/n", "").await;
        let id = IdIssuer::new(&store.id_key().await.unwrap()).issue(applied.id).unwrap();
        let snapshot = watch(&store).await;
        store.halt_trigger(applied.id, &id, &error("no")).await.unwrap();
        until("the halt is seen", || async { snapshot.current().trigger_state(applied.id).is_some() }).await;
        assert_eq!(snapshot.current().trigger_state(applied.id).unwrap().execution_id, Some(id.unique()));
        store.resume_trigger(&path("t/n"), "test").await.unwrap();
        until("the decision is seen", || async { snapshot.current().trigger_state(applied.id).unwrap().decision.is_some() }).await;
        store.clear_halt(applied.id, id.unique()).await.unwrap();
        until("the halt is over", || async { snapshot.current().trigger_state(applied.id).is_none() }).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_every_session_was_terminated() {
    with_store(|store, database| async move {
        apply(&store, "t/n", "").await;
        let snapshot = watch(&store).await;
        until("it listens", || async {
            database.count("pg_stat_activity where datname = current_database() and query ilike 'listen%'").await == 1
        })
        .await;
        assert!(database.terminate_sessions().await >= 2);
        assert_eq!(version(&snapshot, "t", "n"), 1);
        // A fresh pool, so that only the watching has something to recover from.
        let other = database.store().await;
        apply(&other, "t/n", "enabled: false\n").await;
        let delay = until("the change is seen", || async { version(&snapshot, "t", "n") == 2 }).await;
        println!("after a terminated session a change was seen after {delay:?}");
        until("the store works", || async { store.ping().await.is_ok() }).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_snapshot_serves_while_the_database_is_away_and_a_change_meanwhile_is_caught_up() {
    with_store(|store, database| async move {
        apply(&store, "t/n", "").await;
        let proxy = Proxy::to(database.address()).await;
        let cut_off = Store::connect(&database.url_through(&proxy.address), StoreOptions::default()).await.unwrap();
        let options = WatchOptions { reconcile: Duration::from_millis(100) };
        let snapshot = cut_off.watch(CancellationToken::new(), options).await.unwrap();

        proxy.cut();
        until("the store notices", || async { cut_off.ping().await.is_err_and(|error| error.is_unavailable()) }).await;
        apply(&store, "t/n", "enabled: false\n").await;
        until("the snapshot gets old", || async { snapshot.age() > Duration::from_millis(500) }).await;
        assert_eq!(version(&snapshot, "t", "n"), 1);

        proxy.mend();
        let delay = until("the change is seen", || async { version(&snapshot, "t", "n") == 2 }).await;
        println!("after an outage a change was seen after {delay:?}");
        assert!(delay < BOUND);
        until("the snapshot is young again", || async { snapshot.age() < Duration::from_millis(500) }).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_announced_is_found_by_reconciling() {
    with_store(|store, database| async move {
        apply(&store, "t/n", "").await;
        let options = WatchOptions { reconcile: Duration::from_millis(50) };
        let snapshot = store.watch(CancellationToken::new(), options).await.unwrap();
        let sql = "update snapshot_generations set generation = generation + 1 where part = 'integrations';
                   update integrations set current_version = 1, changed = (select generation from snapshot_generations where part = 'integrations')";
        let before = snapshot.generation();
        database.client().await.batch_execute(sql).await.unwrap();
        until("the generation is seen", || async { snapshot.generation() > before }).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_an_older_backup_is_read_whole() {
    with_store(|store, database| async move {
        apply(&store, "t/old", "").await;
        apply(&store, "t/new", "").await;
        let snapshot = watch(&store).await;
        let sql = "update snapshot_generations set generation = 1 where part = 'integrations';
                   delete from integrations where name = 'new'; notify forebay_changed";
        database.client().await.batch_execute(sql).await.unwrap();
        until("the lost integration is gone", || async { version(&snapshot, "t", "new") == 0 }).await;
        assert_eq!(version(&snapshot, "t", "old"), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_this_program_cannot_read_is_left_out_and_the_others_serve() {
    with_store(|store, database| async move {
        store.apply(&[definition("t/strange", ""), definition("t/known", "")], "test").await.unwrap();
        let snapshot = watch(&store).await;
        let sql = r#"update integration_versions v set document = '{"novelty": 1}' from integrations i where i.id = v.integration_id and i.name = 'strange';
                     update snapshot_generations set generation = generation + 1 where part = 'integrations';
                     update integrations set changed = (select generation from snapshot_generations where part = 'integrations');
                     notify forebay_changed"#;
        database.client().await.batch_execute(sql).await.unwrap();
        until("the strange one is out", || async { version(&snapshot, "t", "strange") == 0 }).await;
        assert_eq!(version(&snapshot, "t", "known"), 1);
        assert_eq!(snapshot.current().integrations().len(), 1);
        assert_eq!(store.list_triggers(None).await.unwrap().len(), 2, "what it says of its trigger is known all the same");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_load_waits_for_the_migration_and_ends_at_shutdown() {
    with_empty_database(|database| async move {
        let store = database.store().await;
        let shutdown = CancellationToken::new();
        let waiting = tokio::spawn({
            let (store, shutdown) = (store.clone(), shutdown.clone());
            async move { store.watch(shutdown, NEVER).await.map(|_| ()) }
        });
        let other = tokio::spawn({
            let store = store.clone();
            async move { store.watch(CancellationToken::new(), NEVER).await.map(|_| ()) }
        });
        shutdown.cancel();
        assert!(matches!(waiting.await.unwrap(), Err(StoreError::ShutDown)));
        assert!(!other.is_finished());
        store.migrate().await.unwrap();
        other.await.unwrap().unwrap();
    })
    .await;
}
