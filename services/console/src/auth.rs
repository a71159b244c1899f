//! Who asks: a person by the cookie of a session, a program by a token, or the person at the host.

use crate::client::client_of;
use crate::failure::Failure;
use crate::state::State;
use crate::{api, device, pages};
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use forebay_contract::Secret;
use forebay_operations::{Actor, Signed};
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

/// Lets whoever has the token act as the person at this machine, who could change the database without asking. The command starts the API
/// with one of its own.
#[derive(Clone)]
pub struct HostAccess {
    digest: [u8; 32],
    name: String,
}

impl HostAccess {
    /// `name`: who it is, for the audit log.
    #[must_use]
    pub fn new(token: &str, name: String) -> Self {
        Self { digest: Sha256::digest(token).into(), name }
    }
}

impl fmt::Debug for HostAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostAccess").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Somebody who has said who they are, with what every request may use.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    /// What they have proved it by: the cookie of a session, or a token.
    pub(crate) credential: Secret,
    pub(crate) state: web::Data<State>,
}

impl Caller {
    /// Returns whether the caller's credential still gives the same rights: for streams, which last long. While the database cannot be asked,
    /// nothing is known to be otherwise.
    pub(crate) async fn is_unchanged(&self) -> bool {
        let operations = &self.state.operations;
        let now = match (self.actor.user_id(), self.actor.is_token()) {
            // The person at the host.
            (None, _) => return true,
            (Some(_), true) => operations.token_actor(self.credential.expose()).await,
            (Some(_), false) => operations.session_actor_unseen(self.credential.expose()).await,
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
            // Found already, before the body was read.
            if let Some(caller) = request.extensions().get::<Self>() {
                return Ok(caller.clone());
            }
            let is_api = request.path().starts_with(api::ROOT);
            match actor_of(&request).await {
                Ok(caller) => Ok(caller),
                Err(Unknown::Failed(failure)) if is_api => Err(api::ApiError(failure).into()),
                Err(Unknown::Failed(failure)) => Err(pages::PageError::Failed(failure).into()),
                Err(Unknown::Nobody(failure)) if is_api => Err(api::ApiError(failure).into()),
                Err(Unknown::Nobody(_)) => Err(pages::PageError::sign_in(&request).into()),
            }
        })
    }
}

enum Unknown {
    Nobody(Failure),
    Failed(Failure),
}

async fn actor_of(request: &HttpRequest) -> Result<Caller, Unknown> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return Err(Unknown::Nobody(unauthorized("There is nobody to ask.")));
    };
    let operations = &state.operations;
    let failed = |error: forebay_operations::OperationError| Unknown::Failed(error.into());
    let (actor, credential) = if let Some(token) = bearer(request) {
        let actor = match state.host.as_ref().filter(|host| host.digest == <[u8; 32]>::from(Sha256::digest(&token))) {
            Some(host) => Some(Actor::host(&host.name)),
            None => operations.token_actor(&token).await.map_err(failed)?,
        };
        let actor = actor.ok_or_else(|| {
            Unknown::Nobody(unauthorized("The token is not valid. Check that it is complete, has not expired, and was not deleted."))
        })?;
        (actor, token)
    } else {
        let detail = "Send a token as 'Authorization: Bearer TOKEN', or sign in to the console.";
        let nobody = || Unknown::Nobody(unauthorized(detail));
        let session = session_of(request, state.is_secure).ok_or_else(nobody)?;
        (operations.session_actor(&session).await.map_err(failed)?.ok_or_else(nobody)?, session)
    };
    let actor = actor.at(client_of(request, &state).address);
    Ok(Caller { actor, credential: Secret::new(credential), state })
}

fn unauthorized(detail: &str) -> Failure {
    let failure = Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", detail);
    failure.with_header(WWW_AUTHENTICATE, "Bearer realm=\"forebay\"")
}

/// The token of a program; `None`: it sends none.
pub(crate) fn bearer(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// With the prefix a browser takes the cookie over HTTPS only, and from this host alone.
fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-forebay" } else { "forebay" }
}

pub(crate) fn session_of(request: &HttpRequest, is_secure: bool) -> Option<String> {
    request.cookie(cookie_name(is_secure)).map(|cookie| cookie.value().to_owned())
}

/// The cookie of a new session.
pub(crate) fn session_cookie(signed: &Signed, is_secure: bool) -> Cookie<'static> {
    cookie(signed.session.clone(), signed.lasts, is_secure)
}

/// Takes the cookie away.
pub(crate) fn no_cookie(is_secure: bool) -> Cookie<'static> {
    cookie(String::new(), Duration::ZERO, is_secure)
}

/// The cookie in which a browser keeps what it needs between going to the provider of single sign-on and coming back.
pub(crate) fn begun_cookie(value: String, lasts: Duration, is_secure: bool) -> Cookie<'static> {
    let name = if is_secure { "__Host-forebay-begun" } else { "forebay-begun" };
    named(name, value, lasts, is_secure)
}

/// The cookie by which a device is known that has signed in before.
pub(crate) fn device_cookie(value: String, is_secure: bool) -> Cookie<'static> {
    named(device_cookie_name(is_secure), value, device::LASTS, is_secure)
}

/// The cookie by which a device says that it has signed in before.
pub(crate) fn device_of(request: &HttpRequest, is_secure: bool) -> Option<String> {
    request.cookie(device_cookie_name(is_secure)).map(|cookie| cookie.value().to_owned())
}

fn device_cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-forebay-device" } else { "forebay-device" }
}

/// What it keeps.
pub(crate) fn begun_of(request: &HttpRequest, is_secure: bool) -> Option<String> {
    let name = begun_cookie(String::new(), Duration::ZERO, is_secure).name().to_owned();
    request.cookie(&name).map(|cookie| cookie.value().to_owned())
}

fn cookie(value: String, lasts: Duration, is_secure: bool) -> Cookie<'static> {
    named(cookie_name(is_secure), value, lasts, is_secure)
}

fn named(name: &'static str, value: String, lasts: Duration, is_secure: bool) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .secure(is_secure)
        .same_site(SameSite::Lax)
        .max_age(CookieDuration::seconds(i64::try_from(lasts.as_secs()).unwrap_or_default()))
        .finish()
}
