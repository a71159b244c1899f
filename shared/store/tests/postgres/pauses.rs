use crate::database::{until, with_store};
use crate::samples::{Sample, apply, name, path};
use forebay_contract::UnixMicros;
use forebay_store::{PauseCause, PauseTarget, PausedQueueOpener, StoreError, TriggerPhase, WatchOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[tokio::test]
async fn a_pause_is_seen_by_every_process_until_it_ends_and_the_nearest_cause_is_shown() {
    with_store(|store, database| async move {
        let integration = Sample::make(&store, "t/n").await.integration.id;
        let snapshot = store.watch(CancellationToken::new(), WatchOptions::default()).await.unwrap();
        let cause = || snapshot.current().paused(integration).map(|paused| paused.cause);
        let (trigger, tenant) = (PauseTarget::Trigger(path("t/n")), PauseTarget::Tenant(name("t")));
        for unknown in [PauseTarget::Trigger(path("t/x")), PauseTarget::Connection(path("t/x")), PauseTarget::Tenant(name("x"))] {
            assert!(matches!(store.pause(&unknown, "", None, "me").await, Err(StoreError::NotFound { .. })), "{unknown}");
        }
        assert!(!store.end_pause(&trigger, "me").await.unwrap());

        store.pause(&tenant, "all", None, "me").await.unwrap();
        until("the tenant is paused", || async { cause() == Some(PauseCause::Tenant) }).await;
        store.pause(&trigger, "one\0", None, "me").await.unwrap();
        until("the trigger is paused", || async { cause() == Some(PauseCause::Trigger) }).await;
        let row = store.list_triggers(None).await.unwrap().remove(0);
        let first = row.paused.unwrap().pause.unwrap();
        assert_eq!((row.state, first.reason.as_str(), first.by.as_str(), first.until), (TriggerPhase::Paused, "one\u{fffd}", "me", None));

        // Another reason, and an end, of the same pause.
        let end = UnixMicros::now() + Duration::from_secs(2);
        store.pause(&trigger, "two", Some(end), "you").await.unwrap();
        let second = store.list_triggers(None).await.unwrap().remove(0).paused.unwrap().pause.unwrap();
        assert_eq!((second.since, second.until, second.reason.as_str()), (first.since, Some(end), "two"));
        until("it ends by itself, and the tenant is still paused", || async { cause() == Some(PauseCause::Tenant) }).await;
        assert!(UnixMicros::now() >= end);
        assert!(!store.end_pause(&trigger, "me").await.unwrap(), "it has ended");
        assert!(store.end_pause(&tenant, "me").await.unwrap());
        until("nothing is paused", || async { cause().is_none() }).await;
        assert_eq!(store.list_triggers(None).await.unwrap().remove(0).state, TriggerPhase::Running);
        assert_eq!(database.count("audit where action in ('pause', 'pause.end')").await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_definition_that_is_paused_or_disabled_pauses_its_trigger() {
    with_store(|store, _| async move {
        for (field, cause, phase) in [
            ("paused: true", Some(PauseCause::Definition), TriggerPhase::Paused),
            ("enabled: false", Some(PauseCause::Disabled), TriggerPhase::Running),
            ("paused: false", None, TriggerPhase::Running),
        ] {
            apply(&store, "t/n", &format!("{field}\ntrigger: {{ webhook: {{}} }}\n")).await;
            let row = store.list_triggers(None).await.unwrap().remove(0);
            assert_eq!((row.paused.map(|paused| paused.cause), row.state), (cause, phase), "{field}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_queues_of_paused_calls_are_declared_once_before_anybody_knows_them() {
    with_store(|store, database| async move {
        let integration = Sample::make(&store, "t/n").await.integration.id;
        let (declared, fails) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
        let opener = PausedQueueOpener::new(store.clone(), {
            let declared = declared.clone();
            move |_| {
                let (declared, fails) = (declared.clone(), fails.clone());
                async move {
                    declared.fetch_add(1, Ordering::SeqCst);
                    fails.swap(0, Ordering::SeqCst) == 0
                }
            }
        });
        assert!(matches!(opener.open(integration).await, Err(StoreError::NotDeclared)));
        assert_eq!(database.count("paused_queues").await, 0);
        opener.open(integration).await.unwrap();
        opener.open(integration).await.unwrap();
        assert_eq!((database.count("paused_queues").await, declared.load(Ordering::SeqCst)), (1, 2));
        // A pause concerns many deliveries at once.
        let other = Sample::make(&store, "t/other").await.integration.id;
        for opened in futures_util::future::join_all((0..20).map(|_| opener.open(other))).await {
            opened.unwrap();
        }
        assert_eq!((database.count("paused_queues").await, declared.load(Ordering::SeqCst)), (2, 3));
        let snapshot = store.watch(CancellationToken::new(), WatchOptions::default()).await.unwrap();
        let current = snapshot.current();
        assert!(current.has_paused_queues(integration) && current.has_paused_queues(other) && !current.has_paused_queues(Uuid::nil()));
        assert_eq!(current.paused_queues().count(), 2);
    })
    .await;
}
