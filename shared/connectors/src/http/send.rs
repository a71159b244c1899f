//! Sends one request, follows permitted redirects, and names the call in messages.

use super::Headers;
use super::client::MAX_REDIRECTS;
use crate::concealment::Concealment;
use crate::dial::cause;
use crate::tls::{self, Server};
use crate::{Reach, Target};
use forebay_contract::connection::Connection;
use forebay_contract::definition::Redirects;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use reqwest::{Request, Response, Url};
use std::fmt;
use std::sync::Arc;

/// The name of a call in messages. It contains only scheme, host and port of an address: the rest may be a secret, such as that of a
/// webhook.
pub struct Called {
    text: String,
    address: Address,
    /// Values of `Authorization` in its requests.
    authorizations: Mutex<Vec<String>>,
}

/// The secrets that a response may repeat.
enum Address {
    Url(String),
    Of(Arc<Connection>),
    /// Those of the token endpoint.
    OfTokens(Arc<Connection>),
}

impl Called {
    /// Names a call of an address that the step contains.
    pub fn by_url(method: &Method, url: &Url) -> Self {
        Self { text: format!("{method} {}", origin(url)), address: Address::Url(url.as_str().to_owned()), authorizations: Mutex::default() }
    }

    /// Names a call through a connection. `path` is that of the step, below the connection's address.
    pub fn by_connection(method: &Method, connection: &Arc<Connection>, path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path} ") };
        let text = format!("{method} {path}to {}", Target(connection));
        Self { text, address: Address::Of(Arc::clone(connection)), authorizations: Mutex::default() }
    }

    /// Names a call of a connection's token endpoint.
    pub fn of_tokens(text: String, connection: &Connection) -> Self {
        Self { text, address: Address::OfTokens(Arc::new(connection.clone())), authorizations: Mutex::default() }
    }

    /// Adds the headers of a request before it is sent: the response may repeat them.
    pub fn carries(&self, headers: &Headers) {
        let values = headers.iter().filter(|(name, _)| *name == AUTHORIZATION).filter_map(|(_, value)| value.to_str().ok());
        self.authorizations.lock().extend(values.map(str::to_owned));
    }

    /// Returns the beginning of a response, without repeated secrets.
    pub fn conceal_cut_off(&self, text: &str) -> String {
        self.concealment().conceal_cut_off(text)
    }

    /// Returns a whole text, without repeated secrets.
    pub fn conceal(&self, text: &str) -> String {
        self.concealment().conceal(text)
    }

    /// Returns a failure, without repeated secrets.
    pub fn conceal_in(&self, error: ExecutionError) -> ExecutionError {
        self.concealment().conceal_in(error)
    }

    fn concealment(&self) -> Concealment {
        let of_address = match &self.address {
            Address::Url(url) => Concealment::of_url(url),
            Address::Of(connection) | Address::OfTokens(connection) => Concealment::of(connection),
        };
        let authorizations = self.authorizations.lock();
        authorizations.iter().fold(of_address, |concealment, value| concealment.and_authorization(value))
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// The last response to a call.
pub struct Sent {
    /// The response, whose body has not been read yet.
    pub response: Response,
    /// The reason for which its redirect was not followed; absent: it is not one.
    pub not_followed: Option<NotFollowed>,
}

/// A redirect that was not followed.
pub struct NotFollowed {
    reason: Reason,
    /// Its target, without secrets.
    to: String,
    leads_to: Option<Url>,
    from: Url,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The method has an effect, and the request would become a GET.
    BecomesGet,
    /// It leads to another origin: scheme, host or port.
    OtherOrigin,
    TooMany,
    /// It has no `Location`.
    NoLocation,
    /// Its `Location` is not a valid address.
    NoAddress,
}

impl NotFollowed {
    /// Returns true if the definition may allow to follow it.
    pub fn may_be_followed(&self) -> bool {
        self.reason == Reason::BecomesGet && self.leads_to.as_ref().is_some_and(|to| origin(to) == origin(&self.from))
    }

    /// Returns the other origin to which everything below the address has moved: the path is unchanged.
    pub fn moved_to(&self) -> Option<String> {
        let to = self.leads_to.as_ref().filter(|to| self.reason == Reason::OtherOrigin && to.path() == self.from.path())?;
        Some(origin(to))
    }

    /// Returns the part of a message after the status. `address` is the field with the address.
    pub fn explain(&self, method: &Method, address: &str) -> String {
        let Self { reason, to, .. } = self;
        match reason {
            Reason::BecomesGet => format!(
                " and redirects to {to}, which was not followed: the {method} would become a GET without its body; put the final \
                 address into {address}"
            ),
            Reason::OtherOrigin => format!(
                " and redirects to {to}, which was not followed: another scheme, host or port would get what is for this one; put the \
                 final address into {address}"
            ),
            Reason::TooMany => format!(" and redirects to {to}, which was not followed: {MAX_REDIRECTS} redirects came before it"),
            Reason::NoLocation => " without a Location, so that it is not known where it redirects to".to_owned(),
            Reason::NoAddress => " and redirects to an address that cannot be read (Location), so that it was not followed".to_owned(),
        }
    }
}

/// The request of a redirect.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    url: Url,
    method: Method,
    keeps_body: bool,
}

/// Returns the request of a redirect (RFC 9110, section 15.4). 307 and 308 repeat the request; 301, 302 and 303 turn it into a GET in most
/// clients, so that the request is not carried out. They are followed for safe methods (section 9.2.1). `None`: the status is not a
/// redirect.
fn next(status: StatusCode, method: &Method, from: &Url, location: Option<&str>, rule: Redirects) -> Option<Result<Next, Reason>> {
    let is_redirect = [301, 302, 303, 307, 308].contains(&status.as_u16());
    if !is_redirect {
        return None;
    }
    let Some(location) = location else { return Some(Err(Reason::NoLocation)) };
    let Ok(mut url) = from.join(location) else { return Some(Err(Reason::NoAddress)) };
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
    let (method, keeps_body) = match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => (method.clone(), true),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if is_safe => (method.clone(), true),
        StatusCode::SEE_OTHER if *method == Method::HEAD => (Method::HEAD, false),
        StatusCode::SEE_OTHER if is_safe => (Method::GET, false),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => match rule {
            Redirects::Error => return Some(Err(Reason::BecomesGet)),
            Redirects::FollowAsGet => (Method::GET, false),
        },
        _ => return None,
    };
    url.set_fragment(None);
    if url.origin() != from.origin() {
        return Some(Err(Reason::OtherOrigin));
    }
    Some(Ok(Next { url, method, keeps_body }))
}

/// Returns the target of a redirect, without secrets.
fn shown(from: &Url, location: Option<&str>) -> String {
    let Some(to) = location.and_then(|location| from.join(location).ok()) else { return "an address that cannot be read".to_owned() };
    let path = if to.path() == from.path() { "the same path" } else { "another path" };
    if to.origin() == from.origin() { format!("{path} of the same host") } else { format!("{path} at {}", origin(&to)) }
}

/// Sends the request, and those of redirects within the same origin.
pub async fn send(client: &reqwest::Client, request: Request, rule: Redirects, target: &Called) -> Result<Sent, ExecutionError> {
    let mut request = request;
    let mut redirects = 0;
    loop {
        let (method, url, again) = (request.method().clone(), request.url().clone(), request.try_clone());
        let response = client.execute(request).await.map_err(|error| unreachable(target, error))?;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(next) = next(response.status(), &method, &url, location, rule) else {
            return Ok(Sent { response, not_followed: None });
        };
        let next = next.and_then(|next| if redirects < MAX_REDIRECTS { Ok(next) } else { Err(Reason::TooMany) });
        // A body is always in memory, so a request can be repeated.
        let repeated = next.and_then(|next| again.map(|again| (next, again)).ok_or(Reason::NoAddress));
        let (next, again) = match repeated {
            Ok(repeated) => repeated,
            Err(reason) => {
                let leads_to = location.and_then(|location| url.join(location).ok());
                let not_followed = Some(NotFollowed { reason, to: shown(&url, location), leads_to, from: url });
                return Ok(Sent { response, not_followed });
            }
        };
        redirects += 1;
        request = redirected(again, next);
    }
}

fn redirected(mut request: Request, next: Next) -> Request {
    *request.url_mut() = next.url;
    *request.method_mut() = next.method;
    if !next.keeps_body {
        *request.body_mut() = None;
        for header in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
            request.headers_mut().remove(header);
        }
    }
    request
}

/// Returns the failure of a call without a complete response.
pub fn unreachable(target: &Called, error: reqwest::Error) -> ExecutionError {
    if let Some(refused) = Reach::refusal_in(&error) {
        return ExecutionError::permanent(ErrorCode::Unreachable, format!("{target}: {refused}"));
    }
    let server = match &target.address {
        Address::Url(_) => Server::OfUrl,
        Address::Of(connection) => Server::Of(connection),
        Address::OfTokens(connection) => Server::Beside(connection),
    };
    if let Some(refused) = tls::refused(target, server, &error) {
        return refused;
    }
    let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
    let why = cause(&error.without_url());
    if is_timeout {
        return ExecutionError::transient(ErrorCode::Timeout, format!("{target} could not be connected to in time: {why}"));
    }
    let what = if is_connect { "could not be reached" } else { "broke off; the request may have been carried out" };
    ExecutionError::transient(ErrorCode::Unreachable, format!("{target} {what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(status: u16, method: Method, location: &str, rule: Redirects) -> Option<Result<(String, bool), Reason>> {
        let from = Url::parse("https://erp.example/in/orders").unwrap();
        let next = next(StatusCode::from_u16(status).unwrap(), &method, &from, Some(location), rule)?;
        Some(next.map(|next| (format!("{} {}", next.method, next.url), next.keeps_body)))
    }

    #[test]
    fn a_method_with_an_effect_never_becomes_a_get_unless_the_step_says_so() {
        for status in [301, 302, 303] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(to(status, method.clone(), "/x", Redirects::Error), Some(Err(Reason::BecomesGet)), "{status} {method}");
                let get = Some(Ok(("GET https://erp.example/x".to_owned(), false)));
                assert_eq!(to(status, method, "/x", Redirects::FollowAsGet), get);
            }
            for rule in [Redirects::Error, Redirects::FollowAsGet] {
                let get = Some(Ok(("GET https://erp.example/in/x".to_owned(), status != 303)));
                assert_eq!(to(status, Method::GET, "x", rule), get);
                let head = Some(Ok(("HEAD https://erp.example/x".to_owned(), status != 303)));
                assert_eq!(to(status, Method::HEAD, "/x#part", rule), head);
            }
        }
        for status in [307, 308] {
            for method in [Method::POST, Method::GET, Method::DELETE] {
                let same = Some(Ok((format!("{method} https://erp.example/x?a=1"), true)));
                assert_eq!(to(status, method, "https://erp.example:443/x?a=1", Redirects::Error), same);
            }
        }
    }

    #[test]
    fn no_redirect_leads_to_another_origin_and_other_statuses_are_none() {
        for location in ["http://erp.example/x", "https://erp.example:8443/x", "//other.example/x", "https://ERP.example.evil/"] {
            assert_eq!(to(307, Method::POST, location, Redirects::Error), Some(Err(Reason::OtherOrigin)), "{location}");
        }
        for method in [Method::GET, Method::POST] {
            assert_eq!(to(302, method.clone(), "https://[", Redirects::Error), Some(Err(Reason::NoAddress)));
            let from = Url::parse("https://erp.example/in/orders").unwrap();
            assert_eq!(next(StatusCode::FOUND, &method, &from, None, Redirects::Error), Some(Err(Reason::NoLocation)));
        }
        for status in [200, 201, 300, 304, 305, 306, 400] {
            assert_eq!(to(status, Method::GET, "/x", Redirects::Error), None, "{status}");
        }
    }

    #[test]
    fn of_a_location_only_what_is_no_secret_is_shown() {
        let from = Url::parse("http://erp.example/services/TOKEN?key=TOKEN").unwrap();
        for (location, expected) in [
            ("https://erp.example/services/TOKEN", "the same path at https://erp.example"),
            ("/services/TOKEN/more?key=TOKEN", "another path of the same host"),
            ("http://u:TOKEN@erp.example:81/", "another path at http://erp.example:81"),
            ("http://[", "an address that cannot be read"),
        ] {
            assert_eq!(shown(&from, Some(location)), expected);
        }
    }
}
