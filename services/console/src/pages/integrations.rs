//! The integrations with their health and statistics, the page of each, and its versions.

use super::error::{PageError, PageResult, see_other};
use super::flash::Shown;
use super::frame::Framed;
use super::messages::Messages;
use super::monitor::{begin_of_slice, slices, statistics};
use super::saved::Saved;
use super::sent::{Sent, name};
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::badge::Tone;
use crate::view::integrations::{ListedIntegration, address, integration_tabs};
use crate::view::notice::notice;
use crate::view::page::{Section, card, table_card};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use forebay_contract::authentication::KeyUse;
use forebay_contract::definition::Definition;
use forebay_contract::{IntegrationPath, Name, UnixMicros, parse_duration};
use forebay_operations::OperationError;
use forebay_store::{
    Filter, IntegrationRow, NewDefinition, Paused, Role, StatisticsPoint, StatisticsQuery, StatisticsScope, StoreError, StoredVersion,
};
use maud::html;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// Integrations on one page.
const LINES: usize = 50;
const HOUR: Duration = Duration::from_secs(3600);
/// Width of a slice of the small charts.
const SLICE: Duration = Duration::from_secs(300);
/// Number of slices in an hour.
const SLICES: usize = 12;
/// Executions on the page of an integration.
const LATEST: u32 = 8;

pub(super) type At = web::Path<(String, String)>;

pub(super) fn path(at: At) -> Result<IntegrationPath, PageError> {
    let (tenant, integration) = at.into_inner();
    Ok(IntegrationPath { tenant: name(&tenant)?, name: name(&integration)? })
}

/// `GET /`.
pub(super) async fn home(_: Caller) -> HttpResponse {
    see_other("/integrations")
}

/// The query of the list.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct IntegrationsQuery {
    tenant: String,
    search: String,
    page: usize,
}

/// `GET /integrations`.
pub(super) async fn list(caller: Caller, query: web::Query<IntegrationsQuery>) -> PageResult {
    let operations = &caller.state.operations;
    let tenant = Some(query.tenant.trim()).filter(|text| !text.is_empty()).map(name).transpose()?;
    let mut rows = operations.list_integrations(&caller.actor, tenant.as_ref()).await?;
    let is_empty = rows.is_empty();
    let search = query.search.trim().to_lowercase();
    rows.retain(|row| search.is_empty() || format!("{}/{} {}", row.tenant, row.name, row.description).to_lowercase().contains(&search));
    let (all, page) = (rows.len(), query.page.min(rows.len().saturating_sub(1) / LINES));
    let rows: Vec<IntegrationRow> = rows.into_iter().skip(page * LINES).take(LINES).collect();
    let lines = lines(&caller, &rows).await?;
    let tenants: Vec<String> = caller.state.tenants(&caller.actor.tenants(Role::Viewer)).iter().map(Name::to_string).collect();
    let may_create = caller.actor.grants().strongest() >= Some(Role::Developer);
    let content = html! {
        @if tenants.len() > 1 || all > LINES || !search.is_empty() { (view::integrations::filter(&query.tenant, &query.search, &tenants)) }
        section.card id="list" data-live {
            @if lines.is_empty() && !is_empty { (view::notice::empty("No results", "No integration matches the search.", &html! { a.button href="/integrations" { "Show all" } })) }
            @else { (view::integrations::list(&lines, may_create)) }
            (view::integrations::pager(&query.tenant, &query.search, page, all, LINES))
        }
    };
    let new = html! { @if may_create && !is_empty { a.button.main href="/integrations/new" { "New integration" } } };
    let framed = Framed::new(&caller, Section::Integrations, "Integrations").live("/live?clock=true");
    Ok(framed.show(&new, &content))
}

async fn lines(caller: &Caller, rows: &[IntegrationRow]) -> Result<Vec<ListedIntegration>, PageError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let now = UnixMicros::now();
    let from = begin_of_slice(now, SLICE) + SLICE - HOUR;
    let operations = &caller.state.operations;
    let query = StatisticsQuery {
        of: StatisticsScope::Integrations(ids.clone()),
        from,
        to: now + SLICE,
        step: Duration::from_secs(300),
        each: true,
    };
    let (activity, statistics) = tokio::join!(operations.activity(&ids, from), operations.store().statistics(&query));
    let (activity, statistics) = (activity?, statistics?);
    let snapshot = caller.state.snapshot.current();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let activity = activity.get(&row.id).cloned().unwrap_or_default();
        let points: Vec<&StatisticsPoint> = statistics.iter().filter(|point| point.integration == Some(row.id)).collect();
        let is_halted = snapshot.trigger_state(row.id).is_some_and(|state| state.phase == forebay_store::TriggerPhase::Halted);
        let is_paused = snapshot.paused(row.id).is_some_and(|paused| paused.accepts_calls());
        let is_schedule = snapshot.integration_by_id(row.id).is_some_and(|one| one.definition.trigger.schedule().is_some());
        lines.push(ListedIntegration {
            tenant: row.tenant.to_string(),
            name: row.name.to_string(),
            description: row.description.clone(),
            enabled: row.enabled,
            halted: is_halted,
            paused: is_paused,
            trigger: if is_schedule { "schedule" } else { "webhook" }.to_owned(),
            ended: slices(&points, from, SLICE, SLICES),
            succeeded: activity.counts.succeeded,
            failed: activity.counts.failed + activity.counts.expired,
            p95: activity.counts.durations.quantile(0.95).and_then(|duration| i64::try_from(duration.as_micros()).ok()),
            last: activity.last,
        });
    }
    Ok(lines)
}

/// `GET /integrations/{tenant}/{name}`.
pub(super) async fn overview(caller: Caller, at: At, shown: web::Query<Shown>, saved: web::Query<Saved>) -> PageResult {
    let mut messages = Messages::of(caller.flash(&shown).await?);
    match (saved.saved, saved.changed) {
        (0, _) => {}
        (version, true) => messages.notice = notice(Tone::Good, "Saved", format!("Version {version} is the current one.").as_str()),
        (version, false) => messages.notice = notice(Tone::Idle, "No changes", format!("Version {version} has the same text.").as_str()),
    }
    page(&caller, &path(at)?, StatusCode::OK, &messages).await
}

/// Returns the page of one integration. `messages` has a message about the last action, and a form of a key that was refused.
pub(super) async fn page(caller: &Caller, path: &IntegrationPath, status: StatusCode, messages: &Messages) -> PageResult {
    let (actor, operations) = (&caller.actor, &caller.state.operations);
    operations.integration(actor, path).await?;
    let integration = operations.store().integration(path).await?;
    let definition = &integration.definition;
    let filter =
        Filter { tenants: Some(vec![path.tenant.clone()]), integration: Some(path.name.clone()), limit: LATEST, ..Filter::default() };
    let now = UnixMicros::now();
    let (statistics, latest, triggers, keys) = tokio::join!(
        statistics(caller, Some(&path.tenant), Some(vec![integration.id]), now, 60, 1),
        operations.list_executions(actor, filter),
        operations.list_triggers(actor, Some(&path.tenant)),
        operations.list_keys(actor, Some(&path.tenant)),
    );
    let (statistics, latest, triggers, keys) = (statistics?, latest?, triggers?, keys?);
    let halted: Vec<_> = triggers.into_iter().filter(|trigger| trigger.integration_id == integration.id).collect();
    let paused = halted.first().and_then(|trigger| trigger.paused.clone()).filter(Paused::accepts_calls);
    let (is_operator, is_developer) = (actor.has(&path.tenant, Role::Operator), actor.has(&path.tenant, Role::Developer));
    let diagnosed = caller.state.snapshot.current().diagnosed_until(integration.id).filter(|until| *until > now);
    let base = address(path.tenant.as_str(), path.name.as_str());
    let is_webhook = definition.trigger.webhook().is_some();
    let query = view::executions::SearchQuery { tenant: path.tenant.to_string(), integration: path.name.to_string(), ..Default::default() };
    let content = html! {
        (integration_tabs(path.tenant.as_str(), path.name.as_str(), "Overview", is_webhook))
        (messages.notice)
        @if !definition.enabled { (view::notice::notice(view::badge::Tone::Warn, "Disabled", "Calls get 404, schedules do not run, and queued calls wait until it is enabled.")) }
        div.stack id="paused" data-live { @if let Some(paused) = &paused { (view::pauses::notice_of(&path.to_string(), paused, is_operator)) } }
        div.stack id="halted" data-live { (view::monitor::halted(&halted, is_operator)) }
        div.halves {
            (card(if is_webhook { "Webhook" } else { "Schedule" }, &html! {}, &html! {
                (view::integrations::reached(definition, &caller.state.ingress_url))
                (view::integrations::rules(definition))
            }))
            (card("Workflow", &html! { a.button.small href={ (base) "/edit" } { "Edit" } }, &view::diagram::diagram(definition, view::diagram::Beside { states: None, places: None })))
        }
        div.stack id="statistics" data-live { (view::monitor::statistics(&statistics)) }
        section.card id="latest" data-live {
            header { h2 { "Latest executions" } div.actions { a.button.small href={ "/executions?" (query.query_string()) } { "All" } } }
            (view::executions::list(&latest, &view::executions::SearchQuery::default(), false))
        }
        @if let Some(key_use) = definition.trigger.webhook().and_then(|webhook| webhook.authentication.key_use()) {
            @let signs = key_use == KeyUse::Signs;
            @let all: Vec<view::keys::ListedKey> = keys.into_iter().map(view::keys::ListedKey::from).collect();
            @let (mine, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|key| key.integrations.iter().any(|one| *one == path.name.as_str()));
            @let title = match key_use { KeyUse::Signs => "Signing keys, and API keys for outcomes", KeyUse::Sends => "API keys" };
            (table_card(title, &html! {}, &view::keys::list(&mine, now, is_developer, path.name.as_str(), &base)))
            @if is_developer {
                @let this = [path.name.to_string()];
                @if !others.is_empty() { (card("Grant an existing key", &html! {}, &view::keys::picker(path.tenant.as_str(), &others.iter().collect::<Vec<_>>(), &this, &base))) }
                (card("Create a key", &html! {}, &messages.form(path.tenant.as_str(), &this, signs, &base)))
            }
        }
        @if paused.is_none() && is_operator { (view::pauses::form(&path.to_string())) }
        (view::integrations::diagnostics(&base, diagnosed, is_operator))
    };
    let head = html! {
        @if !is_webhook && is_operator { form method="post" action={ (base) "/run" } { button.button type="submit" { "Run now" } } }
        @if is_developer { (view::editor::switch(&path.to_string(), definition.enabled)) }
    };
    let title = path.to_string();
    let above = [("/integrations".to_owned(), "Integrations".to_owned())];
    let live = format!("/live?tenant={}&integration={}", path.tenant, path.name);
    let framed = Framed::new(caller, Section::Integrations, &title).above(&above).lead(&definition.description).live(&live);
    Ok(framed.show_as(status, &head, &content))
}

/// The two versions to compare.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Compared {
    from: i32,
    to: i32,
}

/// `GET /integrations/{tenant}/{name}/versions`.
pub(super) async fn versions(caller: Caller, at: At, compared: web::Query<Compared>) -> PageResult {
    let path = path(at)?;
    let all = caller.state.operations.versions(&caller.actor, &path).await?;
    let find = |number: i32| all.iter().find(|version| version.version == number);
    let pair = find(compared.from).zip(find(compared.to));
    let is_webhook = all.first().is_some_and(|current| current.document.pointer("/trigger/webhook").is_some());
    let content = html! {
        (integration_tabs(path.tenant.as_str(), path.name.as_str(), "Versions", is_webhook))
        (view::versions::versions(&all, pair, caller.actor.has(&path.tenant, Role::Developer)))
    };
    let title = path.to_string();
    let above = [("/integrations".to_owned(), "Integrations".to_owned())];
    Ok(Framed::new(&caller, Section::Integrations, &title).above(&above).show(&html! {}, &content))
}

/// `POST /integrations/{tenant}/{name}/rollback`.
pub(super) async fn rollback(caller: Caller, at: At, body: web::Bytes) -> PageResult {
    let (path, sent) = (path(at)?, Sent::read(&body));
    let expected = sent.given("current").and_then(|text| text.parse().ok());
    caller.state.operations.rollback(&caller.actor, &path, Some(sent.number("to")), expected).await?;
    Ok(see_other(&format!("{}/versions", address(path.tenant.as_str(), path.name.as_str()))))
}

/// `POST /integrations/{tenant}/{name}/enable`.
pub(super) async fn enable(caller: Caller, at: At) -> PageResult {
    switch(&caller, &path(at)?, true).await
}

/// `POST /integrations/{tenant}/{name}/disable`.
pub(super) async fn disable(caller: Caller, at: At) -> PageResult {
    switch(&caller, &path(at)?, false).await
}

/// Saves a new version that differs only in `enabled`; the rest of the text does not change.
async fn switch(caller: &Caller, path: &IntegrationPath, enabled: bool) -> PageResult {
    let current = caller.state.operations.integration(&caller.actor, path).await?;
    let new = switched(&current, enabled).map_err(|reason| Failure::new(StatusCode::CONFLICT, "refused", "Refused", reason))?;
    caller.state.operations.save(&caller.actor, &new, current.version).await?;
    Ok(see_other(&address(path.tenant.as_str(), path.name.as_str())))
}

fn switched(current: &StoredVersion, enabled: bool) -> Result<NewDefinition, String> {
    let field = if enabled { None } else { Some(json!(false)) };
    let edited = super::editor::text::with_fields(&current.text(), &[("enabled", field)])?;
    // The stored version already runs: rules that were added later must not prevent disabling it.
    let read = super::editor::parts::read_stored(&edited.source)
        .map_err(|problems| problems.iter().map(|one| one.message.clone()).collect::<Vec<_>>().join("; "))?;
    let definition: Definition = read.definition;
    Ok(NewDefinition { definition, document: read.document, source: edited.source })
}

/// `POST /integrations/{tenant}/{name}/run`.
pub(super) async fn run(caller: Caller, at: At) -> PageResult {
    let id = caller.state.operations.run_now(&caller.actor, &path(at)?).await?;
    Ok(see_other(&format!("/executions/{id}")))
}

/// `POST /integrations/{tenant}/{name}/diagnostics`.
pub(super) async fn diagnostics(caller: Caller, at: At, body: web::Bytes) -> PageResult {
    let (path, sent) = (path(at)?, Sent::read(&body));
    match sent.given("for") {
        None => {
            caller.state.operations.end_diagnosis(&caller.actor, &path).await?;
        }
        Some(text) => {
            let time = parse_duration(text).map_err(|error| Failure::bad_request(error.to_string()))?;
            match caller.state.operations.diagnose(&caller.actor, &path, time).await {
                Ok(_) => {}
                Err(OperationError::Store(error @ StoreError::Invalid { .. })) => {
                    return Err(Failure::bad_request(error.to_string()).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(see_other(&address(path.tenant.as_str(), path.name.as_str())))
}
