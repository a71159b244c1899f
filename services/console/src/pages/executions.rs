//! The history: search, details, retries.

use super::error::{PageError, PageResult, see_other};
use super::frame::Framed;
use super::sent::{Sent, name};
use crate::auth::Caller;
use crate::bulk_retry::MAX_EXECUTIONS;
use crate::failure::Failure;
use crate::state::State;
use crate::view;
use crate::view::execution::{Around, Context};
use crate::view::executions::{Choices, SearchQuery};
use crate::view::page::{Section, card};
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use forebay_contract::{ExecutionId, Name, UnixMicros, parse_duration};
use forebay_operations::{Actor, OperationError, RetryOptions};
use forebay_store::{ExecutionDetail, Filter, LabelFilter, Role};
use maud::{Markup, html};
use serde_json::Value;

/// Executions on one page.
const ROWS: u32 = 50;

/// Returns the filter of the store for a search.
pub(super) fn filter_of(query: &SearchQuery) -> Result<Filter, PageError> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let named = |text: &str| given(text).map(|text| name(&text)).transpose();
    let statuses = match given(&query.status) {
        None => Vec::new(),
        Some(word) => vec![word.parse::<ExecutionStatus>().map_err(Failure::bad_request)?],
    };
    let since = match given(&query.since) {
        None => None,
        Some(text) => {
            let back = parse_duration(&text).map_err(|error| Failure::bad_request(error.to_string()))?;
            Some(UnixMicros::now() - back)
        }
    };
    let error = match given(&query.error) {
        None => None,
        Some(word) => Some(word.parse::<ErrorCode>().map_err(Failure::bad_request)?),
    };
    let search = given(&query.search);
    let id = search.as_deref().and_then(|text| text.parse::<ExecutionId>().ok());
    let label = search.as_deref().filter(|_| id.is_none()).map(LabelFilter::of_text);
    Ok(Filter {
        tenants: named(&query.tenant)?.map(|tenant| vec![tenant]),
        integration: named(&query.integration)?,
        statuses,
        since,
        error,
        id,
        label,
        before: query.before.parse().ok(),
        limit: ROWS,
        ..Filter::default()
    })
}

/// `GET /executions`.
pub(super) async fn list(caller: Caller, query: web::Query<SearchQuery>, choices: web::Query<Choices>) -> PageResult {
    let (query, choices) = (query.into_inner(), choices.into_inner());
    let found = match choices.count {
        true => Some(caller.state.operations.count_retryable(&caller.actor, filter_of(&query)?, MAX_EXECUTIONS).await?),
        false => None,
    };
    page(&caller, &query, StatusCode::OK, &html! {}, &Counted { found, choices }).await
}

/// The number of executions that a retry of the search would include, if it was counted, and its options.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) found: Option<u32>,
    pub(super) choices: Choices,
}

/// Returns the list. `notice` is a message about the last action.
pub(super) async fn page(caller: &Caller, query: &SearchQuery, status: StatusCode, notice: &Markup, counted: &Counted) -> PageResult {
    let filter = Filter { limit: ROWS + 1, ..filter_of(query)? };
    let mut rows = caller.state.operations.list_executions(&caller.actor, filter).await?;
    let has_more = rows.len() > ROWS as usize;
    rows.truncate(ROWS as usize);
    let tenants: Vec<String> = caller.state.tenants(&caller.actor.tenants(Role::Viewer)).iter().map(Name::to_string).collect();
    let names = names(&caller.state, &caller.actor, &query.tenant);
    let may_retry = caller.actor.grants().strongest() >= Some(Role::Operator);
    let content = html! {
        (notice)
        @if let Some(running) = caller.state.bulk.notice(&caller.actor) { div id="retrying" data-live { (running) } } @else { div id="retrying" data-live {} }
        (view::executions::filter(query, &tenants, &names))
        section.card id="list" data-live { (view::executions::list(&rows, query, has_more)) }
        @if may_retry { (view::executions::bulk(query, counted.found, &counted.choices, MAX_EXECUTIONS)) }
    };
    let live = form_urlencoded::Serializer::new(String::from("/live?"))
        .append_pair("tenant", &query.tenant)
        .append_pair("integration", &query.integration)
        .finish();
    // The response to a form has no address that the page could fetch again.
    let follows = query.before.is_empty() && counted.found.is_none();
    let framed = Framed::new(caller, Section::Executions, "Executions").live(if follows { &live } else { "" });
    Ok(framed.show_as(status, &html! {}, &content))
}

/// Returns the integrations from which the reader may choose.
fn names(state: &State, actor: &Actor, tenant: &str) -> Vec<String> {
    let (snapshot, visible) = (state.snapshot.current(), actor.tenants(Role::Viewer));
    let is_shown = |name: &Name| visible.has(name) && (tenant.is_empty() || name.as_str() == tenant);
    let mut names: Vec<String> =
        snapshot.integrations().filter(|one| is_shown(&one.definition.tenant)).map(|one| one.definition.name.to_string()).collect();
    names.sort();
    names.dedup();
    names
}

/// `GET /executions/{id}`.
pub(super) async fn show(caller: Caller, id: web::Path<String>) -> PageResult {
    let id: ExecutionId = id.parse().map_err(|error: forebay_contract::ExecutionIdError| Failure::not_found(error.to_string()))?;
    match caller.state.operations.execution(&caller.actor, &id).await {
        Ok(detail) => recorded(&caller, &id, &detail).await,
        Err(OperationError::NotFound(_)) => queued(&caller, &id).await,
        Err(error) => Err(error.into()),
    }
}

async fn recorded(caller: &Caller, id: &ExecutionId, detail: &ExecutionDetail) -> PageResult {
    let row = &detail.row;
    // It may be of a newer Forebay, or deleted: the page is shown without it.
    let definition = caller.state.operations.store().definition(row.integration_id, row.version).await.ok().flatten();
    let latest = caller.state.snapshot.current().integration_by_id(row.integration_id).map(|integration| integration.version);
    let around: Vec<Option<Around>> = match &detail.variables {
        None => Vec::new(),
        Some(log) => (0..detail.steps.len())
            .map(|place| Some(Around { before: Value::Object(log.before(place)?), after: Value::Object(log.after(place)?) }))
            .collect(),
    };
    let may_retry = row.tenant.parse().is_ok_and(|tenant: Name| caller.actor.has(&tenant, Role::Operator));
    let context = Context { definition: definition.as_ref(), around: &around, trace: &caller.state.trace_of(row), may_retry, latest };
    let live = format!("/live?id={id}");
    let above = [("/executions".to_owned(), "Executions".to_owned())];
    let title = format!("Execution {id}");
    let edit = format!("/integrations/{}/{}/edit?like={id}", row.tenant, row.integration);
    let head = html! { @if detail.input.is_some() { a.button href=(edit) { "Edit with this call as the example" } } };
    Ok(Framed::new(caller, Section::Executions, &title)
        .above(&above)
        .live(&live)
        .show(&head, &view::execution::execution(detail, &context)))
}

/// Returns the page of an execution without records: no worker has started it. Its id proves that it was issued.
async fn queued(caller: &Caller, id: &ExecutionId) -> PageResult {
    let issuer = forebay_contract::IdIssuer::new(&caller.state.operations.store().id_key().await?);
    let snapshot = caller.state.snapshot.current();
    let visible = caller.actor.tenants(Role::Viewer);
    let integration = snapshot.integrations().find(|one| visible.has(&one.definition.tenant) && issuer.is_issued(id, one.id));
    let Some(integration) = integration else {
        return Err(Failure::not_found(format!("There is no execution {id}: its history was deleted, or it never existed.")).into());
    };
    let path = integration.definition.path();
    let live = format!("/live?id={id}&clock=true");
    let title = format!("Execution {id}");
    let content = html! {
        div.stack id="execution" data-live {
            (card("Queued", &html! { (view::badge::execution(ExecutionStatus::Queued)) }, &html! {
                p { "The call to " a href={ "/integrations/" (path) } { (path) } " was received and is safe. No worker has started its execution, or the history was deleted." }
                p.muted { "This page updates by itself. The monitor shows queues and live workers." }
                div.actions { a.button href="/monitor" { "Back to the monitor" } }
            }))
        }
    };
    let above = [("/executions".to_owned(), "Executions".to_owned())];
    Ok(Framed::new(caller, Section::Executions, &title).above(&above).live(&live).show(&html! {}, &content))
}

/// `POST /executions/{id}/retry`.
pub(super) async fn retry(caller: Caller, id: web::Path<String>, body: web::Bytes) -> PageResult {
    let id: ExecutionId = id.parse().map_err(|error: forebay_contract::ExecutionIdError| Failure::not_found(error.to_string()))?;
    let sent = Sent::read(&body);
    let options = RetryOptions { latest: sent.text("version") == "latest", from_start: sent.text("from") == "start" };
    caller.state.operations.retry(&caller.actor, &id, options).await?;
    Ok(see_other(&format!("/executions/{id}")))
}
