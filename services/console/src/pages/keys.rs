//! Keys of callers.

use super::error::{PageResult, see_other};
use super::flash::{Flash, Shown};
use super::frame::Framed;
use super::messages::Messages;
use super::sent::{Sent, name};
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::keys::ListedKey;
use crate::view::page::{Section, card};
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::{Name, Secret, UnixMicros, parse_duration};
use forebay_operations::OperationError;
use forebay_store::{KeyChange, NewKey, Role, StoreError};
use maud::html;
use uuid::Uuid;

/// `GET /keys`.
pub(super) async fn list(caller: Caller, shown: web::Query<Shown>) -> PageResult {
    let messages = Messages::of(caller.flash(&shown).await?);
    page(&caller, StatusCode::OK, &messages).await
}

async fn page(caller: &Caller, status: StatusCode, messages: &Messages) -> PageResult {
    let keys: Vec<ListedKey> = caller.state.operations.list_keys(&caller.actor, None).await?.into_iter().map(ListedKey::from).collect();
    let tenants: Vec<Name> = caller.state.tenants(&caller.actor.tenants(Role::Developer));
    let snapshot = caller.state.snapshot.current();
    let may_change = !tenants.is_empty();
    let content = html! {
        (messages.notice)
        section.card { (view::keys::list(&keys, UnixMicros::now(), may_change, "", "/keys")) }
        @for tenant in &tenants {
            @let names = names_of(&snapshot, tenant);
            @let existing: Vec<&ListedKey> = keys.iter().filter(|key| key.tenant == tenant.as_str()).collect();
            @if !names.is_empty() {
                @if !existing.is_empty() {
                    (card(&format!("Grant an existing key in {tenant}"), &html! {}, &view::keys::picker(tenant.as_str(), &existing, &names, "/keys")))
                }
                (card(&format!("Create a key in {tenant}"), &html! {}, &messages.form(tenant.as_str(), &names, false, "/keys")))
            }
        }
    };
    let framed = Framed::new(caller, Section::Keys, "API keys")
        .lead("Callers send a key as X-API-Key or Authorization: Bearer, or sign their calls with a signing key.");
    Ok(framed.show_as(status, &html! {}, &content))
}

fn names_of(snapshot: &forebay_store::Snapshot, tenant: &Name) -> Vec<String> {
    let all = snapshot.tenant_integrations(tenant.as_str()).unwrap_or_default();
    let mut names: Vec<String> = all.iter().map(|one| one.definition.name.to_string()).collect();
    names.sort();
    names
}

/// `POST /keys`.
pub(super) async fn create(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (label, back) = (sent.text("label").to_owned(), back_of(&sent).to_owned());
    let created = match new_key(&sent) {
        Ok(new) => caller.state.operations.create_key(&caller.actor, new).await,
        Err(reason) => Err(OperationError::Invalid(reason)),
    };
    let (status, notice, wrong) = match created {
        Ok(created) => {
            let flash = Flash::KeyCreated { label, key: created.key, signs: sent.has("signs") };
            return caller.redirect_with(&back, &flash).await;
        }
        Err(OperationError::KeyExists { key, .. }) => {
            let notice = view::keys::existing(&ListedKey::from(*key), sent.all("integrations"), UnixMicros::now(), &back);
            (StatusCode::CONFLICT, notice, String::new())
        }
        Err(OperationError::Invalid(reason)) => (StatusCode::UNPROCESSABLE_ENTITY, html! {}, reason),
        Err(OperationError::Store(
            error @ (StoreError::Invalid { .. }
            | StoreError::KeyExists
            | StoreError::UnknownIntegrations { .. }
            | StoreError::TooMany { .. }),
        )) => (StatusCode::UNPROCESSABLE_ENTITY, html! {}, error.to_string()),
        Err(error) => return Err(error.into()),
    };
    refused(&caller, &back, status, &Messages { notice, wrong, sent }).await
}

/// Returns the page from which the form was sent.
async fn refused(caller: &Caller, back: &str, status: StatusCode, messages: &Messages) -> PageResult {
    if let Some((tenant, integration)) = back.strip_prefix("/integrations/").and_then(|rest| rest.split_once('/')) {
        let path = forebay_contract::IntegrationPath { tenant: name(tenant)?, name: name(integration)? };
        return super::integrations::page(caller, &path, status, messages).await;
    }
    page(caller, status, messages).await
}

fn new_key(sent: &Sent) -> Result<NewKey, String> {
    let integrations = integrations_of(sent)?;
    if integrations.is_empty() {
        return Err("Select the integrations that the key may call.".to_owned());
    }
    let expires_at = match sent.given("expires") {
        None => None,
        Some(text) => {
            let lifetime = parse_duration(text).map_err(|error| format!("Expires in: {error}"))?;
            Some(UnixMicros::now() + lifetime)
        }
    };
    let value = sent.given("value").map(Secret::new);
    let tenant = sent.text("tenant").parse().map_err(|error: forebay_contract::NameError| error.to_string())?;
    Ok(NewKey {
        tenant,
        label: sent.text("label").to_owned(),
        integrations,
        value,
        expires_at,
        signs: sent.has("signs"),
        reads_all_outcomes: sent.has("allOutcomes"),
    })
}

fn integrations_of(sent: &Sent) -> Result<Vec<Name>, String> {
    sent.all("integrations").iter().map(|text| text.parse::<Name>().map_err(|error| error.to_string())).collect()
}

/// `POST /keys/grant`: an existing key may call more integrations.
pub(super) async fn grant(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let id: Uuid = sent.text("key").parse().map_err(|_| Failure::bad_request("Choose a key."))?;
    let change = |names| KeyChange { grant: names, ..KeyChange::default() };
    changed(&caller, id, change, &sent, "Key granted").await
}

/// `POST /keys/{id}/revoke`: a key may call fewer integrations.
pub(super) async fn revoke(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let change = |names| KeyChange { revoke: names, ..KeyChange::default() };
    changed(&caller, *id, change, &sent, "Key revoked").await
}

async fn changed(caller: &Caller, id: Uuid, change: impl Fn(Vec<Name>) -> KeyChange, sent: &Sent, title: &str) -> PageResult {
    // Checked before the fields: a person who may not change the key learns nothing else.
    let tenant = caller.state.operations.key(&caller.actor, id).await?.tenant;
    caller.actor.may(&tenant, Role::Developer).map_err(Failure::from)?;
    let names = integrations_of(sent).map_err(Failure::bad_request)?;
    if names.is_empty() {
        return Err(Failure::bad_request("Select an integration.").into());
    }
    let key = caller.state.operations.update_key(&caller.actor, id, change(names), None).await?;
    let names = if key.integrations.is_empty() { "no integration".to_owned() } else { key.integrations.join(", ") };
    let text = format!("'{}' may call {names}. The change applies within a second.", key.label);
    caller.redirect_with(back_of(sent), &Flash::Notice(title.to_owned(), text)).await
}

/// `POST /keys/{id}/edit`: the label, and the outcomes that the key reads. A signing key has no checkbox for these.
pub(super) async fn edit(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (label, reads_all_outcomes) = (Some(sent.text("label").to_owned()), Some(sent.has("allOutcomes")));
    let change = KeyChange { label, reads_all_outcomes, ..KeyChange::default() };
    caller.state.operations.update_key(&caller.actor, *id, change, None).await?;
    Ok(see_other(back_of(&sent)))
}

/// `POST /keys/{id}/delete`.
pub(super) async fn delete(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    caller.state.operations.delete_key(&caller.actor, *id, None).await.map_err(Failure::from)?;
    Ok(see_other(back_of(&Sent::read(&body))))
}

/// Returns the page from which a form was sent; never one of another site.
fn back_of(sent: &Sent) -> &str {
    let back = sent.text("back");
    let is_integration = back
        .strip_prefix("/integrations/")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte)));
    if is_integration { back } else { "/keys" }
}
