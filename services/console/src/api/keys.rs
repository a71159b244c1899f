//! Keys of callers.

use super::ApiResult;
use super::paging::{Paged, etag, expected, name, rfc3339};
use super::{Deleted, created, ok, ok_tagged};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_contract::{UnixMicros, parse_duration};
use forebay_store::{KeyChange, KeyRow, NewKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

/// A key of a caller; its value is not shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    id: Uuid,
    tenant: String,
    /// What it is for.
    label: String,
    /// The integrations that it opens, by name.
    integrations: Vec<String>,
    created_at: String,
    /// To the minute; null: no call has used it.
    last_used_at: Option<String>,
    /// Null: when it is deleted.
    expires_at: Option<String>,
    /// Its last characters, where it was generated.
    hint: Option<String>,
    /// A signing key: callers do not send it, they sign their calls with it.
    signs: bool,
    /// Reads the outcomes of all calls of its integrations, not only of its own.
    all_outcomes: bool,
}

fn shown(key: KeyRow) -> Key {
    Key {
        id: key.id,
        tenant: key.tenant.to_string(),
        label: key.label,
        integrations: key.integrations,
        created_at: rfc3339(key.created_at),
        last_used_at: key.last_used_at.map(rfc3339),
        expires_at: key.expires_at.map(rfc3339),
        hint: key.hint,
        signs: key.signs,
        all_outcomes: key.reads_all_outcomes,
    }
}

/// `GET /keys`.
pub(super) async fn list(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let keys = caller.state.operations.list_keys(&caller.actor, asked.tenant()?.as_ref()).await?;
    ok(asked.cut(keys, |key| format!("{} {} {}", key.tenant, key.label, key.id), shown)?)
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewKey)]
pub(super) struct New {
    tenant: String,
    /// What it is for; 1 to 200 characters.
    label: String,
    /// What it opens, by name.
    integrations: Vec<String>,
    /// A value that exists elsewhere already, of 16 to 512 visible ASCII characters, or of 8 to 512 bytes of any text where it signs; one
    /// is generated without.
    key: Option<String>,
    /// How long it lasts, such as `90d`; without, until it is deleted.
    lasts: Option<String>,
    /// A signing key: callers do not send it, they sign their calls with it.
    #[serde(default)]
    signs: bool,
    /// Reads the outcomes of all calls of its integrations, not only of its own; not for a signing key.
    #[serde(default)]
    all_outcomes: bool,
}

/// A key that was created: the only time that its value is seen.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// To change or delete it.
    pub id: Uuid,
    /// What callers send, or sign with.
    pub key: String,
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// `POST /keys`.
pub(super) async fn create(caller: Caller, new: web::Json<New>) -> ApiResult {
    let new = new.into_inner();
    let integrations = new.integrations.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>()?;
    let new = NewKey {
        tenant: name(&new.tenant)?,
        label: new.label,
        integrations,
        value: new.key,
        expires_at: new.lasts.as_deref().map(end).transpose()?,
        signs: new.signs,
        reads_all_outcomes: new.all_outcomes,
    };
    let key = caller.state.operations.create_key(&caller.actor, new).await?;
    created(&format!("/api/v1/keys/{}", key.id), CreatedKey { id: key.id, key: key.key })
}

fn end(lasts: &str) -> Result<UnixMicros, Failure> {
    let lasts = parse_duration(lasts).map_err(|error| Failure::invalid(format!("lasts: {error}")))?;
    Ok(UnixMicros::now() + lasts)
}

/// `GET /keys/{id}`.
pub(super) async fn get(caller: Caller, id: web::Path<Uuid>) -> ApiResult {
    let key = caller.state.operations.key(&caller.actor, *id).await?;
    ok_tagged(&etag(key.revision), shown(key))
}

/// What changes of a key; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = KeyChange)]
pub(super) struct Change {
    label: Option<String>,
    /// All that it opens from then on, by name.
    integrations: Option<Vec<String>>,
    /// What it opens as well, by name; what it opens already stays.
    grant: Option<Vec<String>>,
    /// What it no longer opens, by name; it must open it.
    revoke: Option<Vec<String>>,
    /// How long it lasts from now, such as `90d`, or `never`: until it is deleted.
    lasts: Option<String>,
    /// Reads the outcomes of all calls of its integrations, not only of its own; a signing key cannot.
    all_outcomes: Option<bool>,
}

/// `PATCH /keys/{id}`.
pub(super) async fn update(caller: Caller, request: HttpRequest, id: web::Path<Uuid>, change: web::Json<Change>) -> ApiResult {
    let change = change.into_inner();
    let names = |all: Vec<String>| all.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>();
    let integrations = change.integrations.map(names).transpose()?;
    let expires_at = match change.lasts.as_deref() {
        None => None,
        Some("never") => Some(None),
        Some(lasts) => Some(Some(end(lasts)?)),
    };
    let (grant, revoke) = (names(change.grant.unwrap_or_default())?, names(change.revoke.unwrap_or_default())?);
    let reads_all_outcomes = change.all_outcomes;
    let change = KeyChange { label: change.label, integrations, grant, revoke, expires_at, reads_all_outcomes };
    let key = caller.state.operations.update_key(&caller.actor, *id, change, expected(&request)?).await?;
    ok_tagged(&etag(key.revision), shown(key))
}

/// `DELETE /keys/{id}`.
pub(super) async fn delete(caller: Caller, request: HttpRequest, id: web::Path<Uuid>) -> ApiResult {
    caller.state.operations.delete_key(&caller.actor, *id, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}
