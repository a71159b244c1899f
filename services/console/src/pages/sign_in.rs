//! Signing in and out, the first run, and the page of one's account.

use super::error::{PageResult, html_of, see_other};
use super::frame::{Framed, bare};
use super::sent::Sent;
use crate::auth::{Caller, device_cookie, device_of, no_cookie, pending_cookie, pending_of, session_cookie, session_of};
use crate::client::client_of;
use crate::failure::Failure;
use crate::oidc::{OidcError, PendingSignIn};
use crate::setup::is_right;
use crate::state::State;
use crate::throttle::Counted;
use crate::view;
use crate::view::page::Section;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use forebay_contract::{Secret, UnixMicros};
use forebay_operations::{FirstUser, OperationError, SignInAttempt, Signed};
use forebay_store::StoreError;
use maud::html;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Maximum time at the provider of single sign-on.
const PENDING_LIFETIME: Duration = Duration::from_secs(900);
/// Wait before the next attempt, if too many others wait.
const BUSY_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum characters of the name of a user.
const MAX_NAME: usize = 200;
/// The page after signing in.
const HOME: &str = "/integrations";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SignInQuery {
    code: String,
    next: String,
}

/// `GET /setup`.
pub(super) async fn setup(state: web::Data<State>, query: web::Query<SignInQuery>) -> PageResult {
    if state.has_users().await? {
        return Ok(see_other("/sign-in"));
    }
    Ok(bare(view::sign_in::setup("", &query.code, "")))
}

/// `POST /setup`.
pub(super) async fn set_up(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> PageResult {
    if state.has_users().await? {
        return Ok(see_other("/sign-in"));
    }
    let sent = Sent::read(&body);
    let (name, code) = (sent.text("name"), sent.text("code"));
    let address = client_of(&request, &state).address;
    let again = |status: StatusCode, reason: &str| html_of(&mut HttpResponse::build(status), view::sign_in::setup(name, code, reason));
    let attempt = match state.throttle.begin(vec![Counted::address_and_account(address, "/setup")], Instant::now()) {
        Ok(attempt) => attempt,
        Err(wait) => return Ok(later(again(StatusCode::TOO_MANY_REQUESTS, &too_soon(wait)), wait)),
    };
    if !is_right(&state.setup_code, code) {
        return Ok(again(StatusCode::FORBIDDEN, "The setup code is wrong. The console's log has the code."));
    }
    attempt.succeeded();
    let (full_name, password) = (sent.text("full_name").to_owned(), Secret::new(sent.text("password")));
    match state.operations.create_first_user(FirstUser { name: name.to_owned(), full_name, password, address }).await {
        Ok(signed) => Ok(signed_in(&signed, &state, HOME)),
        Err(OperationError::Store(StoreError::Exists { .. })) => Ok(see_other("/sign-in")),
        Err(OperationError::Invalid(reason)) => Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &reason)),
        Err(OperationError::Store(error @ StoreError::Invalid { .. })) => Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// `GET /sign-in`.
pub(super) async fn form(state: web::Data<State>, query: web::Query<SignInQuery>) -> PageResult {
    if !state.has_users().await? {
        return Ok(see_other("/setup"));
    }
    Ok(bare(view::sign_in::sign_in("", "", &query.next, other(&state))))
}

/// `POST /sign-in`.
pub(super) async fn sign_in(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (name, next) = (account_of(sent.text("name")), sent.text("next"));
    let address = client_of(&request, &state).address;
    let again = |status: StatusCode, reason: &str| {
        html_of(&mut HttpResponse::build(status), view::sign_in::sign_in(sent.text("name"), reason, next, other(&state)))
    };
    let device = device_of(&request, state.is_secure).and_then(|cookie| state.devices.recognize(&cookie, &name, seconds_now()));
    let attempt = match state.throttle.begin(counted(device.as_ref().map(<[u8; 16]>::as_slice), address, &name), Instant::now()) {
        Ok(attempt) => attempt,
        Err(wait) => return Ok(later(again(StatusCode::TOO_MANY_REQUESTS, &too_soon(wait)), wait)),
    };
    let digest = state.devices.log_digest(&name);
    let sign_in = SignInAttempt {
        name: &name,
        password: Secret::new(sent.text("password")),
        address,
        name_digest: &digest,
        is_recognized_device: device.is_some(),
    };
    match state.operations.sign_in(sign_in).await {
        Ok(Some(signed)) => {
            attempt.succeeded();
            Ok(signed_in(&signed, &state, local(next)))
        }
        Ok(None) => {
            tracing::warn!(user.digest = digest, client.address = address.map(tracing::field::display), "a sign-in failed");
            Ok(again(StatusCode::UNAUTHORIZED, "The name or the password is wrong."))
        }
        Err(error @ OperationError::Busy) => {
            attempt.was_not_checked();
            Ok(later(again(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()), BUSY_INTERVAL))
        }
        Err(error) => {
            attempt.was_not_checked();
            Err(error.into())
        }
    }
}

/// Returns the name in the form that users have. A name that is too long is cut: no user has it.
fn account_of(text: &str) -> String {
    text.trim().to_lowercase().chars().take(MAX_NAME + 1).collect()
}

/// Returns the counters of an attempt to sign in. Failures from elsewhere do not slow down a device with an earlier sign-in.
fn counted(device: Option<&[u8]>, address: Option<IpAddr>, account: &str) -> Vec<Counted> {
    match device {
        Some(device) => vec![Counted::device_and_account(device, account)],
        None => vec![Counted::address_and_account(address, account), Counted::account(account), Counted::address(address)],
    }
}

/// Returns the name of the provider of single sign-on.
fn other(state: &State) -> Option<&str> {
    state.oidc.as_ref().map(crate::oidc::Provider::name)
}

/// `GET /sign-in/oidc`: redirects to the provider.
pub(super) async fn begin_oidc(state: web::Data<State>, query: web::Query<SignInQuery>) -> PageResult {
    let Some(provider) = &state.oidc else { return Err(Failure::not_found("Single sign-on is not set up.").into()) };
    match provider.begin(&query.next).await {
        Ok((place, pending)) => {
            let cookie = serde_json::to_vec(&pending).map(|text| data_encoding::BASE64URL_NOPAD.encode(&text)).unwrap_or_default();
            Ok(with_cookie(see_other(&place), pending_cookie(cookie, PENDING_LIFETIME, state.is_secure)))
        }
        Err(error) => Ok(not_by_oidc(&state, &query.next, &error.to_string())),
    }
}

/// The query with which the provider redirects the browser back.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Returned {
    code: String,
    state: String,
    error: String,
    error_description: String,
}

/// `GET /sign-in/oidc/callback`: completes the sign-in after the provider.
pub(super) async fn finish_oidc(state: web::Data<State>, request: HttpRequest, returned: web::Query<Returned>) -> PageResult {
    let Some(provider) = &state.oidc else { return Err(Failure::not_found("Single sign-on is not set up.").into()) };
    let returned = returned.into_inner();
    let cookie = pending_of(&request, state.is_secure).and_then(|text| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok());
    let pending: Option<PendingSignIn> = cookie.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(pending) = pending else { return Ok(not_by_oidc(&state, "", &OidcError::Foreign.to_string())) };
    if !returned.error.is_empty() {
        let reason = format!("The provider of single sign-on returned an error: {}: {}", returned.error, returned.error_description);
        return Ok(not_by_oidc(&state, &pending.next, &reason));
    }
    let identity = match provider.finish(&pending, &returned.state, &returned.code.into()).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(%error, "a sign-in by OpenID Connect failed");
            return Ok(not_by_oidc(&state, &pending.next, &error.to_string()));
        }
    };
    match state.operations.sign_in_as_subject(&identity.subject, identity.email.as_deref(), client_of(&request, &state).address).await? {
        Some(signed) => {
            let response = signed_in(&signed, &state, local(&pending.next));
            Ok(with_cookie(response, pending_cookie(String::new(), Duration::ZERO, state.is_secure)))
        }
        None => {
            let reason = match &identity.email {
                Some(email) => format!("{email} cannot sign in. Ask an administrator to add a user with this name, or to enable the user."),
                None => format!("{} has not verified your mail address. Verify it there, then sign in again.", provider.name()),
            };
            Ok(not_by_oidc(&state, &pending.next, &reason))
        }
    }
}

fn not_by_oidc(state: &State, next: &str, reason: &str) -> HttpResponse {
    html_of(&mut HttpResponse::build(StatusCode::FORBIDDEN), view::sign_in::sign_in("", reason, next, other(state)))
}

/// `GET /signed-in`: an empty response for a signed-in user. Scripts request it before they send a text that would be lost otherwise.
pub(super) async fn is_signed_in(_: Caller) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// `POST /sign-out`.
pub(super) async fn sign_out(state: web::Data<State>, request: HttpRequest) -> PageResult {
    if let Some(session) = session_of(&request, state.is_secure) {
        state.operations.sign_out(&session).await?;
    }
    Ok(with_cookie(see_other("/sign-in"), no_cookie(state.is_secure)))
}

/// `GET /account`.
pub(super) async fn account(caller: Caller, query: web::Query<AccountQuery>) -> PageResult {
    let success = if query.changed == "password" { "All other sessions have ended." } else { "" };
    own_account(&caller, StatusCode::OK, success, "").await
}

/// The last change of the account. The address has it, because the change starts another session.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AccountQuery {
    changed: String,
}

/// `POST /account/password`.
pub(super) async fn change_password(caller: Caller, body: web::Bytes) -> PageResult {
    let sent = Sent::read(&body);
    let (old, new) = (Secret::new(sent.text("old")), Secret::new(sent.text("password")));
    match caller.state.operations.change_own_password(&caller.actor, old, new).await {
        Ok(signed) => Ok(with_cookie(see_other("/account?changed=password"), session_cookie(&signed, caller.state.is_secure))),
        Err(OperationError::Invalid(reason)) => own_account(&caller, StatusCode::UNPROCESSABLE_ENTITY, "", &reason).await,
        Err(error) => Err(error.into()),
    }
}

async fn own_account(caller: &Caller, status: StatusCode, success: &str, wrong: &str) -> PageResult {
    let Some(id) = caller.actor.user_id() else { return Err(Failure::not_found("Only users have an account.").into()) };
    let user = caller.state.operations.user(&caller.actor, id).await?;
    let grants: Vec<(String, String)> = user.grants.iter().map(|(scope, role)| (scope.to_string(), role.to_string())).collect();
    let content = view::people::account(&user, &grants, success, wrong);
    Ok(Framed::new(caller, Section::Other, "Your account").show_as(status, &html! {}, &content))
}

fn signed_in(signed: &Signed, state: &State, next: &str) -> HttpResponse {
    let device = state.devices.cookie(&signed.user.name, seconds_now());
    let response = with_cookie(see_other(next), session_cookie(signed, state.is_secure));
    with_cookie(response, device_cookie(device, state.is_secure))
}

fn with_cookie(mut response: HttpResponse, cookie: actix_web::cookie::Cookie<'_>) -> HttpResponse {
    // The cookie consists of characters that a header may have.
    let _ = response.add_cookie(&cookie);
    response
}

/// Returns the address if it is one of the console, so that no other site redirects through it.
fn local(next: &str) -> &str {
    let is_local = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if is_local && next != "/" { next } else { HOME }
}

fn later(mut response: HttpResponse, wait: Duration) -> HttpResponse {
    response
        .headers_mut()
        .insert(RETRY_AFTER, wait.as_secs_f64().ceil().max(1.0).to_string().parse().unwrap_or(HeaderValue::from_static("1")));
    response
}

fn seconds_now() -> u64 {
    UnixMicros::now().since(UnixMicros::default()).as_secs()
}

fn too_soon(wait: Duration) -> String {
    format!("Too many failed attempts: try again in {} seconds.", wait.as_secs_f64().ceil().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_on_to_another_site() {
        for next in ["https://evil.example", "//evil.example", "/\\evil.example", "", "/", "javascript:1", "/a\nb"] {
            assert_eq!(local(next), HOME, "{next}");
        }
        assert_eq!(local("/executions?status=failed"), "/executions?status=failed");
    }
}
