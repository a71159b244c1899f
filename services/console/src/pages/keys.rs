//! Keys of callers.

use super::sent::Sent;
use super::{Framed, PageResult, name, see_other};
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::page::{Section, card};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use forebay_contract::{Name, parse_duration, unix_micros};
use forebay_operations::OperationError;
use forebay_store::{KeyChange, KeyRow, NewKey, Role, StoreError};
use maud::{Markup, html};
use uuid::Uuid;

/// `GET /keys`.
pub(super) async fn list(caller: Caller) -> PageResult {
    page(&caller, StatusCode::OK, &html! {}, "").await
}

async fn page(caller: &Caller, status: StatusCode, said: &Markup, wrong: &str) -> PageResult {
    let operations = &caller.state.operations;
    let keys: Vec<view::keys::Line> = operations.list_keys(&caller.actor, None).await?.into_iter().map(line).collect();
    let tenants: Vec<Name> = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let snapshot = caller.state.snapshot.current();
    let may_change = !tenants.is_empty();
    let content = html! {
        (said)
        section.card { (view::keys::list(&keys, unix_micros(), may_change)) }
        @for tenant in &tenants {
            @let names = names_of(&snapshot, tenant);
            @if !names.is_empty() {
                (card(&format!("Add a key in {tenant}"), &html! {}, &view::keys::form(tenant.as_str(), &names, false, wrong, "/keys")))
            }
        }
    };
    let framed = Framed::new(caller, Section::Keys, "API keys")
        .lead("Callers send one as X-API-Key or Authorization: Bearer, or sign their calls with one.");
    Ok(framed.show_as(status, &html! {}, &content))
}

fn names_of(snapshot: &forebay_store::Snapshot, tenant: &Name) -> Vec<String> {
    let all = snapshot.tenant_integrations(tenant.as_str()).unwrap_or_default();
    let mut names: Vec<String> = all.iter().map(|one| one.definition.name.to_string()).collect();
    names.sort();
    names
}

pub(super) fn line(key: KeyRow) -> view::keys::Line {
    view::keys::Line {
        id: key.id.to_string(),
        tenant: key.tenant.to_string(),
        label: key.label,
        hint: key.hint.unwrap_or_default(),
        integrations: key.integrations,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        expires_at: key.expires_at,
        signs: key.signs,
    }
}

/// `POST /keys`.
pub(super) async fn create(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let back = sent.text("back");
    let label = sent.text("label").to_owned();
    let created = match new_key(&sent) {
        Ok(new) => caller.state.operations.create_key(&caller.actor, new).await,
        Err(why) => Err(OperationError::Invalid(why)),
    };
    match created {
        Ok(created) => shown(&caller, back, StatusCode::CREATED, &view::keys::created(&label, &created.key, sent.has("signs")), "").await,
        Err(OperationError::Invalid(why)) => shown(&caller, back, StatusCode::UNPROCESSABLE_ENTITY, &html! {}, &why).await,
        Err(OperationError::Store(
            error @ (StoreError::Invalid { .. } | StoreError::KeyExists | StoreError::UnknownIntegrations { .. }),
        )) => shown(&caller, back, StatusCode::UNPROCESSABLE_ENTITY, &html! {}, &error.to_string()).await,
        Err(error) => Err(error.into()),
    }
}

/// The key is shown on the page from which it was made, and only there: nothing of it is in an address.
async fn shown(caller: &Caller, back: &str, status: StatusCode, said: &Markup, wrong: &str) -> PageResult {
    if let Some((tenant, integration)) = back.strip_prefix("/integrations/").and_then(|rest| rest.split_once('/')) {
        let path = forebay_contract::IntegrationPath { tenant: name(tenant)?, name: name(integration)? };
        return super::integrations::page(caller, &path, status, said, wrong).await;
    }
    page(caller, status, said, wrong).await
}

fn new_key(sent: &Sent) -> Result<NewKey, String> {
    let named = |text: &str| text.parse::<Name>().map_err(|error| error.to_string());
    let integrations = sent.all("integrations").iter().map(|text| named(text)).collect::<Result<Vec<_>, _>>()?;
    if integrations.is_empty() {
        return Err("Choose what the key opens.".to_owned());
    }
    let expires_at = match sent.given("expires") {
        None => None,
        Some(text) => {
            let lasts = parse_duration(text).map_err(|error| format!("Lasts: {error}"))?;
            Some(unix_micros().saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX)))
        }
    };
    let value = sent.given("value").map(str::to_owned);
    Ok(NewKey {
        tenant: named(sent.text("tenant"))?,
        label: sent.text("label").to_owned(),
        integrations,
        value,
        expires_at,
        signs: sent.has("signs"),
    })
}

/// `POST /keys/{id}/label`.
pub(super) async fn relabel(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let change = KeyChange { label: Some(sent.text("label").to_owned()), ..KeyChange::default() };
    caller.state.operations.update_key(&caller.actor, *id, change, None).await?;
    Ok(back_to(&sent))
}

/// `POST /keys/{id}/delete`.
pub(super) async fn delete(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    caller.state.operations.delete_key(&caller.actor, *id, None).await.map_err(Failure::from)?;
    Ok(back_to(&Sent::read(&body)))
}

fn back_to(sent: &Sent) -> HttpResponse {
    let back = sent.text("back");
    see_other(if back.starts_with("/integrations/") { back } else { "/keys" })
}
