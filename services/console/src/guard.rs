//! Headers of every response, and the check that a change comes from the console's own pages.

use crate::api::response::ApiError;
use crate::auth::{bearer, session_of};
use crate::error_at::{error_at, is_api};
use crate::failure::Failure;
use crate::state::State;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};

/// Allows only files of the console; no inline scripts or styles, and no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The middleware.
pub(crate) async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<web::Data<State>>();
    let (is_secure, is_for_host) = state.map_or((false, false), |state| (state.is_secure, state.host.is_some()));
    let is_api = is_api(request.path());
    let is_form = request.method() == Method::POST;
    // Without the cookie another site can do nothing: the API refuses the request itself.
    let is_bare = is_api && session_of(request.request(), is_secure).is_none();
    if !is_bare && let Err(reason) = check_origin(request.request()) {
        let failure = Failure::new(StatusCode::FORBIDDEN, "foreign-origin", "Cross-origin request", reason);
        let error = error_at(request.path(), failure);
        let mut response = request.error_response(error).map_into_boxed_body();
        protect(response.headers_mut(), is_secure);
        return Ok(response);
    }
    let mut response = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body(),
        // An error of an extractor becomes a response in an outer layer, which this one cannot change.
        Err(error) => return Err(error),
    };
    if is_for_host
        && let Some(error) = response.response().error().and_then(Error::as_error::<ApiError>)
        && let Some(with_causes) = error.response_with_causes()
    {
        response = response.into_response(with_causes);
    }
    let is_repeated_by_reload =
        is_form && !is_api && response.status().is_success() && response.response().extensions().get::<DidNothing>().is_none();
    if is_repeated_by_reload {
        // The form has been processed, so its response is sent. The suites of the pages fail if their log contains this line.
        tracing::error!("the response to a form is not a redirect: a reload of the page would send the form again");
    }
    protect(response.headers_mut(), is_secure);
    Ok(response)
}

/// Marks the response to a form that has changed nothing. Every other response leads to another page ([`crate::pages::error::see_other`]) or is a
/// refusal, so that loading it again does not repeat the form.
pub(crate) struct DidNothing;

fn protect(headers: &mut actix_web::http::header::HeaderMap, is_secure: bool) {
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "same-origin");
    set(OPENER_POLICY, "same-origin");
    set(RESOURCE_POLICY, "same-origin");
    set(PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()");
    if is_secure {
        set(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    // Pages are private; assets set their own header.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Checks the origin that browsers send: they send cookies with requests of any site. A token is only sent deliberately.
fn check_origin(request: &HttpRequest) -> Result<(), &'static str> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) || bearer(request).is_some() {
        return Ok(());
    }
    let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    match (text(&FETCH_SITE), text(&ORIGIN)) {
        (Some("same-origin" | "none"), _) => Ok(()),
        (Some(_), _) => Err("A page of another site sent the request."),
        (None, Some(origin)) if text(&HOST).is_some_and(|host| origin.split_once("://").is_some_and(|(_, from)| from == host)) => Ok(()),
        (None, Some(_)) => Err("A page of another site sent the request."),
        (None, None) => Err("The request has no Origin header. Use a current browser, or send a token."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_form_that_is_answered_in_place_gets_its_answer_in_every_build() {
        let form = web::post().to(|| async { actix_web::HttpResponse::Ok().body("done") });
        let app = actix_web::App::new().wrap(actix_web::middleware::from_fn(guard)).route("/form", form);
        let request = TestRequest::post().uri("/form").insert_header(("sec-fetch-site", "same-origin")).to_request();
        let answer = async { actix_web::test::call_service(&actix_web::test::init_service(app).await, request).await.status() };
        assert_eq!(actix_web::rt::System::new().block_on(answer), StatusCode::OK);
    }

    #[test]
    fn only_the_consoles_own_pages_and_tokens_may_change_something() {
        let cases: [(&[(&str, &str)], bool); 8] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://forebay.example")], false),
            (&[("origin", "http://forebay.example")], true),
            (&[("origin", "http://evil.example")], false),
            (&[("authorization", "Bearer fbt_x"), ("origin", "http://evil.example")], true),
            (&[], false),
        ];
        for (headers, may) in cases {
            let mut request = TestRequest::post().insert_header(("host", "forebay.example"));
            for header in headers {
                request = request.insert_header(*header);
            }
            assert_eq!(check_origin(&request.to_http_request()).is_ok(), may, "{headers:?}");
        }
        assert!(check_origin(&TestRequest::get().to_http_request()).is_ok());
    }
}
