//! Keys of callers.

use super::paging::{cut, etag, expected, name, tenant};
use super::response::{ApiResult, created, ok, ok_tagged};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_admin_api::keys::{CreateKeyRequest, CreatedKey, Key, UpdateKeyRequest};
use forebay_admin_api::{Deleted, IdPath, KeyLabel, KeyValue, ListQuery, NameText, Time};
use forebay_contract::{DurationError, Name, UnixMicros};
use forebay_store::{KeyChange, KeyRow, NewKey};
use std::time::Duration;

fn shown(key: KeyRow) -> Key {
    Key {
        id: key.id,
        tenant: key.tenant.to_string(),
        label: key.label,
        integrations: key.integrations,
        created_at: Time::from(key.created_at),
        last_used_at: key.last_used_at.map(Time::from),
        expires_at: key.expires_at.map(Time::from),
        hint: key.hint,
        signs: key.signs,
        all_outcomes: key.reads_all_outcomes,
    }
}

/// `GET /keys`.
pub(super) async fn list(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let keys = caller.state.operations.list_keys(&caller.actor, tenant(query.tenant.as_ref())?.as_ref()).await?;
    ok(cut(&*query, keys, |key| format!("{} {} {}", key.tenant, key.label, key.id), shown)?)
}

/// `POST /keys`.
pub(super) async fn create(caller: Caller, request: web::Json<CreateKeyRequest>) -> ApiResult {
    let request = request.into_inner();
    let new = NewKey {
        integrations: names(&request.integrations)?,
        tenant: name(&request.tenant)?,
        label: request.label.into_string(),
        value: request.key.map(KeyValue::into_secret),
        expires_at: request.expires_in.map(|expires_in| expires_in.parse()).transpose().map_err(not_valid)?.map(expiry),
        signs: request.signs,
        reads_all_outcomes: request.all_outcomes,
    };
    let key = caller.state.operations.create_key(&caller.actor, new).await?;
    created(&format!("/api/v1/keys/{}", key.id), CreatedKey { id: key.id, key: key.key })
}

fn names(texts: &[NameText]) -> Result<Vec<Name>, Failure> {
    texts.iter().map(name).collect()
}

fn not_valid(error: DurationError) -> Failure {
    Failure::invalid(format!("expiresIn: {error}"))
}

fn expiry(expires_in: Duration) -> UnixMicros {
    UnixMicros::now() + expires_in
}

/// `GET /keys/{id}`.
pub(super) async fn get(caller: Caller, at: web::Path<IdPath>) -> ApiResult {
    let key = caller.state.operations.key(&caller.actor, at.id).await?;
    ok_tagged(&etag(key.revision), shown(key))
}

/// `PATCH /keys/{id}`.
pub(super) async fn update(caller: Caller, http: HttpRequest, at: web::Path<IdPath>, request: web::Json<UpdateKeyRequest>) -> ApiResult {
    let UpdateKeyRequest { label, integrations, grant, revoke, expires_in, all_outcomes } = request.into_inner();
    let expires_at = expires_in.map(|expires_in| expires_in.parse()).transpose().map_err(not_valid)?;
    let change = KeyChange {
        label: label.map(KeyLabel::into_string),
        integrations: integrations.as_deref().map(names).transpose()?,
        grant: names(&grant.unwrap_or_default())?,
        revoke: names(&revoke.unwrap_or_default())?,
        expires_at: expires_at.map(|expires_in| expires_in.map(expiry)),
        reads_all_outcomes: all_outcomes,
    };
    let key = caller.state.operations.update_key(&caller.actor, at.id, change, expected(&http)?).await?;
    ok_tagged(&etag(key.revision), shown(key))
}

/// `DELETE /keys/{id}`.
pub(super) async fn delete(caller: Caller, request: HttpRequest, at: web::Path<IdPath>) -> ApiResult {
    caller.state.operations.delete_key(&caller.actor, at.id, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}
