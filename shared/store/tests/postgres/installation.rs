use crate::database::with_store;
use forebay_store::{AuditAction, AuditEvent, BrokerPlace, Principal, StoreError};
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

fn place(queue_prefix: &str) -> BrokerPlace {
    BrokerPlace { mark: Uuid::new_v4(), queue_prefix: queue_prefix.to_owned(), shared_queues: 4 }
}

#[tokio::test]
async fn of_services_that_start_at_once_one_registers_and_marks_the_broker() {
    with_store(|store, _| async move {
        assert_eq!(store.broker_place().await.unwrap(), None);
        let failed = async { Err(StoreError::Damaged { what: "broker".into() }) };
        assert!(store.register_broker_place(&place("a."), failed).await.is_err());
        assert_eq!(store.broker_place().await.unwrap(), None, "what could not be marked is not registered");

        let (places, marked) = (["a.", "b.", "c."].map(place), AtomicU32::new(0));
        let register = async |place: &BrokerPlace| {
            let mark = async { Ok::<_, StoreError>(_ = marked.fetch_add(1, Ordering::Relaxed)) };
            store.register_broker_place(place, mark).await.unwrap()
        };
        let (a, b, c) = tokio::join!(register(&places[0]), register(&places[1]), register(&places[2]));
        assert!(a == b && b == c && places.contains(&a), "{a:?} {b:?} {c:?}");
        assert_eq!(marked.load(Ordering::Relaxed), 1);
        assert_eq!(store.broker_place().await.unwrap(), Some(a));
    })
    .await;
}

#[tokio::test]
async fn a_place_is_replaced_by_who_knows_the_present_one() {
    with_store(|store, _| async move {
        let (first, second) = (place("a."), place(""));
        let event =
            AuditEvent { tenant: None, action: AuditAction::InstallationAdopt, target: "broker".to_owned(), before: None, after: None };
        let principal = Principal::from("ada@host");
        store.replace_broker_place(&first, None, &principal, &event).await.unwrap();
        let late = store.replace_broker_place(&second, None, &principal, &event).await;
        assert!(matches!(late, Err(StoreError::Changed { .. })), "{late:?}");
        store.replace_broker_place(&second, Some(&first), &principal, &event).await.unwrap();
        assert_eq!(store.broker_place().await.unwrap(), Some(second), "an empty prefix is one");
    })
    .await;
}

#[tokio::test]
async fn integrations_that_only_the_history_names_are_known() {
    with_store(|store, database| async move {
        assert!(store.integrations_ever().await.unwrap().is_empty());
        let client = database.client().await;
        let sql = "insert into executions (id, integration_id, accepted_at, version, attempts, redeliveries, halted, skipped, status,
                                           trigger_kind, worker)
                   select gen_random_uuid(), i::text::uuid, now() - n * interval '1 hour', 1, 1, 0, false, false, 'succeeded', 'webhook', 'w'
                   from unnest($1::text[]) i, generate_series(0, 3) n";
        let (deleted, present) = (Uuid::new_v4(), Uuid::new_v4());
        client.execute(sql, &[&vec![deleted.to_string(), present.to_string()]]).await.unwrap();
        let sql = "insert into integrations (id, tenant, name, description, enabled, current_version, changed) values ($1, 't', $2, '', true, 1, 1)";
        let quiet = Uuid::new_v4();
        client.execute(sql, &[&present, &"present"]).await.unwrap();
        client.execute(sql, &[&quiet, &"quiet"]).await.unwrap();
        let (mut listed, mut expected) = (store.integrations_ever().await.unwrap(), vec![deleted, present, quiet]);
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    })
    .await;
}
