//! Cross-origin calls from browsers (Fetch standard, "HTTP-CORS protocol").

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use forebay_contract::definition::{Cors, Webhook};

/// Seconds for which a browser may cache the response to a preflight.
const MAX_AGE: &str = "600";
/// Response headers that a script may read.
const EXPOSED: &str = "Location, Retry-After, Forebay-Execution-Id, Preference-Applied";

/// Returns the origin of the request, if it is allowed.
fn allowed_origin<'a>(cors: &Cors, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    cors.origins.iter().any(|allowed| allowed == "*" || allowed == text).then_some(origin)
}

/// Returns the response to `OPTIONS`: that of a preflight if the origin is allowed, otherwise the allowed methods.
pub(crate) fn options(request: &HttpRequest, webhook: &Webhook, allow: &str) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::NO_CONTENT);
    response.insert_header((header::ALLOW, allow));
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_allowed = webhook.cors.as_ref().is_some_and(|cors| allowed_origin(cors, request.headers()).is_some());
    if is_preflight && is_allowed {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, allow));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE));
        if let Some(requested) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone()));
        }
    }
    response.finish()
}

/// Allows the calling page to read the response, also that of a refused call.
pub(crate) fn allow_reading(request: &HttpRequest, webhook: &Webhook, response: &mut HttpResponse) {
    let Some(cors) = &webhook.cors else { return };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed_origin(cors, request.headers()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}
