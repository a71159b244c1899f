use crate::database::with_store;
use crate::samples::{Sample, definition, error, name};
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus};
use forebay_contract::{ExecutionId, Label};
use forebay_store::{Filter, LabelFilter, Record, Store};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

async fn found(store: &Store, filter: &Filter) -> Vec<ExecutionId> {
    let rows = store.list_executions(filter).await.unwrap();
    assert!(rows.iter().all(|row| filter.fits(row)), "what is followed by a filter is what is found by it: {rows:?}");
    rows.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn an_execution_is_found_by_its_labels_and_by_a_value_under_any_name() {
    with_store(|store, _| async move {
        let (sample, other) = (Sample::make(&store, "t/a").await, Sample::make(&store, "u/a").await);
        // Ids of the same millisecond have no order.
        let now = sample.id().issued_at().to_micros();
        let (one, two, plain, foreign) =
            (sample.id_at(now), sample.id_at(now + MILLISECOND), sample.id_at(now + 2 * MILLISECOND), other.id_at(now + 3 * MILLISECOND));
        let labelled = |record: Record, labels: &[&str]| Record { labels: labels.iter().map(|text| label(text)).collect(), ..record };
        let records = [
            labelled(sample.record(one), &["workOrder=4711", "site=Malmö=1"]),
            labelled(sample.record(two), &["item=4711"]),
            sample.record(plain),
            labelled(other.record(foreign), &["workOrder=4711"]),
        ];
        store.record(&records).await.unwrap();
        let by = |text: &str| Filter { label: Some(LabelFilter::of_text(text)), ..Filter::default() };
        assert_eq!(found(&store, &by("workOrder=4711")).await, [foreign, one]);
        assert_eq!(found(&store, &by("4711")).await, [foreign, two, one]);
        assert_eq!(found(&store, &by("site=Malmö=1")).await, [one]);
        assert_eq!(found(&store, &Filter { tenants: Some(vec![name("t")]), ..by("4711") }).await, [two, one]);
        for nothing in ["workOrder", "workOrder=47", "471", "site=Malmö"] {
            assert!(found(&store, &by(nothing)).await.is_empty(), "{nothing}");
        }
        let row = store.list_executions(&by("site=Malmö=1")).await.unwrap().remove(0);
        assert_eq!(row.labels, [label("workOrder=4711"), label("site=Malmö=1")]);
        assert_eq!(store.count_executions(&by("4711"), 100).await.unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_later_record_without_labels_keeps_those_that_are_there() {
    with_store(|store, _| async move {
        let sample = Sample::make(&store, "t/a").await;
        let id = sample.id();
        store.record(&[Record { labels: vec![label("a=1")], ..sample.failed_record(id) }]).await.unwrap();
        store.record(&[Record { attempts: 2, ..sample.failed_record(id) }]).await.unwrap();
        let labels = || async { store.list_executions(&Filter::default()).await.unwrap().remove(0).labels };
        assert_eq!(labels().await, [label("a=1")]);
        store.record(&[Record { attempts: 3, labels: vec![label("b=2")], ..sample.failed_record(id) }]).await.unwrap();
        assert_eq!(labels().await, [label("b=2")]);
    })
    .await;
}

#[tokio::test]
async fn a_search_is_narrowed_by_several_tenants_statuses_an_error_an_end_and_an_id() {
    with_store(|store, _| async move {
        let samples = [Sample::make(&store, "t/a").await, Sample::make(&store, "u/a").await, Sample::make(&store, "v/a").await];
        let mut ids = Vec::new();
        let now = samples[0].id().issued_at().to_micros();
        for (place, sample) in (0_u32..).zip(&samples) {
            let these = [0, 1, 2].map(|number| sample.id_at(now + (place * 3 + number) * MILLISECOND));
            let mapping = ExecutionError::permanent(ErrorCode::Mapping, "no");
            let records = [
                sample.record(these[0]),
                Record { error: Some(error("remote")), ..sample.failed_record(these[1]) },
                Record { error: Some(mapping), ..sample.failed_record(these[2]) },
            ];
            store.record(&records).await.unwrap();
            ids.push(these);
        }
        let newest_first = |mut ids: Vec<ExecutionId>| {
            ids.sort_unstable();
            ids.reverse();
            ids
        };
        let tenants = Some(vec![name("t"), name("v")]);
        let of_two = Filter { tenants: tenants.clone(), ..Filter::default() };
        assert_eq!(found(&store, &of_two).await, newest_first([ids[0], ids[2]].concat()));
        assert!(found(&store, &Filter { tenants: Some(Vec::new()), ..Filter::default() }).await.is_empty(), "of no tenant is nothing");
        let ended = vec![ExecutionStatus::Succeeded, ExecutionStatus::Failed];
        assert_eq!(found(&store, &Filter { statuses: ended, ..Filter::default() }).await.len(), 9);
        let mapping = Filter { tenants, error: Some(ErrorCode::Mapping), ..Filter::default() };
        assert_eq!(found(&store, &mapping).await, newest_first(vec![ids[0][2], ids[2][2]]));
        let until = Filter { until: Some(ids[1][0].issued_at().to_micros()), ..Filter::default() };
        assert!(found(&store, &until).await.iter().all(|id| *id < ids[1][0]));
        let one = Filter { id: Some(ids[1][1]), ..Filter::default() };
        assert_eq!(found(&store, &one).await, [ids[1][1]]);
        assert!(found(&store, &Filter { tenants: Some(vec![name("t")]), ..one }).await.is_empty(), "it is of another tenant");
        let guessed = samples[0].issuer.restore(ids[1][1].unique(), samples[0].integration.id);
        assert!(found(&store, &Filter { id: Some(guessed), ..Filter::default() }).await.is_empty(), "the tag is checked");
    })
    .await;
}

#[tokio::test]
async fn a_search_is_gone_through_in_the_order_of_acceptance_and_counted_up_to_a_bound() {
    with_store(|store, _| async move {
        let (a, b) = (Sample::make(&store, "t/a").await, Sample::make(&store, "t/b").await);
        let mut ids: Vec<ExecutionId> = (0..6).flat_map(|_| [a.id(), b.id()]).collect();
        let records: Vec<Record> =
            ids.iter().enumerate().map(|(place, id)| if place % 2 == 0 { a.failed_record(*id) } else { b.failed_record(*id) }).collect();
        store.record(&records).await.unwrap();
        ids.sort_unstable();
        let filter = Filter { tenants: Some(vec![name("t")]), statuses: vec![ExecutionStatus::Failed], limit: 5, ..Filter::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.executions_in_order(&filter, after.as_ref()).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            found.extend(page.iter().map(|row| row.id));
        }
        assert_eq!(found, ids);
        assert_eq!(store.count_executions(&filter, 100).await.unwrap(), 12);
        assert_eq!(store.count_executions(&filter, 7).await.unwrap(), 7);
        assert_eq!(store.count_executions(&Filter { tenants: Some(vec![name("x")]), ..filter }, 7).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn failures_and_labels_of_very_many_integrations_are_theirs_and_of_nobody_else() {
    with_store(|store, _| async move {
        let definitions: Vec<_> = (0..320).map(|number| definition(&format!("t/n{number}"), "")).collect();
        let applied = store.apply(&definitions, "test").await.unwrap();
        let (many, other) = (Sample::make(&store, "t/n0").await, Sample::make(&store, "u/a").await);
        let (mut failed, mut labelled) = (Vec::new(), Vec::new());
        let now = many.id().issued_at().to_micros();
        for (place, integration) in (0..).zip(applied.iter().take(40)) {
            let sample = Sample { integration: integration.clone(), issuer: many.issuer.clone() };
            // Over three weeks, so that no first look finds them all.
            let (one, two) = (sample.id_at(now - place * 13 * HOUR), sample.id_at(now - place * 13 * HOUR - MILLISECOND));
            store.record(&[sample.failed_record(one), Record { labels: vec![label("a=1")], ..sample.record(two) }]).await.unwrap();
            failed.push(one);
            labelled.push(two);
        }
        let foreign = other.id_at(now - 5 * MILLISECOND);
        store.record(&[Record { labels: vec![label("a=1")], ..other.failed_record(foreign) }]).await.unwrap();
        let of_many = Filter { tenants: Some(vec![name("t")]), ..Filter::default() };
        let by_status = Filter { statuses: vec![ExecutionStatus::Failed], ..of_many.clone() };
        let by_label = Filter { label: Some(LabelFilter::of_text("a=1")), ..of_many.clone() };
        for (filter, expected) in [(&by_status, &failed), (&by_label, &labelled)] {
            assert_eq!(found(&store, filter).await, *expected);
            assert_eq!(store.count_executions(filter, 100).await.unwrap(), 40);
            let next = Filter { before: Some(expected[9]), limit: 7, ..filter.clone() };
            assert_eq!(found(&store, &next).await, expected[10..17]);
        }
        let expired = Filter { statuses: vec![ExecutionStatus::Expired], ..of_many };
        assert!(found(&store, &expired).await.is_empty());
    })
    .await;
}
