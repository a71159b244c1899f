//! Users, tokens, and the audit log.

use super::error::{PageResult, see_other};
use super::flash::{Flash, Shown};
use super::frame::Framed;
use super::sent::Sent;
use crate::auth::Caller;
use crate::failure::Failure;
use crate::view;
use crate::view::page::Section;
use actix_web::http::StatusCode;
use actix_web::web;
use forebay_contract::{Name, Secret, UnixMicros, parse_duration};
use forebay_operations::{OperationError, PersonChange};
use forebay_store::{AuditFilter, Grants, NewToken, Role, Scope, StoreError};
use maud::html;
use uuid::Uuid;

/// Entries of the audit log on one page.
const LINES: u32 = 50;

/// `GET /users`.
pub(super) async fn users(caller: Caller) -> PageResult {
    user_page(&caller, StatusCode::OK, "").await
}

async fn user_page(caller: &Caller, status: StatusCode, wrong: &str) -> PageResult {
    user_page_with(caller, status, wrong, &Sent::default()).await
}

/// Returns the page with the form of a new user as it was sent.
async fn user_page_with(caller: &Caller, status: StatusCode, wrong: &str, sent: &Sent) -> PageResult {
    let rows = caller.state.operations.list_users(&caller.actor).await?;
    let users: Vec<view::people::User> = rows
        .into_iter()
        .map(|user| view::people::User {
            id: user.id.to_string(),
            grants: user.grants.iter().map(|(scope, role)| (scope.to_string(), role.to_string())).collect(),
            name: user.name,
            full_name: user.full_name,
            enabled: user.enabled,
            last_sign_in_at: user.last_sign_in_at,
            revision: user.revision,
        })
        .collect();
    let new = view::people::NewUser {
        name: sent.text("name"),
        full_name: sent.text("full_name"),
        tenant: sent.text("tenant"),
        role: sent.text("role"),
    };
    let framed = Framed::new(caller, Section::Users, "Users");
    Ok(framed.show_as(status, &html! {}, &view::people::users(&users, wrong, &new)))
}

/// `POST /users`.
pub(super) async fn add_user(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let grants = match granted(&sent) {
        Ok(grants) => grants,
        Err(reason) => return user_page_with(&caller, StatusCode::UNPROCESSABLE_ENTITY, &reason, &sent).await,
    };
    let password = Some(sent.text("password")).filter(|text| !text.is_empty()).map(Secret::new);
    let (name, full_name) = (sent.text("name").to_owned(), sent.text("full_name").to_owned());
    match caller.state.operations.create_user(&caller.actor, name, full_name, password, grants).await {
        Ok(_) => Ok(see_other("/users")),
        Err(error) => user_page_with(&caller, StatusCode::UNPROCESSABLE_ENTITY, &message_of(error)?, &sent).await,
    }
}

fn granted(sent: &Sent) -> Result<Grants, String> {
    let (scope, role): (Scope, Role) = (sent.text("tenant").trim().parse()?, sent.text("role").parse()?);
    Ok(Grants::from_iter([(scope, role)]))
}

/// Returns the text of an error that the page shows beside its form; other errors have their own page.
fn message_of(error: OperationError) -> Result<String, OperationError> {
    match error {
        OperationError::Invalid(reason) | OperationError::Refused(reason) => Ok(reason),
        OperationError::Store(
            error @ (StoreError::Invalid { .. } | StoreError::Exists { .. } | StoreError::LastAdministrator | StoreError::Changed { .. }),
        ) => Ok(error.to_string()),
        error => Err(error),
    }
}

/// `POST /users/{id}/enable`.
pub(super) async fn enable_user(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    change(&caller, *id, &Sent::read(&body), PersonChange { enabled: Some(true), ..PersonChange::default() }).await
}

/// `POST /users/{id}/disable`.
pub(super) async fn disable_user(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    change(&caller, *id, &Sent::read(&body), PersonChange { enabled: Some(false), ..PersonChange::default() }).await
}

/// `POST /users/{id}/grants`: adds or changes a role; an empty role removes it.
pub(super) async fn change_grants(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let user = caller.state.operations.user(&caller.actor, *id).await?;
    let scope: Scope = match sent.text("tenant").trim().parse() {
        Ok(scope) => scope,
        Err(reason) => return user_page(&caller, StatusCode::UNPROCESSABLE_ENTITY, &reason).await,
    };
    let mut grants: Vec<(Scope, Role)> =
        user.grants.iter().filter(|(other, _)| **other != scope).map(|(other, role)| (other.clone(), role)).collect();
    if let Some(role) = sent.given("role") {
        match role.parse() {
            Ok(role) => grants.push((scope, role)),
            Err(reason) => return user_page(&caller, StatusCode::UNPROCESSABLE_ENTITY, &reason).await,
        }
    }
    change(&caller, *id, &sent, PersonChange { grants: Some(grants.into_iter().collect()), ..PersonChange::default() }).await
}

/// `POST /users/{id}/password`.
pub(super) async fn set_password(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let password = Some(Secret::new(sent.text("password")));
    change(&caller, *id, &sent, PersonChange { password, ..PersonChange::default() }).await
}

/// `POST /users/{id}/delete`.
pub(super) async fn delete_user(caller: Caller, id: web::Path<Uuid>, body: web::Bytes) -> PageResult {
    let expected = Sent::read(&body).given("revision").and_then(|text| text.parse().ok());
    match caller.state.operations.delete_user(&caller.actor, *id, expected).await {
        Ok(()) => Ok(see_other("/users")),
        Err(error) => user_page(&caller, StatusCode::CONFLICT, &message_of(error)?).await,
    }
}

async fn change(caller: &Caller, id: Uuid, sent: &Sent, change: PersonChange) -> PageResult {
    let expected = sent.given("revision").and_then(|text| text.parse().ok());
    match caller.state.operations.update_user(&caller.actor, id, change, expected).await {
        Ok(_) => Ok(see_other("/users")),
        Err(error) => user_page(caller, StatusCode::CONFLICT, &message_of(error)?).await,
    }
}

/// `GET /tokens`.
pub(super) async fn tokens(caller: Caller, shown: web::Query<Shown>) -> PageResult {
    let created = match caller.flash(&shown).await? {
        Some(Flash::TokenCreated(token)) => Some(token),
        _ => None,
    };
    token_page(&caller, StatusCode::OK, created.as_ref().map(Secret::expose), "", &Sent::default()).await
}

async fn token_page(caller: &Caller, status: StatusCode, created: Option<&str>, wrong: &str, sent: &Sent) -> PageResult {
    let rows = caller.state.operations.list_tokens(&caller.actor).await?;
    let tokens: Vec<view::people::Token> = rows
        .into_iter()
        .map(|token| view::people::Token {
            id: token.id.to_string(),
            owner: token.user_name,
            label: token.label,
            hint: token.hint,
            role: token.role.to_string(),
            tenants: token.scopes.iter().map(ToString::to_string).collect(),
            last_used_at: token.last_used_at,
            expires_at: token.expires_at,
        })
        .collect();
    let framed = Framed::new(caller, Section::Tokens, "API tokens").lead("Tokens for programs, and for the command on your machine.");
    Ok(framed.show_as(
        status,
        &html! {},
        &view::people::tokens(
            &tokens,
            created,
            &view::people::NewToken {
                wrong,
                label: sent.text("label"),
                tenant: sent.text("tenant"),
                expires_in: sent.text("lasts"),
                role: sent.text("role"),
            },
            UnixMicros::now(),
        ),
    ))
}

/// `POST /tokens`.
pub(super) async fn create_token(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let Some(user) = caller.actor.user_id() else { return Err(Failure::bad_request("Only users have tokens. Sign in as a user.").into()) };
    let read = || -> Result<NewToken, String> {
        let lifetime = parse_duration(sent.text("lasts").trim()).map_err(|error| format!("Expires in: {error}"))?;
        let scopes = vec![sent.text("tenant").trim().parse()?];
        Ok(NewToken { user, label: sent.text("label").to_owned(), role: sent.text("role").parse()?, scopes, lifetime })
    };
    let new = match read() {
        Ok(new) => new,
        Err(reason) => return token_page(&caller, StatusCode::UNPROCESSABLE_ENTITY, None, &reason, &sent).await,
    };
    match caller.state.operations.create_token(&caller.actor, new).await {
        Ok(created) => caller.redirect_with("/tokens", &Flash::TokenCreated(created.token)).await,
        Err(error) => token_page(&caller, StatusCode::UNPROCESSABLE_ENTITY, None, &message_of(error)?, &sent).await,
    }
}

/// `POST /tokens/{id}/delete`.
pub(super) async fn delete_token(caller: Caller, id: web::Path<Uuid>) -> PageResult {
    caller.state.operations.delete_token(&caller.actor, *id).await?;
    Ok(see_other("/tokens"))
}

/// `GET /audit`.
pub(super) async fn audit(caller: Caller, query: web::Query<view::people::AuditQuery>) -> PageResult {
    let query = query.into_inner();
    let given = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let filter = AuditFilter {
        by: given(&query.by),
        action: given(&query.action),
        target: given(&query.target),
        before: query.before.parse().ok(),
        limit: LINES + 1,
        ..AuditFilter::default()
    };
    let mut rows = caller.state.operations.list_audit(&caller.actor, filter).await?;
    let has_more = rows.len() > LINES as usize;
    rows.truncate(LINES as usize);
    let entries: Vec<view::people::Entry> = rows
        .into_iter()
        .map(|row| view::people::Entry {
            id: row.id,
            at: row.at,
            who: row.principal.name,
            through: row.principal.kind.as_str().to_owned(),
            address: row.principal.address.map(|address| address.to_string()).unwrap_or_default(),
            action: row.action,
            target: with_tenant(row.tenant.as_ref(), row.target),
            before: row.before,
            after: row.after,
        })
        .collect();
    let framed = Framed::new(&caller, Section::Audit, "Audit log").lead("All changes, with the principal and the values before and after.");
    Ok(framed.show(&html! {}, &view::people::audit(&entries, &query, has_more)))
}

/// Adds the tenant to targets that do not contain it.
fn with_tenant(tenant: Option<&Name>, target: String) -> String {
    match tenant {
        Some(tenant) if !target.starts_with(tenant.as_str()) => format!("{target} ({tenant})"),
        _ => target,
    }
}
