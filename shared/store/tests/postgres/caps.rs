use crate::database::with_empty_database;
use crate::samples::{apply, definition, name};
use forebay_contract::connection::Connection;
use forebay_store::{Caps, NewKey, SecretKeys, Store, StoreError, StoreOptions};
use futures_util::future::join_all;
use serde_json::json;

/// Runs a test with a store in which a tenant may have three of each thing.
async fn with_three<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Store, Store) -> F + Send + 'static) {
    with_empty_database(|database| async move {
        let open = async |caps| Store::connect(&database.url(), StoreOptions { caps, ..StoreOptions::default() }).await.unwrap();
        let capped = open(Caps { integrations: 3, keys: 3, connections: 3, definition_bytes: 1024 }).await;
        let uncapped = open(Caps::default()).await;
        capped.migrate().await.unwrap();
        test(capped, uncapped).await;
    })
    .await;
}

/// How many were done; each of the others must have been refused because of this setting.
fn done<T>(results: Vec<Result<T, StoreError>>, setting: &str) -> usize {
    let mut done = 0;
    for result in results {
        match result {
            Ok(_) => done += 1,
            Err(error @ StoreError::TooMany { .. }) => assert!(error.to_string().contains(setting), "{error}"),
            Err(other) => panic!("{other:?}"),
        }
    }
    done
}

#[tokio::test]
async fn integrations_that_are_created_at_once_do_not_pass_the_cap() {
    with_three(|store, uncapped| async move {
        let create = async |number: usize| store.apply(&[definition(&format!("t/n{number}"), "")], "test").await;
        assert_eq!(done(join_all((0..8).map(create)).await, "FOREBAY_MAX_INTEGRATIONS"), 3);
        assert_eq!(store.list_integrations(Some(&name("t"))).await.unwrap().len(), 3);
        apply(&store, "other/n", "").await;

        let all: Vec<_> = ["u/a", "u/b", "u/c", "u/d"].iter().map(|path| definition(path, "")).collect();
        let error = store.apply(&all, "test").await.unwrap_err().to_string();
        assert!(error.contains("tenant u would have 4 integrations, and may have 3"), "{error}");
        assert!(store.list_integrations(Some(&name("u"))).await.unwrap().is_empty());

        // A tenant that is above it already goes on, but gets no more.
        uncapped.apply(&all, "test").await.unwrap();
        apply(&store, "u/a", "description: changed\n").await;
        assert!(store.apply(&[definition("u/e", "")], "test").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn keys_and_connections_that_are_created_at_once_do_not_pass_the_cap() {
    with_three(|store, _| async move {
        apply(&store, "t/n", "").await;
        let key = async |_| {
            let new = NewKey {
                tenant: name("t"),
                label: "partner".to_owned(),
                integrations: vec![name("n")],
                value: None,
                expires_at: None,
                signs: false,
                reads_all_outcomes: false,
            };
            store.create_key(new, &"test".into()).await
        };
        assert_eq!(done(join_all((0..8).map(key)).await, "FOREBAY_MAX_KEYS"), 3);
        let key = store.list_keys(None).await.unwrap().remove(0);
        store.delete_key(key.id, None, &"test".into()).await.unwrap();
        assert_eq!(store.list_keys(None).await.unwrap().len(), 2);

        let keys = SecretKeys::from(&"0123456789abcdef0123456789abcdef".parse().unwrap());
        let connection = async |number: usize| {
            let document = json!({"tenant": "t", "connection": format!("c{number}"), "amqp": {"url": "amqp://127.0.0.1/"}});
            store.put_connection(&Connection::from_value(&document).unwrap(), &document, &keys, None, &"test".into()).await
        };
        assert_eq!(done(join_all((0..8).map(connection)).await, "FOREBAY_MAX_CONNECTIONS"), 3);
        let there = store.list_connections(None).await.unwrap().remove(0).name.to_string();
        let number = there.trim_start_matches('c').parse().unwrap();
        assert!(connection(number).await.is_ok(), "one that is there is written on");
    })
    .await;
}

#[tokio::test]
async fn a_definition_over_its_size_is_refused_as_text_or_as_json() {
    with_three(|store, _| async move {
        let long = "x".repeat(1024);
        for more in [format!("# {long}\n"), format!("description: {long}\n")] {
            let error = store.check_sizes(&[definition("t/n", ""), definition("t/m", &more)]).unwrap_err().to_string();
            assert!(error.contains("the definition of t/m has 1") && error.contains("FOREBAY_MAX_DEFINITION_BYTES"), "{error}");
        }
        assert!(store.check_sizes(&[definition("t/n", "")]).is_ok());
    })
    .await;
}
