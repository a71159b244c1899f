//! Users, tokens, tenants and the caller.

use super::paging::{cut, etag, expected, name_in_path, tenant};
use super::response::{ApiResult, created, ok, ok_tagged, required};
use crate::auth::Caller;
use crate::failure::Failure;
use actix_web::{HttpRequest, web};
use forebay_admin_api::tenants::{Tenant, UpdateTenantRequest};
use forebay_admin_api::tokens::{CreateTokenRequest, CreatedToken, Token};
use forebay_admin_api::users::{CreateUserRequest, Me, UpdateUserRequest, User};
use forebay_admin_api::{Deleted, FullName, IdPath, ListQuery, PageQuery, Password, RoleName, TenantPath, TenantScope, Time};
use forebay_operations::PersonChange;
use forebay_store::{DocsAccess, Grants, NewToken, Role, Scope, TenantRow, TokenRow, UserRow};
use std::collections::BTreeMap;

fn grants_of(grants: &Grants) -> BTreeMap<String, String> {
    grants.iter().map(|(scope, role)| (scope.to_string(), role.to_string())).collect()
}

fn user(row: UserRow) -> User {
    User {
        id: row.id,
        grants: grants_of(&row.grants),
        name: row.name,
        full_name: row.full_name,
        enabled: row.enabled,
        has_password: row.has_password,
        created_at: Time::from(row.created_at),
        last_sign_in_at: row.last_sign_in_at.map(Time::from),
    }
}

/// `GET /users`.
pub(super) async fn users(caller: Caller, query: web::Query<PageQuery>) -> ApiResult {
    let rows = caller.state.operations.list_users(&caller.actor).await?;
    ok(cut(&*query, rows, |row| row.name.clone(), user)?)
}

/// `GET /users/{id}`.
pub(super) async fn get_user(caller: Caller, at: web::Path<IdPath>) -> ApiResult {
    let row = caller.state.operations.user(&caller.actor, at.id).await?;
    ok_tagged(&etag(row.revision), user(row))
}

fn read_grants(grants: &BTreeMap<TenantScope, RoleName>) -> Result<Grants, Failure> {
    let read = |(scope, role): (&TenantScope, &RoleName)| Ok((scope.as_str().parse::<Scope>()?, role.as_str().parse::<Role>()?));
    grants.iter().map(read).collect::<Result<Grants, String>>().map_err(|reason| Failure::invalid(format!("grants: {reason}")))
}

/// `POST /users`.
pub(super) async fn create_user(caller: Caller, request: web::Json<CreateUserRequest>) -> ApiResult {
    let CreateUserRequest { name, full_name, password, grants } = request.into_inner();
    let (name, full_name, password) = (name.into_string(), full_name.into_string(), password.map(Password::into_secret));
    let row = caller.state.operations.create_user(&caller.actor, name, full_name, password, read_grants(&grants)?).await?;
    created(&format!("/api/v1/users/{}", row.id), user(row))
}

/// `PATCH /users/{id}`.
pub(super) async fn update_user(
    caller: Caller,
    http: HttpRequest,
    at: web::Path<IdPath>,
    request: web::Json<UpdateUserRequest>,
) -> ApiResult {
    let UpdateUserRequest { full_name, enabled, grants, password } = request.into_inner();
    let change = PersonChange {
        full_name: full_name.map(FullName::into_string),
        enabled,
        grants: grants.as_ref().map(read_grants).transpose()?,
        password: password.map(Password::into_secret),
    };
    let row = caller.state.operations.update_user(&caller.actor, at.id, change, expected(&http)?).await?;
    ok_tagged(&etag(row.revision), user(row))
}

/// `DELETE /users/{id}`.
pub(super) async fn delete_user(caller: Caller, request: HttpRequest, at: web::Path<IdPath>) -> ApiResult {
    caller.state.operations.delete_user(&caller.actor, at.id, expected(&request)?).await?;
    ok(Deleted { deleted: true })
}

fn token(row: TokenRow) -> Token {
    Token {
        id: row.id,
        owner: row.user_name,
        label: row.label,
        hint: row.hint,
        role: row.role.to_string(),
        tenants: row.scopes.iter().map(ToString::to_string).collect(),
        created_at: Time::from(row.created_at),
        expires_at: Time::from(row.expires_at),
        last_used_at: row.last_used_at.map(Time::from),
    }
}

/// `GET /tokens`.
pub(super) async fn tokens(caller: Caller, query: web::Query<PageQuery>) -> ApiResult {
    let rows = caller.state.operations.list_tokens(&caller.actor).await?;
    ok(cut(&*query, rows, |row| format!("{} {} {}", row.user_name, row.label, row.id), token)?)
}

/// `POST /tokens`.
pub(super) async fn create_token(caller: Caller, request: web::Json<CreateTokenRequest>) -> ApiResult {
    let request = request.into_inner();
    let user = request.user.or_else(|| caller.actor.user_id());
    let user = user.ok_or_else(|| Failure::invalid("user: is required at the host; send the id of the token's owner"))?;
    let lifetime = request.expires_in.parse().map_err(|error| Failure::invalid(format!("expiresIn: {error}")))?;
    let scopes: Result<Vec<Scope>, String> = request.tenants.iter().map(|text| text.as_str().parse()).collect();
    let scopes = scopes.map_err(|reason| Failure::invalid(format!("tenants: {reason}")))?;
    let role = request.role.as_str().parse().map_err(|reason| Failure::invalid(format!("role: {reason}")))?;
    let new = NewToken { user, label: request.label.into_string(), role, scopes, lifetime };
    let new = caller.state.operations.create_token(&caller.actor, new).await?;
    created("/api/v1/tokens", CreatedToken { id: new.id, token: new.token })
}

/// `DELETE /tokens/{id}`.
pub(super) async fn delete_token(caller: Caller, at: web::Path<IdPath>) -> ApiResult {
    caller.state.operations.delete_token(&caller.actor, at.id).await?;
    ok(Deleted { deleted: true })
}

/// `GET /me`.
pub(super) async fn me(caller: Caller) -> ApiResult {
    ok(Me { name: caller.actor.name().to_owned(), grants: grants_of(caller.actor.grants()) })
}

fn shown_tenant(row: TenantRow) -> Tenant {
    Tenant { tenant: row.name.to_string(), integrations: row.integrations, docs: row.docs.to_string(), payload_bytes: row.payload_bytes }
}

/// `GET /tenants`.
pub(super) async fn tenants(caller: Caller, query: web::Query<ListQuery>) -> ApiResult {
    let requested = tenant(query.tenant.as_ref())?;
    let mut rows = caller.state.operations.list_tenants(&caller.actor).await?;
    rows.retain(|row| requested.as_ref().is_none_or(|name| row.name == *name));
    ok(cut(&*query, rows, |row| row.name.to_string(), shown_tenant)?)
}

/// `PATCH /tenants/{tenant}`.
pub(super) async fn update_tenant(caller: Caller, at: web::Path<TenantPath>, body: web::Bytes) -> ApiResult {
    let tenant = name_in_path(&at.tenant)?;
    caller.actor.may(&tenant, Role::Administrator)?;
    let change: UpdateTenantRequest = required(&body)?;
    let docs: Option<DocsAccess> =
        change.docs.as_ref().map(|docs| docs.as_str().parse()).transpose().map_err(|reason| Failure::invalid(format!("docs: {reason}")))?;
    let not_valid = || Failure::invalid("payloadBytes: write a whole number of bytes, at most a petabyte, or \"all\"");
    let bytes = change.payload_bytes.as_ref().map(|limit| limit.read().ok_or_else(not_valid)).transpose()?;
    if let Some(docs) = docs {
        caller.state.operations.set_tenant_docs(&caller.actor, &tenant, docs).await?;
    }
    if let Some(bytes) = bytes {
        caller.state.operations.set_tenant_payload_bytes(&caller.actor, &tenant, bytes).await?;
    }
    let rows = caller.state.operations.list_tenants(&caller.actor).await?;
    let row = rows.into_iter().find(|row| row.name == tenant);
    ok(shown_tenant(row.ok_or_else(|| Failure::not_found(format!("the tenant {tenant} does not exist")))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_admin_api::DocsAccessName;

    #[test]
    fn the_words_of_requests_are_those_of_the_store() {
        assert_eq!(RoleName::ALL, Role::ALL.map(Role::as_str));
        for word in DocsAccessName::ALL {
            assert_eq!(word.parse::<DocsAccess>().unwrap().to_string(), word);
        }
    }
}
