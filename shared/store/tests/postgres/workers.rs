use crate::database::{TIMEOUT, until, with_store};
use forebay_contract::UnixMicros;
use forebay_store::{Store, WORKER_TTL, WorkerRow};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn worker(name: &str) -> WorkerRow {
    WorkerRow {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        started_at: UnixMicros::new(1_700_000_000_000_001),
        concurrency: 64,
        running: 3,
        queues: vec![],
        oldest: Vec::new(),
        oldest_of: vec![(Uuid::from_u128(7), UnixMicros::new(1_700_000_000_000_002))],
        last_seen: UnixMicros::default(),
    }
}

async fn live(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = store.live_workers(WORKER_TTL).await.unwrap().into_iter().map(|worker| worker.name).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_worker_lives_from_its_first_heartbeat_until_it_leaves_or_falls_silent() {
    with_store(|store, database| async move {
        let (a, b) = (worker("a"), worker("b"));
        store.heartbeat(&a).await.unwrap();
        store.heartbeat(&b).await.unwrap();
        assert_eq!(live(&store).await, ["a", "b"]);
        let worker = store.live_workers(WORKER_TTL).await.unwrap().into_iter().find(|worker| worker.id == a.id).unwrap();
        assert!(worker.last_seen > a.started_at);
        assert_eq!(WorkerRow { last_seen: UnixMicros::default(), ..worker }, a);
        store.remove_worker(a.id).await.unwrap();
        store.remove_worker(a.id).await.unwrap();
        assert_eq!(live(&store).await, ["b"]);
        database.client().await.batch_execute("update workers set last_seen = now() - interval '16 seconds'").await.unwrap();
        assert!(live(&store).await.is_empty());
        store.heartbeat(&WorkerRow { running: 9, ..b }).await.unwrap();
        assert_eq!(store.live_workers(WORKER_TTL).await.unwrap()[0].running, 9);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_wakes_when_a_worker_joins_changes_queues_leaves_and_not_at_each_heartbeat() {
    with_store(|store, database| async move {
        let shutdown = CancellationToken::new();
        let mut watch = store.watch_workers(shutdown.clone());
        timeout(TIMEOUT, watch.changed()).await.expect("the first connection counts as a change");
        let mut one = worker("one");
        store.heartbeat(&one).await.unwrap();
        timeout(TIMEOUT, watch.changed()).await.expect("it has joined");
        // The same again, then a change: had the first woken the watcher, two would be seen.
        store.heartbeat(&one).await.unwrap();
        assert!(timeout(Duration::from_millis(200), watch.changed()).await.is_err());
        one.queues = vec![Uuid::new_v4(), Uuid::new_v4()];
        store.heartbeat(&one).await.unwrap();
        timeout(TIMEOUT, watch.changed()).await.expect("it has other queues");
        one.queues.reverse();
        store.heartbeat(&one).await.unwrap();
        assert!(timeout(Duration::from_millis(200), watch.changed()).await.is_err(), "the order of queues means nothing");

        database.terminate_sessions().await;
        timeout(TIMEOUT, watch.changed()).await.expect("a new connection may have missed something");
        until("the pool works again", || async { store.remove_worker(one.id).await.is_ok() }).await;
        timeout(TIMEOUT, watch.changed()).await.expect("it has left");
        shutdown.cancel();
        assert!(timeout(Duration::from_millis(200), watch.changed()).await.is_err());
    })
    .await;
}
