//! The table of routes. The responses to wrong methods, the OpenAPI document and the test of every role are made from it.

use crate::auth::Caller;
use crate::error_at::error_at;
use crate::failure::Failure;
use crate::route::{Access, Route};
use crate::{api, pages};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::ALLOW;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, guard, web};

/// Maximum bytes of the body of an unauthenticated request: a form with a name, a password and an address.
const MAX_ANONYMOUS_BODY: usize = 8 * 1024;

/// A route as tests of its access see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// Such as `GET`.
    pub method: String,
    /// The path with placeholders.
    pub path: &'static str,
    /// The callers that may use it.
    pub access: Access,
}

/// Returns every route of the console.
#[must_use]
pub fn routes() -> Vec<RouteInfo> {
    all().into_iter().map(|route| RouteInfo { method: route.method.to_string(), path: route.path, access: route.access }).collect()
}

fn all() -> Vec<Route> {
    let mut all = api::routes();
    all.extend(pages::routes());
    // Routes without placeholders go before those with one at the same place.
    all.sort_by_key(|route| route.path.split('/').map(|part| part.starts_with('{')).collect::<Vec<_>>());
    all
}

/// Adds the routes to a server.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    let mut of_path: Vec<(&'static str, Vec<Route>)> = Vec::new();
    for route in all() {
        match of_path.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => of_path.push((route.path, vec![route])),
        }
    }
    for (path, routes) in of_path {
        let is_open = routes.iter().any(|route| route.access == Access::Public);
        let mut resource = web::resource(path);
        let mut allow: Vec<String> = Vec::new();
        for route in routes {
            let is_get = route.method == Method::GET;
            allow.push(route.method.to_string());
            if is_get {
                allow.push(Method::HEAD.to_string());
            }
            let method = guard::Method(route.method);
            let guarded = if is_get { web::route().guard(guard::Any(method).or(guard::Head())) } else { web::route().guard(method) };
            resource = resource.route((route.to)(guarded));
        }
        let allow = allow.join(", ");
        let refuse = allow.clone();
        let resource = resource.default_service(web::to(move |request: HttpRequest| refused(request, refuse.clone())));
        match is_open {
            true => config.service(resource.app_data(web::PayloadConfig::new(MAX_ANONYMOUS_BODY)).wrap(from_fn(say_too_large))),
            false => config.service(resource.wrap(from_fn(move |request, next| known_first(allow.clone(), request, next)))),
        };
    }
    config.default_service(web::to(nothing_here));
}

/// Authenticates the caller before a body is read: an unknown caller must not take memory.
async fn known_first<B: MessageBody + 'static>(
    allow: String,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let may_have_body = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if may_have_body && allow.split(", ").any(|method| method == request.method().as_str()) {
        match request.extract::<Caller>().await {
            Ok(caller) => drop(request.extensions_mut().insert(caller)),
            Err(error) => return Ok(request.error_response(error).map_into_boxed_body()),
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Answers 413 with the maximum size, as a problem or a page; the response of the library has neither.
async fn say_too_large<B: MessageBody + 'static>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    if response.status() != StatusCode::PAYLOAD_TOO_LARGE {
        return Ok(response);
    }
    let detail = format!("The body has more than {MAX_ANONYMOUS_BODY} bytes, which is the maximum without a session.");
    let failure = Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail);
    let answered = answer(response.request(), failure);
    Ok(response.into_response(answered))
}

async fn refused(request: HttpRequest, allow: String) -> HttpResponse {
    let detail = format!("{} is not accepted here; use {allow}.", request.method());
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail);
    answer(&request, failure.with_header(ALLOW, allow))
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    answer(&request, Failure::not_found("There is nothing at this address."))
}

fn answer(request: &HttpRequest, failure: Failure) -> HttpResponse {
    error_at(request.path(), failure).error_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_open_to_everybody_with_all_its_methods_or_with_none() {
        for route in all() {
            let is_open = all().iter().filter(|other| other.path == route.path).all(|other| other.access == Access::Public);
            assert_eq!(route.access == Access::Public, is_open, "{}: its methods have different bounds of a body", route.path);
        }
    }
}
