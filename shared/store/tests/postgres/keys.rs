use crate::database::with_store;
use crate::samples::{apply, name};
use forebay_contract::Secret;
use forebay_store::{CreatedKey, KeyChange, NewKey, SecretKeys, Store, StoreError, StoreOptions, WatchOptions, key_digest};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

fn new_key(tenant: &str, integrations: &[&str], value: Option<&str>) -> NewKey {
    let integrations = integrations.iter().map(|one| name(one)).collect();
    NewKey {
        tenant: name(tenant),
        label: "partner".to_owned(),
        integrations,
        value: value.map(Secret::new),
        expires_at: None,
        signs: false,
        reads_all_outcomes: false,
    }
}

fn relabelled(label: &str) -> KeyChange {
    KeyChange { label: Some(label.to_owned()), ..KeyChange::default() }
}

fn granted(names: &[&str]) -> KeyChange {
    KeyChange { integrations: Some(names.iter().map(|one| name(one)).collect()), ..KeyChange::default() }
}

async fn create(store: &Store, value: Option<&str>) -> Result<CreatedKey, StoreError> {
    store.create_key(new_key("t", &["n"], value), &"test".into()).await
}

#[tokio::test]
async fn a_key_is_created_listed_changed_and_deleted() {
    with_store(|store, _| async move {
        apply(&store, "t/n", "").await;
        apply(&store, "t/m", "").await;
        let created = create(&store, None).await.unwrap();
        assert!(created.key.expose().starts_with("fbk_"));

        let rows = store.list_keys(Some(&name("t"))).await.unwrap();
        assert_eq!(
            (rows[0].id, rows[0].label.as_str(), rows[0].integrations.as_slice()),
            (created.id, "partner", ["n".to_owned()].as_slice())
        );
        assert!(created.key.expose().ends_with(rows[0].hint.as_ref().unwrap()));
        assert!(store.list_keys(Some(&name("other"))).await.unwrap().is_empty());

        store.update_key(created.id, relabelled("new label"), None, &"test".into()).await.unwrap();
        store.update_key(created.id, granted(&["m", "n"]), None, &"test".into()).await.unwrap();
        let rows = store.list_keys(None).await.unwrap();
        assert_eq!((rows[0].label.as_str(), rows[0].integrations.as_slice()), ("new label", ["m".to_owned(), "n".to_owned()].as_slice()));

        store.delete_key(created.id, None, &"test".into()).await.unwrap();
        assert!(store.list_keys(None).await.unwrap().is_empty());
        assert!(matches!(store.delete_key(created.id, None, &"test".into()).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(store.update_key(created.id, relabelled("x"), None, &"test".into()).await, Err(StoreError::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_key_reads_the_outcomes_of_its_own_calls_unless_it_is_set_to_read_all() {
    with_store(|earlier, database| async move {
        apply(&earlier, "t/n", "").await;
        let keys = std::sync::Arc::new(SecretKeys::from(&OLD.parse().unwrap()));
        let options = StoreOptions { max_connections: 4, secret_keys: Some(keys), ..StoreOptions::default() };
        let store = Store::connect(&database.url(), options).await.unwrap();
        let by = "test".into();
        let id = create(&store, None).await.unwrap().id;
        assert!(!store.key(id).await.unwrap().reads_all_outcomes);
        let all = NewKey { reads_all_outcomes: true, ..new_key("t", &["n"], None) };
        let all = store.create_key(all, &by).await.unwrap().id;
        assert!(store.key(all).await.unwrap().reads_all_outcomes);
        let set = |reads_all_outcomes| KeyChange { reads_all_outcomes, ..KeyChange::default() };
        assert!(store.update_key(id, set(Some(true)), None, &by).await.unwrap().reads_all_outcomes);
        assert!(store.update_key(id, relabelled("x"), None, &by).await.unwrap().reads_all_outcomes, "another change leaves it");
        assert!(!store.update_key(all, set(Some(false)), None, &by).await.unwrap().reads_all_outcomes);
        let snapshot = store.watch(CancellationToken::new(), WatchOptions::default()).await.unwrap().current();
        let mut loaded: Vec<_> = snapshot.keys().map(|key| (key.id, key.reads_all_outcomes)).collect();
        loaded.sort_unstable();
        let mut expected = [(id, true), (all, false)];
        expected.sort_unstable();
        assert_eq!(loaded, expected);

        let signing = |reads_all_outcomes| NewKey { signs: true, reads_all_outcomes, ..new_key("t", &["n"], None) };
        let refused = store.create_key(signing(true), &by).await.unwrap_err().to_string();
        assert!(refused.contains("signs calls, so it reads no outcomes"), "{refused}");
        let signing = store.create_key(signing(false), &by).await.unwrap().id;
        assert!(matches!(store.update_key(signing, set(Some(true)), None, &by).await, Err(StoreError::Invalid { .. })));
    })
    .await;
}

#[tokio::test]
async fn granting_and_revoking_at_once_lose_neither() {
    with_store(|store, _| async move {
        for path in ["t/a", "t/b", "t/c", "t/n"] {
            apply(&store, path, "").await;
        }
        let id = create(&store, Some("0123456789abcdef")).await.unwrap().id;
        let by = "test".into();
        let grant = |names: &[&str]| KeyChange { grant: names.iter().map(|one| name(one)).collect(), ..KeyChange::default() };
        let revoke = |names: &[&str]| KeyChange { revoke: names.iter().map(|one| name(one)).collect(), ..KeyChange::default() };
        let (one, two, three) = tokio::join!(
            store.update_key(id, grant(&["a", "b"]), None, &by),
            store.update_key(id, grant(&["c"]), None, &by),
            store.update_key(id, revoke(&["n"]), None, &by),
        );
        for changed in [one, two, three] {
            changed.unwrap();
        }
        assert_eq!(store.key(id).await.unwrap().integrations, ["a", "b", "c"]);
        let error = store.update_key(id, revoke(&["n"]), None, &by).await.unwrap_err().to_string();
        assert!(error.contains("does not open n; it opens a, b, c"), "{error}");
        assert_eq!(store.key_of_value(&name("t"), &Secret::new("0123456789abcdef"), false).await.unwrap().map(|key| key.id), Some(id));
        assert!(store.key_of_value(&name("t"), &Secret::new("another-value-of-16"), false).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn only_the_digest_of_a_key_is_stored() {
    with_store(|store, database| async move {
        apply(&store, "t/n", "").await;
        let created = create(&store, Some("hunter2hunter2hunter2")).await.unwrap();
        assert_eq!(created.key.expose(), "hunter2hunter2hunter2");
        let row = database.client().await.query_one("select digest, k::text from api_keys k", &[]).await.unwrap();
        assert_eq!(row.get::<_, Vec<u8>>(0), key_digest("hunter2hunter2hunter2"));
        assert!(!row.get::<_, String>(1).contains("hunter2"));
        assert_eq!(store.list_keys(None).await.unwrap()[0].hint, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_key_cannot_be_guessed_from_its_digest_and_older_digests_still_open() {
    with_store(|earlier, database| async move {
        apply(&earlier, "t/n", "").await;
        apply(&earlier, "u/n", "").await;
        // As an earlier version, or one without FOREBAY_SECRET_KEY, stores it.
        let old = create(&earlier, Some("an-older-pasted-key")).await.unwrap();
        let keys = |text: &str| std::sync::Arc::new(SecretKeys::from(&text.parse().unwrap()));
        let with = async |keys: std::sync::Arc<SecretKeys>| {
            let options = StoreOptions { max_connections: 4, secret_keys: Some(keys), ..StoreOptions::default() };
            Store::connect(&database.url(), options).await.unwrap()
        };
        let store = with(keys(OLD)).await;
        let new = create(&store, Some("hunter2hunter2hunter2")).await.unwrap();
        let digests = database.client().await.query("select digest from api_keys", &[]).await.unwrap();
        assert!(!digests.iter().any(|row| row.get::<_, Vec<u8>>(0) == key_digest("hunter2hunter2hunter2")));
        for value in ["an-older-pasted-key", "hunter2hunter2hunter2"] {
            assert!(matches!(create(&store, Some(value)).await, Err(StoreError::KeyExists)), "{value}");
            assert!(store.key_of_value(&name("t"), &Secret::new(value), false).await.unwrap().is_some());
            store.create_key(new_key("u", &["n"], Some(value)), &"test".into()).await.unwrap();
        }
        let shutdown = CancellationToken::new();
        let opens = async |store: &Store, value: &str, tenant: &str| {
            let snapshot = store.watch(shutdown.clone(), WatchOptions::default()).await.unwrap();
            snapshot.current().key(tenant, value).map(|key| key.id)
        };
        assert_eq!(opens(&store, "an-older-pasted-key", "t").await, Some(old.id));
        assert_eq!(opens(&store, "hunter2hunter2hunter2", "t").await, Some(new.id));
        assert_eq!(opens(&store, "hunter2hunter2hunter2", "v").await, None);
        assert_eq!(opens(&earlier, "hunter2hunter2hunter2", "t").await, None, "it cannot be known without the key");

        // The key under which the digests' key is encrypted changes, the digests do not.
        let both = keys(&format!("{NEW},{OLD}"));
        with(both.clone()).await.reseal_connections(&both, &"test".into()).await.unwrap();
        assert_eq!(opens(&with(keys(NEW)).await, "hunter2hunter2hunter2", "t").await, Some(new.id));
        shutdown.cancel();
    })
    .await;
}

#[tokio::test]
async fn a_value_is_used_once_in_a_tenant_and_tells_nothing_of_another() {
    with_store(|store, _| async move {
        apply(&store, "t/n", "").await;
        apply(&store, "u/n", "").await;
        create(&store, Some("0123456789abcdef")).await.unwrap();
        assert!(matches!(create(&store, Some("0123456789abcdef")).await, Err(StoreError::KeyExists)));
        let of_another_tenant = store.create_key(new_key("u", &["n"], Some("0123456789abcdef")), &"test".into()).await;
        assert!(of_another_tenant.is_ok(), "{of_another_tenant:?}");
        assert_eq!(store.list_keys(None).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_grant_of_unknown_integrations_names_every_one() {
    with_store(|store, _| async move {
        apply(&store, "t/n", "").await;
        apply(&store, "u/foreign", "").await;
        let error = store.create_key(new_key("t", &["gone", "n", "foreign"], None), &"test".into()).await.unwrap_err();
        assert_eq!(error.to_string(), "tenant t has no integration gone, foreign");
        assert!(store.list_keys(None).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_pasted_key_must_fit_into_a_header() {
    with_store(|store, _| async move {
        apply(&store, "t/n", "").await;
        for bad in ["short", "has a space in the middle", "with\na line break....", "nicht-ascii-ä-0123456789", &"x".repeat(513)] {
            let error = create(&store, Some(bad)).await.unwrap_err();
            assert!(matches!(error, StoreError::Invalid { .. }), "{bad}: {error}");
            assert!(!error.to_string().contains(bad));
        }
        for good in ["0123456789abcdef", &"y".repeat(512)] {
            create(&store, Some(good)).await.unwrap();
        }
        let blank = NewKey { label: "  ".to_owned(), ..new_key("t", &["n"], None) };
        assert!(matches!(store.create_key(blank, &"test".into()).await, Err(StoreError::Invalid { .. })));
        assert!(matches!(store.delete_key(Uuid::new_v4(), None, &"test".into()).await, Err(StoreError::NotFound { .. })));
    })
    .await;
}
