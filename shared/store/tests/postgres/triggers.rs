use crate::database::{until, with_store};
use crate::samples::{Sample, apply, error, name, path};
use forebay_contract::UnixMicros;
use forebay_store::{Decision, DecisionEffect, Record, StoreError, TriggerPhase, TriggerRow, WatchOptions, WorkerRow};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ORDERED: &str = "trigger: { webhook: { ordered: true } }\non_failure: halt\n";

async fn only_trigger(store: &forebay_store::Store) -> TriggerRow {
    store.list_triggers(Some(&name("t"))).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_halted_trigger_waits_for_a_decision_and_runs_again_when_it_is_taken() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (id, integration) = (sample.id(), sample.integration.id);
        assert!(matches!(store.resume_trigger(&path("t/n"), "me").await, Err(StoreError::NotHalted { .. })));
        assert!(matches!(store.skip_trigger(&path("t/unknown"), "me").await, Err(StoreError::NotFound { .. })));
        assert!(matches!(store.halt_trigger(Uuid::new_v4(), &id, &error("no")).await, Err(StoreError::NotFound { .. })));

        store.halt_trigger(integration, &id, &error("the remote\0 said no")).await.unwrap();
        let row = only_trigger(&store).await;
        assert_eq!((row.state, row.execution_id), (TriggerPhase::Halted, Some(id)));
        assert_eq!(row.error.as_deref(), Some("price: the remote\u{fffd} said no"));

        let snapshot = store.watch(CancellationToken::new(), WatchOptions::default()).await.unwrap();
        let decision = || snapshot.current().trigger_state(integration).and_then(|state| state.decision);
        assert_eq!(decision(), None);
        store.skip_trigger(&path("t/n"), "me").await.unwrap();
        until("the decision is seen", || async { decision() == Some(Decision::Skip) }).await;
        assert_eq!(database.count("trigger_states where decided_by = 'me'").await, 1);
        store.resume_trigger(&path("t/n"), "me").await.unwrap();
        until("another decision is seen", || async { decision() == Some(Decision::Resume) }).await;
        // It was run again and failed again.
        store.halt_trigger(integration, &id, &error("again")).await.unwrap();
        until("a new decision is asked for", || async { decision().is_none() }).await;
        let again = only_trigger(&store).await;
        assert_eq!((again.state, again.since), (TriggerPhase::Halted, row.since));

        store.clear_halt(integration, sample.id().unique()).await.unwrap();
        assert_eq!(only_trigger(&store).await.state, TriggerPhase::Halted, "a halt at another execution stays");
        store.clear_halt(integration, id.unique()).await.unwrap();
        store.clear_halt(integration, id.unique()).await.unwrap();
        let row = only_trigger(&store).await;
        assert_eq!((row.state, row.execution_id, row.since), (TriggerPhase::Running, None, None));

        store.halt_trigger(integration, &sample.id(), &error("later")).await.unwrap();
        assert_eq!(database.count("trigger_states where decision is null").await, 1, "an old decision is not for a new halt");
    })
    .await;
}

#[tokio::test]
async fn a_decision_about_an_execution_that_has_succeeded_or_was_skipped_meanwhile_lets_the_trigger_run_at_once() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let fails = |skipped| Record { skipped, halted: true, ..sample.failed_record(sample.id()) };
        let cases = [
            (sample.record(sample.id()), DecisionEffect::Cleared, TriggerPhase::Running),
            (fails(true), DecisionEffect::Cleared, TriggerPhase::Running),
            (fails(false), DecisionEffect::Pending, TriggerPhase::Halted),
        ];
        for (record, effect, state) in cases {
            store.halt_trigger(sample.integration.id, &record.execution_id, &error("frozen")).await.unwrap();
            store.record(&[record]).await.unwrap();
            assert_eq!(store.skip_trigger(&path("t/n"), "me").await.unwrap(), effect);
            assert_eq!(only_trigger(&store).await.state, state);
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_failure_waits_until_the_first_is_decided() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (first, second) = (sample.id(), sample.id());
        store.halt_trigger(sample.integration.id, &first, &error("1")).await.unwrap();
        store.halt_trigger(sample.integration.id, &second, &error("2")).await.unwrap();
        assert_eq!(only_trigger(&store).await.execution_id, Some(first));
        store.resume_trigger(&path("t/n"), "me").await.unwrap();
        store.clear_halt(sample.integration.id, first.unique()).await.unwrap();
        store.halt_trigger(sample.integration.id, &second, &error("2")).await.unwrap();
        assert_eq!(only_trigger(&store).await.execution_id, Some(second));
    })
    .await;
}

#[tokio::test]
async fn a_listing_says_policy_and_who_holds_the_queue() {
    with_store(|store, database| async move {
        let ordered = apply(&store, "t/a", ORDERED).await;
        apply(&store, "t/b", "trigger: { webhook: { ordered: { by: .body.site, concurrency: 4 } } }\n").await;
        apply(&store, "t/c", "trigger: { webhook: { concurrency: 5 } }\nenabled: false\n").await;
        apply(&store, "u/d", "").await;
        let worker = WorkerRow {
            id: Uuid::new_v4(),
            name: "w1".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: UnixMicros::new(1),
            concurrency: 8,
            running: 0,
            queues: vec![ordered.id],
            oldest: Vec::new(),
            oldest_of: Vec::new(),
            last_seen: UnixMicros::default(),
        };
        store.heartbeat(&worker).await.unwrap();
        let rows = store.list_triggers(None).await.unwrap();
        let policies: Vec<&str> = rows.iter().map(|row| row.policy.as_str()).collect();
        assert_eq!(policies, ["serial", "by key (4)", "parallel 5", "lane"]);
        let client = database.client().await;
        client.batch_execute("update integration_versions set trigger_kind = null, delivery = null").await.unwrap();
        assert_eq!(store.list_triggers(None).await.unwrap(), rows, "as an older program writes them");
        let migration = include_str!("../../migrations/0009_triggers.sql");
        client.batch_execute(&migration[migration.find("update integration_versions").unwrap()..]).await.unwrap();
        let untold = client.query("select from integration_versions where delivery is null", &[]).await.unwrap();
        assert!(untold.is_empty());
        assert_eq!(store.list_triggers(None).await.unwrap(), rows, "as the migration finds them in the documents");
        let holders: Vec<Option<&str>> = rows.iter().map(|row| row.worker.as_deref()).collect();
        assert_eq!(holders, [Some("w1"), None, None, None]);
        assert_eq!(rows.iter().map(|row| row.enabled).collect::<Vec<_>>(), [true, true, false, true]);
        assert_eq!(store.list_triggers(Some(&name("u"))).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_word_that_this_version_does_not_know_is_named_with_its_table_and_column() {
    with_store(|store, database| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (id, other) = (sample.id(), sample.id());
        store.record(&[sample.record(id), sample.record(other)]).await.unwrap();
        let client = database.client().await;
        client.execute("update executions set trigger_kind = 'pigeon' where id = $1", &[&id.unique()]).await.unwrap();
        let error = store.execution_detail(&id).await.unwrap_err();
        assert_eq!(error.to_string(), "the stored trigger_kind of executions ('pigeon') is damaged");
        assert!(matches!(error, StoreError::Damaged { .. }));
        assert!(store.execution_detail(&other).await.unwrap().is_some());
    })
    .await;
}
