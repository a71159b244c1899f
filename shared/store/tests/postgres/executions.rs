use crate::database::with_store;
use crate::samples::{Sample, name};
use bytes::Bytes;
use forebay_contract::ExecutionId;
use forebay_contract::outcome::ExecutionStatus;
use forebay_store::{Filter, Record, Store, StoredResponse};
use std::time::Duration;

async fn list(store: &Store, filter: Filter) -> Vec<ExecutionId> {
    store.list_executions(&filter).await.unwrap().iter().map(|row| row.id).collect()
}

/// Ids one second apart, oldest first, the last one now.
fn ids(sample: &Sample, count: u64) -> Vec<ExecutionId> {
    let now = sample.id().issued_at().to_micros();
    (0..count).map(|index| sample.id_at(now - Duration::from_secs(count - index))).collect()
}

#[tokio::test]
async fn a_listing_is_newest_first_and_pages_without_gap_or_repeat() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let mut ids = ids(&sample, 25);
        let records: Vec<Record> = ids.iter().map(|id| sample.record(*id)).collect();
        store.record(&records).await.unwrap();
        ids.reverse();
        let mut listed = Vec::new();
        loop {
            let page = list(&store, Filter { limit: 10, before: listed.last().copied(), ..Filter::default() }).await;
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, ids);
    })
    .await;
}

#[tokio::test]
async fn a_listing_is_narrowed_by_tenant_integration_status_and_time() {
    with_store(|store, _| async move {
        let samples = [Sample::make(&store, "t/a").await, Sample::make(&store, "t/b").await, Sample::make(&store, "u/a").await];
        let mut all = Vec::new();
        for sample in &samples {
            let ids = ids(sample, 4);
            let mut records: Vec<Record> = ids.iter().map(|id| sample.record(*id)).collect();
            records[1] = sample.failed_record(ids[1]);
            records[2].status = ExecutionStatus::Expired;
            store.record(&records).await.unwrap();
            all.push(ids);
        }
        let sorted = |mut ids: Vec<ExecutionId>| {
            ids.sort_unstable();
            ids.reverse();
            ids
        };
        let (a, b, foreign) = (&all[0], &all[1], &all[2]);
        let tenants = Some(vec![name("t")]);
        let of_tenant = list(&store, Filter { tenants: tenants.clone(), ..Filter::default() }).await;
        assert_eq!(of_tenant, sorted([a.clone(), b.clone()].concat()));
        let of_one = list(&store, Filter { tenants: tenants.clone(), integration: Some(name("b")), ..Filter::default() }).await;
        assert_eq!(of_one, sorted(b.clone()));
        let of_name = list(&store, Filter { integration: Some(name("a")), limit: 3, ..Filter::default() }).await;
        assert_eq!(of_name, sorted([a.clone(), foreign.clone()].concat())[..3]);
        let failed = vec![ExecutionStatus::Failed];
        assert_eq!(list(&store, Filter { statuses: failed.clone(), ..Filter::default() }).await, sorted(vec![a[1], b[1], foreign[1]]));
        let of_one = Filter { tenants: Some(vec![name("u")]), integration: Some(name("a")), statuses: failed.clone(), ..Filter::default() };
        assert_eq!(list(&store, of_one).await, [foreign[1]]);
        let succeeded = Filter { tenants, statuses: vec![ExecutionStatus::Succeeded], ..Filter::default() };
        assert_eq!(list(&store, succeeded).await, sorted(vec![a[0], a[3], b[0], b[3]]));
        let since = Some(b[2].issued_at().to_micros());
        let recent = Filter { integration: Some(name("b")), since, before: Some(b[3]), ..Filter::default() };
        assert_eq!(list(&store, recent).await, [b[2]]);
        for nothing in [
            Filter { statuses: vec![ExecutionStatus::Queued], ..Filter::default() },
            Filter { tenants: Some(vec![name("nobody")]), ..Filter::default() },
            Filter { limit: 0, ..Filter::default() },
        ] {
            assert!(list(&store, nothing).await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn an_execution_is_shown_with_its_answer_to_its_own_integration_only() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/n").await;
        let other = Sample::make(&store, "u/n").await;
        let id = sample.id();
        let output = StoredResponse { status: 200, headers: vec![], body: Bytes::from_static(b"{}") };
        store.record(&[Record { output: Some(output.clone()), ..sample.record(id) }]).await.unwrap();
        let outcome = store.execution(sample.integration.id, &id).await.unwrap().unwrap();
        assert_eq!((outcome.row.status, outcome.output), (ExecutionStatus::Succeeded, Some(output)));
        assert_eq!(store.execution(other.integration.id, &id).await.unwrap(), None);
        assert_eq!(store.execution(sample.integration.id, &sample.id()).await.unwrap(), None);
        let guessed = forebay_contract::IdIssuer::new(b"guess").restore(id.unique(), sample.integration.id);
        assert_eq!(store.execution_detail(&guessed).await.unwrap(), None, "the tag is checked");
    })
    .await;
}
