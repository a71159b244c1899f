use crate::database::with_store;
use forebay_store::{BrokerPlace, Deed, StoreError, Who};
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

fn place(queue_prefix: &str) -> BrokerPlace {
    BrokerPlace { mark: Uuid::new_v4(), queue_prefix: queue_prefix.to_owned(), shared_queues: 4 }
}

#[tokio::test]
async fn of_services_that_start_at_once_one_registers_and_marks_the_broker() {
    with_store(|store, _| async move {
        assert_eq!(store.broker_place().await.unwrap(), None);
        let failed = async { Err(StoreError::Damaged { what: "broker" }) };
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
        let deed = Deed { tenant: None, action: "installation.adopt", target: "broker".to_owned(), before: None, after: None };
        let who = Who::from("ada@host");
        store.replace_broker_place(&first, None, &who, &deed).await.unwrap();
        let late = store.replace_broker_place(&second, None, &who, &deed).await;
        assert!(matches!(late, Err(StoreError::Changed { .. })), "{late:?}");
        store.replace_broker_place(&second, Some(&first), &who, &deed).await.unwrap();
        assert_eq!(store.broker_place().await.unwrap(), Some(second), "an empty prefix is one");
    })
    .await;
}
