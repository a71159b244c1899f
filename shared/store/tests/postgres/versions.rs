use crate::database::{until, with_store};
use crate::samples::{apply, definition, name, path};
use forebay_contract::UnixMicros;
use forebay_store::{DocsAccess, StoreError, WatchOptions, Which};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn every_version_is_kept_with_its_source_and_its_author_and_the_current_one_is_the_newest() {
    with_store(|store, _| async move {
        apply(&store, "t/n", "").await;
        apply(&store, "t/n", "description: second\n").await;
        store.apply(&[definition("t/n", "description: third\n"), definition("u/m", "")], "someone").await.unwrap();
        let versions = store.versions(&path("t/n")).await.unwrap();
        assert_eq!(versions.iter().map(|one| one.version).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((versions[0].created_by.as_str(), versions[2].created_by.as_str()), ("someone", "test"));
        assert_eq!(versions[1].source, definition("t/n", "description: second\n").source);
        assert_eq!(versions[1].document["description"], "second");
        assert!(versions[0].created_at >= versions[2].created_at && versions[2].created_at > UnixMicros::new(1_700_000_000_000_000));
        let error = store.versions(&path("t/other")).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");

        let paths = async |which| {
            let current = store.current_versions(which).await.unwrap();
            current.iter().map(|one| format!("{} {}", one.path, one.version)).collect::<Vec<_>>()
        };
        assert_eq!(paths(Which::All).await, ["t/n 3", "u/m 1"]);
        let (tenant, some) = (name("u"), [path("u/m"), path("t/gone")]);
        assert_eq!(paths(Which::Tenant(&tenant)).await, ["u/m 1"]);
        assert_eq!(paths(Which::Paths(&some)).await, ["u/m 1"]);
        assert_eq!(paths(Which::Paths(&[])).await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readers_of_a_tenants_documents_are_in_the_snapshot_within_a_second() {
    with_store(|store, database| async move {
        let options = WatchOptions { reconcile: Duration::from_secs(3600) };
        let snapshot = store.watch(CancellationToken::new(), options).await.unwrap();
        assert_eq!(snapshot.current().docs_access("t"), DocsAccess::Key, "the default");
        let other = database.store().await;
        for access in [DocsAccess::Open, DocsAccess::Off, DocsAccess::Key] {
            other.set_tenant_docs(&name("t"), access, "test").await.unwrap();
            let delay = until("the setting is seen", || async { snapshot.current().docs_access("t") == access }).await;
            assert!(delay < Duration::from_secs(5), "{delay:?}");
        }
        assert_eq!(snapshot.current().docs_access("u"), DocsAccess::Key, "another tenant's is its own");
        apply(&store, "u/n", "").await;
        let tenants = store.list_tenants().await.unwrap();
        let rows: Vec<_> = tenants.iter().map(|row| (row.name.as_str(), row.docs, row.integrations)).collect();
        assert_eq!(rows, [("t", DocsAccess::Key, 0), ("u", DocsAccess::Key, 1)]);
    })
    .await;
}
