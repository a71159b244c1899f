//! Authenticates the caller: a person by a session cookie, a program by a token, or the person at the host by the token of the command.

use crate::client::client_of;
use crate::device;
use crate::error_at::{error_at, is_api};
use crate::failure::Failure;
use crate::pages::error::PageError;
use crate::state::State;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use forebay_contract::Secret;
use forebay_operations::{Actor, Signed};
use futures_util::future::LocalBoxFuture;
use std::time::Duration;

/// An authenticated caller, and the state of the process.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    /// The credential: the value of the session cookie, or a token.
    pub(crate) credential: Secret,
    pub(crate) state: web::Data<State>,
}

impl Caller {
    /// Returns true if the caller's credential still gives the same rights; used by streams, which may last long. While the database is
    /// unavailable, the rights count as unchanged.
    pub(crate) async fn is_unchanged(&self) -> bool {
        let operations = &self.state.operations;
        let now = match (self.actor.user_id(), self.actor.is_token()) {
            // The caller is the person at the host.
            (None, _) => return true,
            (Some(_), true) => operations.token_actor(&self.credential).await,
            (Some(_), false) => operations.session_actor_without_extending(&self.credential).await,
        };
        match now {
            Ok(now) => now.is_some_and(|now| now.grants() == self.actor.grants()),
            Err(_) => true,
        }
    }
}

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            // It was authenticated before the body was read.
            if let Some(caller) = request.extensions().get::<Self>() {
                return Ok(caller.clone());
            }
            match actor_of(&request).await {
                Ok(caller) => Ok(caller),
                Err(Unauthenticated::NoCaller(_)) if !is_api(request.path()) => Err(PageError::sign_in(&request).into()),
                Err(Unauthenticated::NoCaller(failure) | Unauthenticated::Failed(failure)) => Err(error_at(request.path(), failure)),
            }
        })
    }
}

enum Unauthenticated {
    NoCaller(Failure),
    Failed(Failure),
}

async fn actor_of(request: &HttpRequest) -> Result<Caller, Unauthenticated> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return Err(Unauthenticated::NoCaller(unauthorized("The console is not ready.")));
    };
    let operations = &state.operations;
    let failed = |error: forebay_operations::OperationError| Unauthenticated::Failed(error.into());
    let (actor, credential) = if let Some(token) = bearer(request) {
        let actor = match state.host.as_ref().filter(|host| host.is_token(&token)) {
            Some(host) => Some(Actor::host(host.name())),
            None => operations.token_actor(&token).await.map_err(failed)?,
        };
        let actor = actor.ok_or_else(|| {
            Unauthenticated::NoCaller(unauthorized(
                "The token is not valid. Check that it is complete, has not expired, and was not deleted.",
            ))
        })?;
        (actor, token)
    } else {
        let detail = "Send a token as 'Authorization: Bearer TOKEN', or sign in to the console.";
        let no_caller = || Unauthenticated::NoCaller(unauthorized(detail));
        let session = session_of(request, state.is_secure).ok_or_else(no_caller)?;
        (operations.session_actor(&session).await.map_err(failed)?.ok_or_else(no_caller)?, session)
    };
    let actor = actor.at(client_of(request, &state).address);
    Ok(Caller { actor, credential, state })
}

fn unauthorized(detail: &str) -> Failure {
    let failure = Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", detail);
    failure.with_header(WWW_AUTHENTICATE, "Bearer realm=\"forebay\"")
}

/// Returns the token of a program; `None`: it sends none.
pub(crate) fn bearer(request: &HttpRequest) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

/// Returns the name of the cookie. Browsers accept one with the prefix over HTTPS only, and send it to this host only.
fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-forebay" } else { "forebay" }
}

pub(crate) fn session_of(request: &HttpRequest, is_secure: bool) -> Option<Secret> {
    request.cookie(cookie_name(is_secure)).map(|cookie| Secret::new(cookie.value()))
}

/// Returns the cookie of a new session.
pub(crate) fn session_cookie(signed: &Signed, is_secure: bool) -> Cookie<'static> {
    cookie(signed.session.expose().to_owned(), signed.lifetime, is_secure)
}

/// Removes the session cookie.
pub(crate) fn no_cookie(is_secure: bool) -> Cookie<'static> {
    cookie(String::new(), Duration::ZERO, is_secure)
}

/// Returns the cookie with the state of a sign-in while the browser is at the provider of single sign-on.
pub(crate) fn pending_cookie(value: String, lifetime: Duration, is_secure: bool) -> Cookie<'static> {
    let name = if is_secure { "__Host-forebay-begun" } else { "forebay-begun" };
    named(name, value, lifetime, is_secure)
}

/// Returns the cookie that identifies a device after a successful sign-in.
pub(crate) fn device_cookie(value: String, is_secure: bool) -> Cookie<'static> {
    named(device_cookie_name(is_secure), value, device::LIFETIME, is_secure)
}

/// Returns the device cookie of a request.
pub(crate) fn device_of(request: &HttpRequest, is_secure: bool) -> Option<String> {
    request.cookie(device_cookie_name(is_secure)).map(|cookie| cookie.value().to_owned())
}

fn device_cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-forebay-device" } else { "forebay-device" }
}

/// Returns the state of a sign-in from the cookie.
pub(crate) fn pending_of(request: &HttpRequest, is_secure: bool) -> Option<String> {
    let name = pending_cookie(String::new(), Duration::ZERO, is_secure).name().to_owned();
    request.cookie(&name).map(|cookie| cookie.value().to_owned())
}

fn cookie(value: String, lifetime: Duration, is_secure: bool) -> Cookie<'static> {
    named(cookie_name(is_secure), value, lifetime, is_secure)
}

fn named(name: &'static str, value: String, lifetime: Duration, is_secure: bool) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .secure(is_secure)
        .same_site(SameSite::Lax)
        .max_age(CookieDuration::seconds(i64::try_from(lifetime.as_secs()).unwrap_or_default()))
        .finish()
}
