use crate::database::with_store;
use forebay_contract::Secret;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_flash_is_read_once_by_its_reader_and_by_nobody_in_the_database() {
    with_store(|store, database| async move {
        let (mine, other) = (Secret::new("session-of-ada"), Secret::new("session-of-eve"));
        let id = store.put_flash(&mine, b"the key is hunter2".to_vec(), MINUTE).await.unwrap();
        let row = database.client().await.query_one("select f::text, content from flashes f", &[]).await.unwrap();
        assert!(!row.get::<_, Vec<u8>>(1).windows(7).any(|part| part == b"hunter2"));
        // A request with another credential neither reads nor removes it.
        assert_eq!(store.take_flash(&other, id).await.unwrap(), None);
        assert_eq!(store.take_flash(&mine, id).await.unwrap().as_deref(), Some(b"the key is hunter2".as_slice()));
        assert_eq!(store.take_flash(&mine, id).await.unwrap(), None);

        let late = store.put_flash(&mine, b"late".to_vec(), Duration::ZERO).await.unwrap();
        assert_eq!(store.take_flash(&mine, late).await.unwrap(), None);
        store.put_flash(&mine, b"next".to_vec(), MINUTE).await.unwrap();
        let left: i64 = database.client().await.query_one("select count(*) from flashes", &[]).await.unwrap().get(0);
        assert_eq!(left, 1, "what is over is removed by the next one");
    })
    .await;
}
