use crate::database::with_store;
use crate::samples::{apply, definition, name, path};
use forebay_store::{Change, NewDefinition, StoreError};
use uuid::Uuid;

#[tokio::test]
async fn applying_creates_then_changes_nothing_then_makes_a_new_version() {
    with_store(|store, database| async move {
        let first = apply(&store, "t/n", "").await;
        assert_eq!((first.version, first.change), (1, Change::Created));
        let again = apply(&store, "t/n", "\n").await;
        assert_eq!((again.id, again.version, again.change), (first.id, 1, Change::Unchanged), "the end of a text is no change");
        let commented = apply(&store, "t/n", "# another comment\n").await;
        assert_eq!((commented.id, commented.version, commented.change), (first.id, 2, Change::Updated));
        // A definition that is given without its text has no comments.
        let bare = NewDefinition { source: String::new(), ..definition("t/n", "") };
        let bare = store.apply(&[bare], "test").await.unwrap().remove(0);
        assert_eq!((bare.version, bare.change), (2, Change::Unchanged));
        let second = apply(&store, "t/n", "description: better\nenabled: false\n").await;
        assert_eq!((second.id, second.version, second.change), (first.id, 3, Change::Updated));
        assert_eq!(second.path, path("t/n"));

        let rows = store.list_integrations(None).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].version, rows[0].enabled, rows[0].description.as_str()), (3, false, "better"));
        assert_eq!(database.count("integration_versions").await, 3);
        let old = store.definition(first.id, 1).await.unwrap().unwrap();
        assert!(old.enabled, "versions are immutable");
        assert_eq!(store.definition(first.id, 4).await.unwrap(), None);
        assert_eq!(store.definition(Uuid::new_v4(), 1).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_plan_says_what_applying_would_do_and_writes_nothing() {
    with_store(|store, database| async move {
        apply(&store, "t/same", "").await;
        apply(&store, "t/other", "").await;
        let definitions = [definition("t/new", ""), definition("t/other", "enabled: false\n"), definition("t/same", "")];
        let planned = store.plan(&definitions).await.unwrap();
        let changes: Vec<_> = planned.iter().map(|one| (one.path.to_string(), one.version, one.change)).collect();
        let expected = [("t/new", 1, Change::Created), ("t/other", 2, Change::Updated), ("t/same", 1, Change::Unchanged)];
        assert_eq!(changes, expected.map(|(path, version, change)| (path.to_owned(), version, change)));
        assert_eq!(database.count("integration_versions").await, 2);

        let applied = store.apply(&definitions, "test").await.unwrap();
        assert_eq!(applied[1..], planned[1..]);
        assert_eq!(applied[0].change, Change::Created);
    })
    .await;
}

#[tokio::test]
async fn a_document_keeps_the_order_of_its_keys_and_its_escaped_nul() {
    with_store(|store, database| async move {
        let more = "trigger: { webhook: { query: { zebra: {}, apple: { default: \"a\\0b\" } } } }\ndescription: x\n";
        let applied = apply(&store, "t/n", more).await;
        let read = store.definition(applied.id, 1).await.unwrap().unwrap();
        assert_eq!(read, definition("t/n", more).definition);
        assert_eq!(read.trigger.webhook().unwrap().query[0].name, "zebra");
        assert_eq!(apply(&store, "t/n", more).await.change, Change::Unchanged);
        let text: String = database.client().await.query_one("select source from integration_versions", &[]).await.unwrap().get(0);
        assert!(text.starts_with("# a comment"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn the_same_path_twice_in_one_call_applies_nothing() {
    with_store(|store, _| async move {
        let twice = [definition("t/a", ""), definition("t/b", ""), definition("t/a", "enabled: false\n")];
        let error = store.apply(&twice, "test").await.unwrap_err();
        assert!(matches!(&error, StoreError::DefinedTwice { path } if path.to_string() == "t/a"), "{error}");
        assert!(store.list_integrations(None).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_apply_at_once_get_versions_without_gaps() {
    with_store(|store, database| async move {
        let mut tasks = Vec::new();
        for number in 0..12 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move { apply(&store, "t/n", &format!("description: '{number}'\n")).await }));
        }
        let mut versions = Vec::new();
        for task in tasks {
            versions.push(task.await.unwrap().version);
        }
        versions.sort_unstable();
        assert_eq!(versions, (1..=12).collect::<Vec<_>>());
        assert_eq!(database.count("integration_versions").await, 12);
    })
    .await;
}

#[tokio::test]
async fn a_listing_is_of_one_tenant_when_asked() {
    with_store(|store, _| async move {
        store.apply(&[definition("b/x", ""), definition("a/z", ""), definition("a/y", "")], "test").await.unwrap();
        let names =
            |rows: Vec<forebay_store::IntegrationRow>| rows.iter().map(|row| format!("{}/{}", row.tenant, row.name)).collect::<Vec<_>>();
        assert_eq!(names(store.list_integrations(None).await.unwrap()), ["a/y", "a/z", "b/x"]);
        assert_eq!(names(store.list_integrations(Some(&name("b"))).await.unwrap()), ["b/x"]);
    })
    .await;
}

#[tokio::test]
async fn a_definition_of_a_newer_program_is_an_error_that_says_so() {
    with_store(|store, database| async move {
        let applied = apply(&store, "t/n", "").await;
        let sql = r#"update integration_versions set document = '{"tenant":"t","name":"n","trigger":{"webhook":{}},"novelty":1}'"#;
        database.client().await.batch_execute(sql).await.unwrap();
        let error = store.definition(applied.id, 1).await.unwrap_err();
        assert!(matches!(error, StoreError::UnreadableDefinition { .. }), "{error}");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("novelty"));
    })
    .await;
}
