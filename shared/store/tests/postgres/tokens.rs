//! Access tokens that processes share.

use crate::database::with_store;
use crate::samples::name;
use forebay_contract::Secret;
use forebay_contract::connection::{SharedToken, TokenOwner, TokenStore, TokenTurn};
use forebay_store::{SecretKeys, Store, StoreOptions};
use std::sync::Arc;
use std::time::Duration;

fn owner(settings: &str) -> TokenOwner {
    TokenOwner { tenant: name("t"), connection: name("erp"), settings: Secret::new(settings) }
}

fn token(text: &str) -> SharedToken {
    SharedToken { token: Secret::new(text), usable_for: Duration::from_secs(60) }
}

#[tokio::test]
async fn one_process_fetches_a_token_and_the_others_wait_for_it() {
    with_store(|_, database| async move {
        let open = async |key: &str| {
            let keys = Some(Arc::new(SecretKeys::from(&key.parse().unwrap())));
            Store::connect(&database.url(), StoreOptions { secret_keys: keys, ..StoreOptions::default() }).await.unwrap()
        };
        let key = "0123456789abcdef0123456789abcdef";
        let (one, two) = (open(key).await, open(key).await);
        let owner = owner("hunter2");
        let Ok(TokenTurn::Fetch(turn)) = one.turn(&owner, None).await else { panic!("the first fetches") };
        assert_eq!(two.turn(&owner, None).await.unwrap(), TokenTurn::Wait);
        one.end(&owner, turn, Some(&token("t1"))).await.unwrap();
        let Ok(TokenTurn::Use(shared)) = two.turn(&owner, None).await else { panic!("there is one") };
        assert_eq!(shared.token, Secret::new("t1"));
        assert!((50..=60).contains(&shared.usable_for.as_secs()), "{shared:?}");

        // Refused: one of those that come fetches, and who was refused the old one gets the new one.
        let Ok(TokenTurn::Fetch(turn)) = two.turn(&owner, Some(&Secret::new("t1"))).await else { panic!("t1 is refused") };
        assert_eq!(one.turn(&owner, Some(&Secret::new("t1"))).await.unwrap(), TokenTurn::Wait);
        two.end(&owner, turn, Some(&token("token-number-two"))).await.unwrap();
        assert!(
            matches!(one.turn(&owner, Some(&Secret::new("t1"))).await, Ok(TokenTurn::Use(shared)) if shared.token == Secret::new("token-number-two"))
        );
        // A turn that is over keeps nothing.
        one.end(&owner, turn - 1, Some(&token("late"))).await.unwrap();
        assert!(matches!(one.turn(&owner, None).await, Ok(TokenTurn::Use(shared)) if shared.token == Secret::new("token-number-two")));

        // A fetch that failed leaves the turn to the next one, and other settings or keys get nothing.
        let changed = self::owner("hunter3");
        let Ok(TokenTurn::Fetch(turn)) = one.turn(&changed, None).await else { panic!("another secret") };
        one.end(&changed, turn, None).await.unwrap();
        assert!(matches!(two.turn(&changed, None).await, Ok(TokenTurn::Fetch(_))));
        let stranger = open("fedcba9876543210fedcba9876543210").await;
        assert!(matches!(stranger.turn(&owner, None).await, Ok(TokenTurn::Fetch(_))));
        let without = Store::connect(&database.url(), StoreOptions::default()).await.unwrap();
        assert!(without.turn(&owner, None).await.unwrap_err().to_string().contains("FOREBAY_SECRET_KEY"));
        let stored: String =
            database.client().await.query_one("select string_agg(t::text, '') from connection_tokens t", &[]).await.unwrap().get(0);
        assert!(!stored.contains("hunter") && !stored.contains(&data_encoding_of("token-number-two")), "{stored}");
    })
    .await;
}

/// A text as PostgreSQL prints bytes.
fn data_encoding_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
