//! What workflows with effects need of the store: kept steps, claims, known calls, connections.

use crate::database::with_store;
use crate::samples::{Sample, apply, name};
use forebay_contract::connection::{Connection, ConnectionKind};
use forebay_contract::outcome::Checkpoint;
use forebay_store::{CheckpointBatch, EarlierCall, Record, Reservation, Reserve, ReservedCall, SecretKeys, Store, StoreError};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

fn step(path: &str, output: &str) -> Checkpoint {
    Checkpoint { path: path.to_owned(), output: output.as_bytes().to_vec() }
}

#[tokio::test]
async fn kept_steps_stay_over_a_failure_and_end_with_a_success() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let id = sample.id();
        assert_eq!(store.checkpoints(&id).await.unwrap(), (vec![], 0));
        for _ in 0..2 {
            store.add_checkpoints(&id, sample.integration.id, 0, &[step("a", "1"), step("b", "2")], false).await.unwrap();
        }
        let failed = Record { checkpoints: Some(CheckpointBatch::new(1, &[step("c", "3")])), ..sample.failed_record(id) };
        for _ in 0..2 {
            store.record(std::slice::from_ref(&failed)).await.unwrap();
        }
        assert_eq!(store.checkpoints(&id).await.unwrap(), (vec![step("a", "1"), step("b", "2"), step("c", "3")], 2));
        store.record(&[Record { attempts: 2, ends_checkpoints: true, ..sample.record(id) }]).await.unwrap();
        assert_eq!(store.checkpoints(&id).await.unwrap(), (vec![], 0));
    })
    .await;
}

#[tokio::test]
async fn an_execution_belongs_to_the_message_that_claims_it_first() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let (one, two) = (sample.id(), sample.id());
        let claims = (0..20).map(|message| store.claim_execution(&one, message));
        let won: Vec<bool> = futures_util::future::join_all(claims).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = i64::try_from(won.iter().position(|won| *won).unwrap()).unwrap();
        assert!(store.claim_execution(&one, winner).await.unwrap());
        assert!(store.claim_execution(&two, winner + 1).await.unwrap());
    })
    .await;
}

/// A call that has its key from now on.
async fn reserved(store: &Store, call: ReservedCall) -> Reservation {
    match store.reserve(call).await.unwrap() {
        Reserve::Reserved(reservation) => reservation,
        Reserve::Taken(earlier) => panic!("{earlier:?}"),
    }
}

async fn earlier(store: &Store, call: ReservedCall) -> EarlierCall {
    match store.reserve(call).await.unwrap() {
        Reserve::Reserved(reservation) => panic!("{reservation:?}"),
        Reserve::Taken(earlier) => earlier,
    }
}

fn call_with_key(sample: &Sample, retention: u64, request: u8) -> ReservedCall {
    ReservedCall {
        integration_id: sample.integration.id,
        key_digest: [1; 32],
        request_digest: [request; 32],
        execution_id: sample.id(),
        retention: Duration::from_millis(retention),
        caller: Some(Uuid::from_u128(request.into())),
    }
}

#[tokio::test]
async fn the_first_call_with_a_key_has_it_until_it_expires_or_is_released() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let call = |retention, request| call_with_key(&sample, retention, request);
        let first = call(60_000, 2);
        let mut reservation = reserved(&store, first).await;
        let existing = earlier(&store, call(60_000, 2)).await;
        assert_eq!((existing.execution_id, existing.is_same_request), (first.execution_id, true));
        let of_another = earlier(&store, call(60_000, 3)).await;
        assert_eq!((of_another.is_same_request, of_another.caller), (false, first.caller), "the caller is that of the first call");
        reservation.release().await.unwrap();
        let short = call(1, 2);
        reservation = reserved(&store, short).await;
        reservation.retain();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let next = call(60_000, 3);
        reserved(&store, next).await.retain();
        // That of another call is not released.
        store.release(&short).await.unwrap();
        assert_eq!(earlier(&store, call(60_000, 4)).await.caller, next.caller, "an expired call leaves nothing behind");
    })
    .await;
}

#[tokio::test]
async fn a_reservation_that_is_dropped_is_released_unless_it_is_retained() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let call = |request| call_with_key(&sample, 60_000, request);
        drop(reserved(&store, call(1)).await);
        let mut next = reserved_in_time(&store, call(2)).await;
        next.retain();
        drop(next);
        // A caller that hangs up while the store is asked leaves no key behind either.
        let other = ReservedCall { key_digest: [2; 32], ..call(3) };
        for wait in [0, 1, 2, 5, 10] {
            let request =
                tokio::time::timeout(Duration::from_millis(wait), store.reserve(ReservedCall { execution_id: sample.id(), ..other }));
            drop(request.await);
        }
        reserved_in_time(&store, other).await;
        assert_eq!(earlier(&store, call(4)).await.caller, call(2).caller, "a retained key stays");
    })
    .await;
}

/// Asks until the call has its key, for 10 s.
async fn reserved_in_time(store: &Store, call: ReservedCall) -> Reservation {
    for _ in 0..500 {
        if let Reserve::Reserved(reservation) = store.reserve(call).await.unwrap() {
            return reservation;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the key of {call:?} is not released");
}

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

fn keys(text: &str) -> SecretKeys {
    SecretKeys::from(&text.parse().unwrap())
}

async fn put(store: &Store, url: &str, keys: &SecretKeys) -> Result<uuid::Uuid, StoreError> {
    let document: Value = json!({"tenant": "t", "connection": "bus", "amqp": {"url": url}});
    store.put_connection(&Connection::from_value(&document).unwrap(), &document, keys, None, &"test".into()).await
}

fn url_of(connection: &Connection) -> String {
    match &connection.kind {
        ConnectionKind::Amqp(amqp) => amqp.url.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_is_stored_encrypted_replaced_disabled_resealed_and_deleted() {
    with_store(|store, database| async move {
        apply(&store, "t/n", "").await;
        let (tenant, bus) = (name("t"), name("bus"));
        let id = put(&store, "amqp://u:hunter2@h", &keys(OLD)).await.unwrap();
        let row = database.client().await.query_one("select c::text from connections c", &[]).await.unwrap();
        assert!(!row.get::<_, String>(0).contains("hunter2"));
        assert_eq!(put(&store, "amqp://u:other@h", &keys(OLD)).await.unwrap(), id);
        assert_eq!(url_of(&store.connection(&tenant, &bus, &keys(OLD)).await.unwrap()), "amqp://u:other@h");
        store.enable_connection(&tenant, &bus, false, &keys(OLD), &"test".into()).await.unwrap();
        let rows = store.list_connections(None).await.unwrap();
        assert_eq!((rows.len(), rows[0].enabled, rows[0].kind.as_str()), (1, false, "amqp"));

        assert!(matches!(store.connection(&tenant, &bus, &keys(NEW)).await, Err(StoreError::Invalid { .. })));
        let both = keys(&format!("{NEW},{OLD}"));
        assert_eq!(store.reseal_connections(&both, &"test".into()).await.unwrap(), 1);
        assert_eq!(store.reseal_connections(&both, &"test".into()).await.unwrap(), 0);
        assert_eq!(url_of(&store.connection(&tenant, &bus, &keys(NEW)).await.unwrap()), "amqp://u:other@h");
        store.delete_connection(&tenant, &bus, None, &"test".into()).await.unwrap();
        assert!(matches!(store.delete_connection(&tenant, &bus, None, &"test".into()).await, Err(StoreError::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_holds_connections_and_follows_their_changes() {
    with_store(|store, _| async move {
        let shutdown = tokio_util::sync::CancellationToken::new();
        let mut handle = store.watch(shutdown.clone(), Default::default()).await.unwrap();
        put(&store, "amqp://u:p@h", &keys(OLD)).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), handle.changed()).await.unwrap();
        let sealed = handle.current().connection(&name("t"), &name("bus")).cloned().unwrap();
        assert_eq!(url_of(&sealed.open(&keys(OLD)).unwrap()), "amqp://u:p@h");
        assert!(handle.current().connection(&name("u"), &name("bus")).is_none());
        shutdown.cancel();
    })
    .await;
}
