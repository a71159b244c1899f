//! Every search of the page of executions.

use crate::history::id_at;
use crate::pages::Pages;
use crate::{DAY, Outcome, now};
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{ExecutionId, IdIssuer, Name, UnixMicros};
use forebay_store::{Filter, LabelFilter, Store};
use uuid::Uuid;

const MINUTE: i64 = DAY / 24 / 60;
const ROUNDS: usize = 21;
/// Rows of a page.
const PAGE: u32 = 50;
/// The most that is counted.
const MAX_FOUND: u32 = 10_000;

/// Whose executions are looked for.
fn whose() -> Outcome<Vec<(&'static str, Filter)>> {
    let name = |text: &str| -> Outcome<Name> { Ok(text.parse()?) };
    let tenants = |range: std::ops::Range<usize>| range.map(|number| name(&format!("t{number}"))).collect::<Outcome<Vec<_>>>();
    let all = Filter { limit: PAGE, ..Filter::default() };
    let of = |tenants: Vec<Name>| Filter { tenants: Some(tenants), ..all.clone() };
    Ok(vec![
        ("all", all.clone()),
        ("a busy tenant", of(tenants(0..1)?)),
        ("a quiet tenant", of(tenants(9..10)?)),
        ("20 quiet tenants", of(tenants(20..40)?)),
        ("50 tenants with 5,000 integrations", of(tenants(0..50)?)),
        ("a busy integration", Filter { integration: Some(name("n0")?), ..of(tenants(0..1)?) }),
        ("a quiet integration", Filter { integration: Some(name("n3")?), ..of(tenants(9..10)?) }),
        ("a name in 50 tenants", Filter { integration: Some(name("n0")?), ..of(tenants(0..50)?) }),
    ])
}

/// What is looked for.
fn what(issuer: &IdIssuer, integration: Uuid) -> Outcome<Vec<(String, Filter)>> {
    let now = now()?;
    let any = Filter::default();
    let statuses =
        [ExecutionStatus::Queued, ExecutionStatus::Running, ExecutionStatus::Succeeded, ExecutionStatus::Failed, ExecutionStatus::Expired];
    let since = [("15 minutes", 15), ("an hour", 60), ("6 hours", 360), ("a day", 1_440), ("7 days", 7 * 1_440), ("30 days", 30 * 1_440)];
    let labels = [
        ("one, recent", "order=A-00999000"),
        ("one, old", "order=A-00001000"),
        ("a value", "A-00001000"),
        ("nobody", "order=nothing"),
        ("a quarter", "site=Malmö"),
    ];
    let label = |text: &str| Some(LabelFilter::of_text(text));
    let failed = || vec![ExecutionStatus::Failed];
    let mut what = vec![("anything".to_owned(), any.clone())];
    what.extend(statuses.map(|status| (status.as_str().to_owned(), Filter { statuses: vec![status], ..any.clone() })));
    what.push((
        "failed or expired".to_owned(),
        Filter { statuses: vec![ExecutionStatus::Failed, ExecutionStatus::Expired], ..any.clone() },
    ));
    for (words, minutes) in since {
        let filter = Filter { since: Some(UnixMicros::new(now - minutes * MINUTE)), ..any.clone() };
        what.push((format!("failed since {words}"), Filter { statuses: failed(), ..filter.clone() }));
        what.push((format!("since {words}"), filter));
    }
    for (words, text) in labels {
        what.push((format!("label of {words}"), Filter { label: label(text), ..any.clone() }));
    }
    let frequent = Filter { label: label("site=Malmö"), ..any.clone() };
    what.push(("label of a quarter, failed".to_owned(), Filter { statuses: failed(), ..frequent.clone() }));
    what.push(("label of a quarter, since a day".to_owned(), Filter { since: Some(UnixMicros::new(now - DAY)), ..frequent.clone() }));
    for code in [ErrorCode::Mapping, ErrorCode::Remote, ErrorCode::Limit] {
        let words = code.as_str();
        what.push((format!("error {words}"), Filter { error: Some(code), ..any.clone() }));
        what.push((format!("error {words}, label of a quarter"), Filter { error: Some(code), ..frequent.clone() }));
    }
    for days in [1, 7, 13] {
        let before: Option<ExecutionId> = Some(id_at(issuer, integration, now - days * DAY)?);
        what.push((format!("a page {days} days ago"), Filter { before, ..any.clone() }));
        what.push((format!("a page {days} days ago, failed"), Filter { before, statuses: failed(), ..any.clone() }));
        what.push((format!("a page {days} days ago, label of a quarter"), Filter { before, ..frequent.clone() }));
    }
    what.push((
        "a day a week ago".to_owned(),
        Filter { since: Some(UnixMicros::new(now - 8 * DAY)), until: Some(UnixMicros::new(now - 7 * DAY)), ..any.clone() },
    ));
    what.push(("an id".to_owned(), Filter { id: Some(id_at(issuer, integration, now - 7 * DAY)?), ..any }));
    Ok(what)
}

pub(crate) async fn searches(store: &Store, pages: &mut Pages, issuer: &IdIssuer, integrations: &[Uuid]) -> Outcome<()> {
    let what = what(issuer, integrations[0])?;
    for (of, whose) in &whose()? {
        for (what, filter) in &what {
            let filter = Filter { tenants: whose.tenants.clone(), integration: whose.integration.clone(), limit: PAGE, ..filter.clone() };
            let found = async || store.list_executions(&filter).await.map(|rows| rows.len());
            pages.ask(&format!("search of {of}: {what}"), ROUNDS, found).await?;
            let counted = async || store.count_executions(&filter, MAX_FOUND).await.map(|count| count as usize);
            pages.ask(&format!("count of {of}: {what}"), ROUNDS, counted).await?;
        }
    }
    let failures = Filter { statuses: vec![ExecutionStatus::Failed], limit: 500, ..Filter::default() };
    let middle = id_at(issuer, integrations[0], now()? - 7 * DAY)?;
    let in_order = async || store.executions_in_order(&failures, Some(&middle)).await.map(|rows| rows.len());
    pages.ask("500 failures in the order of acceptance, from a week ago", ROUNDS, in_order).await?;
    let newest = store.list_executions(&Filter { limit: PAGE, ..Filter::default() }).await?;
    let one = async || store.execution_detail(&newest[7].id).await.map(|found| usize::from(found.is_some()));
    pages.ask("one execution", ROUNDS, one).await?;
    Ok(())
}
