use crate::database::with_store;
use crate::samples::name;
use forebay_store::{FIRST_TENANT_QUEUE, StoreError};
use tokio::sync::oneshot;

#[tokio::test]
async fn queues_of_a_tenant_are_declared_before_anybody_hears_of_them_and_once() {
    with_store(|store, database| async move {
        let (tenant, other) = (name("t"), database.store().await);
        let (begun, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel();
        let opening = store.open_tenant_queue(&tenant, |number| async move {
            begun.send(number).unwrap();
            may_go_on.await.unwrap()
        });
        let looking = async {
            assert_eq!(has_begun.await.unwrap(), FIRST_TENANT_QUEUE);
            assert_eq!(other.tenant_queues().await.unwrap(), []);
            go_on.send(true).unwrap();
        };
        let (opened, ()) = tokio::join!(opening, looking);
        assert_eq!(opened.unwrap(), Some(FIRST_TENANT_QUEUE));
        let number = other.open_tenant_queue(&tenant, |_| async { panic!("they are there") }).await;
        assert_eq!(number.unwrap(), Some(FIRST_TENANT_QUEUE));
        assert_eq!(other.tenant_queues().await.unwrap(), [(tenant, FIRST_TENANT_QUEUE)]);
    })
    .await;
}

#[tokio::test]
async fn a_tenant_has_no_queues_that_the_broker_has_not_declared() {
    with_store(|store, _| async move {
        let (tenant, mut numbers) = (name("t"), Vec::new());
        for is_declared in [false, true] {
            let opened = store.open_tenant_queue(&tenant, |number| {
                numbers.push(number);
                async move { is_declared }
            });
            match opened.await {
                Ok(opened) => assert_eq!((is_declared, opened), (true, Some(FIRST_TENANT_QUEUE))),
                Err(error) => assert!(!is_declared && matches!(error, StoreError::NotDeclared), "{error}"),
            }
            assert_eq!(store.tenant_queues().await.unwrap().len(), usize::from(is_declared));
        }
        assert_eq!(numbers, [FIRST_TENANT_QUEUE; 2]);
    })
    .await;
}
