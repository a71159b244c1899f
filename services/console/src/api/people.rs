//! Users, tokens, tenants, oneself, and the audit log.

use super::paging::{Page, Paged, etag, expected, limit, name, rfc3339, time, whole};
use super::{ApiResult, Deleted, created, ok, ok_tagged, required};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use forebay_contract::parse_duration;
use forebay_operations::PersonChange;
use forebay_store::{AuditEntry, AuditFilter, DocsAccess, Grants, NewToken, Role, Scope, TenantRow, TokenRow, UserRow};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

/// A petabyte: more than anybody keeps, and a number that JSON has exactly.
pub(super) const MAX_PAYLOAD_BYTES: i64 = 1_000_000_000_000_000;

/// Somebody who may sign in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    id: Uuid,
    /// What is typed to sign in, in lower case.
    name: String,
    full_name: String,
    enabled: bool,
    /// A role by tenant; `*`: every tenant.
    #[schema(value_type = Object)]
    grants: Map<String, Value>,
    has_password: bool,
    created_at: String,
    last_sign_in_at: Option<String>,
}

fn grants_of(grants: &Grants) -> Map<String, Value> {
    grants.iter().map(|(scope, role)| (scope.to_string(), role.as_str().into())).collect()
}

fn user(row: UserRow) -> User {
    User {
        id: row.id,
        grants: grants_of(&row.grants),
        name: row.name,
        full_name: row.full_name,
        enabled: row.enabled,
        has_password: row.has_password,
        created_at: rfc3339(row.created_at),
        last_sign_in_at: row.last_sign_in_at.map(rfc3339),
    }
}

/// `GET /users`.
pub(super) async fn users(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_users(&caller.actor).await?;
    ok(asked.cut(rows, |row| row.name.clone(), user)?)
}

/// `GET /users/{id}`.
pub(super) async fn get_user(caller: Caller, id: web::Path<Uuid>) -> ApiResult {
    let row = caller.state.operations.user(&caller.actor, *id).await?;
    ok_tagged(&etag(row.revision), user(row))
}

/// Somebody to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewUser {
    /// What is typed to sign in; for single sign-on, the address that the provider vouches for.
    name: String,
    #[serde(default)]
    full_name: String,
    /// 12 to 200 characters; without, by single sign-on only.
    password: Option<String>,
    /// A role by tenant; `*`: every tenant.
    #[serde(default)]
    grants: BTreeMap<String, String>,
}

fn read_grants(grants: &BTreeMap<String, String>) -> Result<Grants, Failure> {
    let read = |(scope, role): (&String, &String)| Ok((scope.parse::<Scope>()?, role.parse::<Role>()?));
    grants.iter().map(read).collect::<Result<Grants, String>>().map_err(|why| Failure::invalid(format!("grants: {why}")))
}

/// `POST /users`.
pub(super) async fn create_user(caller: Caller, new: web::Json<NewUser>) -> ApiResult {
    let NewUser { name, full_name, password, grants } = new.into_inner();
    let row = caller.state.operations.create_user(&caller.actor, name, full_name, password, read_grants(&grants)?).await?;
    created(&format!("/api/v1/users/{}", row.id), user(row))
}

/// What changes of somebody; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UserChange {
    full_name: Option<String>,
    enabled: Option<bool>,
    /// All roles from then on.
    grants: Option<BTreeMap<String, String>>,
    /// A new password; every session and token of theirs ends.
    password: Option<String>,
}

/// `PATCH /users/{id}`.
pub(super) async fn update_user(caller: Caller, request: HttpRequest, id: web::Path<Uuid>, change: web::Json<UserChange>) -> ApiResult {
    let UserChange { full_name, enabled, grants, password } = change.into_inner();
    let grants = grants.as_ref().map(read_grants).transpose()?;
    let change = PersonChange { full_name, enabled, grants, password };
    let row = caller.state.operations.update_user(&caller.actor, *id, change, expected(&request)?).await?;
    ok_tagged(&etag(row.revision), user(row))
}

/// `DELETE /users/{id}`.
pub(super) async fn delete_user(caller: Caller, request: HttpRequest, id: web::Path<Uuid>) -> ApiResult {
    caller.state.operations.delete_user(&caller.actor, *id, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}

/// An API token; its text is not stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    id: Uuid,
    /// Its owner's name.
    owner: String,
    label: String,
    hint: String,
    /// The strongest role that it has.
    role: String,
    /// Where it holds; `*`: wherever its owner may do something.
    tenants: Vec<String>,
    created_at: String,
    expires_at: String,
    last_used_at: Option<String>,
}

fn token(row: TokenRow) -> Token {
    Token {
        id: row.id,
        owner: row.user_name,
        label: row.label,
        hint: row.hint,
        role: row.role.to_string(),
        tenants: row.scopes.iter().map(ToString::to_string).collect(),
        created_at: rfc3339(row.created_at),
        expires_at: rfc3339(row.expires_at),
        last_used_at: row.last_used_at.map(rfc3339),
    }
}

/// `GET /tokens`.
pub(super) async fn tokens(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let rows = caller.state.operations.list_tokens(&caller.actor).await?;
    ok(asked.cut(rows, |row| format!("{} {} {}", row.user_name, row.label, row.id), token)?)
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewToken)]
pub(super) struct NewTokenAsked {
    label: String,
    /// The strongest role that it has.
    role: String,
    /// Where it holds; `*`: wherever its owner may do something.
    tenants: Vec<String>,
    /// Such as `90d`; at most `366d`.
    lasts: String,
    /// Its owner, for administrators of everything; oneself without.
    user: Option<Uuid>,
}

/// A token that was created: the only time that its text is seen.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// To delete it.
    pub id: Uuid,
    /// What programs send.
    pub token: String,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// `POST /tokens`.
pub(super) async fn create_token(caller: Caller, new: web::Json<NewTokenAsked>) -> ApiResult {
    let new = new.into_inner();
    let user = new.user.or_else(|| caller.actor.user_id());
    let user = user.ok_or_else(|| Failure::invalid("user: the person at the host has no tokens; say whose it is"))?;
    let lasts = parse_duration(&new.lasts).map_err(|error| Failure::invalid(format!("lasts: {error}")))?;
    let scopes: Result<Vec<Scope>, String> = new.tenants.iter().map(|text| text.parse()).collect();
    let scopes = scopes.map_err(|why| Failure::invalid(format!("tenants: {why}")))?;
    let role = new.role.parse().map_err(|why| Failure::invalid(format!("role: {why}")))?;
    let made = caller.state.operations.create_token(&caller.actor, NewToken { user, label: new.label, role, scopes, lasts }).await?;
    created("/api/v1/tokens", CreatedToken { id: made.id, token: made.token })
}

/// `DELETE /tokens/{id}`.
pub(super) async fn delete_token(caller: Caller, id: web::Path<Uuid>) -> ApiResult {
    caller.state.operations.delete_token(&caller.actor, *id).await?;
    ok(Deleted { deleted: true })
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    name: String,
    /// A role by tenant; `*`: every tenant.
    #[schema(value_type = Object)]
    grants: Map<String, Value>,
}

/// `GET /me`.
pub(super) async fn me(caller: Caller) -> ApiResult {
    ok(Me { name: caller.actor.name().to_owned(), grants: grants_of(caller.actor.grants()) })
}

/// A tenant and what is set for it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tenant {
    tenant: String,
    integrations: i64,
    /// Who may read the documentation of its webhooks: `key` or `open`, or `off`.
    docs: String,
    /// Bytes of payloads that are kept; null: all.
    payload_bytes: Option<i64>,
}

fn tenant(row: TenantRow) -> Tenant {
    Tenant { tenant: row.name.to_string(), integrations: row.integrations, docs: row.docs.to_string(), payload_bytes: row.payload_bytes }
}

/// `GET /tenants`.
pub(super) async fn tenants(caller: Caller, asked: web::Query<Paged>) -> ApiResult {
    let wanted = asked.tenant()?;
    let mut rows = caller.state.operations.list_tenants(&caller.actor).await?;
    rows.retain(|row| wanted.as_ref().is_none_or(|wanted| row.name == *wanted));
    ok(asked.cut(rows, |row| row.name.to_string(), tenant)?)
}

/// What is set for a tenant; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TenantChange {
    /// Who may read the documentation of its webhooks.
    docs: Option<String>,
    /// Bytes of payloads that are kept, or `all`.
    payload_bytes: Option<Value>,
}

/// `PATCH /tenants/{tenant}`.
pub(super) async fn update_tenant(caller: Caller, named: web::Path<String>, body: web::Bytes) -> ApiResult {
    let tenant = name(&named).map_err(|failure| Failure::not_found(failure.detail))?;
    caller.actor.may(&tenant, Role::Administrator)?;
    let change: TenantChange = required(&body)?;
    let docs: Option<DocsAccess> =
        change.docs.as_deref().map(str::parse).transpose().map_err(|why| Failure::invalid(format!("docs: {why}")))?;
    let bytes = match &change.payload_bytes {
        None => None,
        Some(Value::String(all)) if all == "all" => Some(None),
        Some(number) => match whole::<_, i64>(number) {
            Ok(Some(bytes)) if (0..=MAX_PAYLOAD_BYTES).contains(&bytes) => Some(u64::try_from(bytes).ok()),
            _ => return Err(Failure::invalid("payloadBytes: write a whole number of bytes, at most a petabyte, or \"all\"").into()),
        },
    };
    if let Some(docs) = docs {
        caller.state.operations.set_tenant_docs(&caller.actor, &tenant, docs).await?;
    }
    if let Some(bytes) = bytes {
        caller.state.operations.set_tenant_payload_bytes(&caller.actor, &tenant, bytes).await?;
    }
    let rows = caller.state.operations.list_tenants(&caller.actor).await?;
    let row = rows.into_iter().find(|row| row.name == tenant);
    ok(self::tenant(row.ok_or_else(|| Failure::not_found(format!("the tenant {tenant} does not exist")))?))
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLine)]
pub(super) struct Line {
    id: i64,
    at: String,
    by: String,
    /// `user`, `token`, `host`, `system`, or `anonymous`: somebody who could not sign in.
    by_kind: String,
    /// The address of the client; null: not by HTTP.
    address: Option<String>,
    tenant: Option<String>,
    /// Such as `key.create`.
    action: String,
    target: String,
    before: Value,
    after: Value,
}

fn line(row: AuditEntry) -> Line {
    Line {
        id: row.id,
        at: rfc3339(row.at),
        by: row.principal.name,
        by_kind: row.principal.kind.as_str().to_owned(),
        address: row.principal.address.map(|address| address.to_string()),
        tenant: row.tenant.map(|tenant| tenant.to_string()),
        action: row.action,
        target: row.target,
        before: row.before.unwrap_or_default(),
        after: row.after.unwrap_or_default(),
    }
}

/// Which lines are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditAsked {
    tenant: Option<String>,
    by: Option<String>,
    action: Option<String>,
    target: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl AuditAsked {
    /// `before`: older than this line.
    fn filter(&self, before: Option<i64>, limit: u32) -> Result<AuditFilter, Failure> {
        Ok(AuditFilter {
            tenants: self.tenant.as_deref().map(name).transpose()?.map(|tenant| vec![tenant]),
            by: self.by.clone(),
            action: self.action.clone(),
            target: self.target.clone(),
            since: self.since.as_deref().map(|text| time("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| time("until", text)).transpose()?,
            before,
            limit,
        })
    }
}

/// `GET /audit`.
pub(super) async fn audit(caller: Caller, asked: web::Query<AuditAsked>) -> ApiResult {
    let most = limit(asked.limit)?;
    let broken = |_| Failure::bad_request("cursor: is not one that a listing has given");
    let before = asked.cursor.as_deref().map(str::parse).transpose().map_err(broken)?;
    let mut rows = caller.state.operations.list_audit(&caller.actor, asked.filter(before, most + 1)?).await?;
    let has_more = rows.len() > most as usize;
    rows.truncate(most as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    ok(Page { items: rows.into_iter().map(line).collect(), next })
}

/// Lines of the audit log that are read at once for an export.
const EXPORT_PART: u32 = 500;

/// `GET /audit/export`: every line that fits, the newest first, as JSON lines. It ends early, without the last line break, where the database
/// went away.
pub(super) async fn export_audit(caller: Caller, asked: web::Query<AuditAsked>) -> ApiResult {
    let filter = asked.filter(None, EXPORT_PART)?;
    // The first part before the answer begins: what is not allowed is said.
    let first = caller.state.operations.list_audit(&caller.actor, filter.clone()).await?;
    let parts = stream::unfold(Some(first), move |rows| {
        let (caller, filter) = (caller.clone(), filter.clone());
        async move {
            let rows = rows?;
            let last = rows.last().map(|row| row.id).filter(|_| rows.len() == EXPORT_PART as usize);
            let text: String = rows.into_iter().map(|row| format!("{}\n", json!(line(row)))).collect();
            let next = match last {
                None => Ok(None),
                Some(id) => caller.state.operations.list_audit(&caller.actor, AuditFilter { before: Some(id), ..filter }).await.map(Some),
            };
            match next {
                Ok(next) => Some((Ok(Bytes::from(text)), next)),
                Err(error) => Some((Err(actix_web::error::ErrorInternalServerError(error.to_string())), None)),
            }
        }
    });
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/jsonl")).streaming(parts))
}
