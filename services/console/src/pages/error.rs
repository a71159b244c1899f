//! Results of pages: responses, and the reasons for which a page cannot be shown.

use crate::failure::Failure;
use crate::view::problem::problem;
use actix_web::http::header::{HOST, LOCATION, REFERER, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use forebay_operations::OperationError;
use forebay_store::StoreError;
use maud::Markup;
use std::fmt;

/// The response of a page.
pub(crate) type PageResult = Result<HttpResponse, PageError>;

/// The reason for which a page cannot be shown.
#[derive(Debug)]
pub(crate) enum PageError {
    /// An error page.
    Failed(Failure),
    /// The person must sign in first, and then returns to this address.
    SignIn(String),
}

impl PageError {
    /// Leads to the sign-in. Afterwards the person returns to the page; never to an address that changes something.
    pub(crate) fn sign_in(request: &HttpRequest) -> Self {
        let next = match *request.method() {
            Method::GET => request.uri().path_and_query().map_or("/", |place| place.as_str()).to_owned(),
            // Returns to the page of the form, which may have a draft.
            _ => page_of_form(request).unwrap_or_else(|| "/".to_owned()),
        };
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
        Self::SignIn(format!("/sign-in?{query}"))
    }
}

/// Returns the page from which a form was sent; a browser does not send it to other sites.
fn page_of_form(request: &HttpRequest) -> Option<String> {
    let from = request.headers().get(REFERER)?.to_str().ok()?.parse::<actix_web::http::Uri>().ok()?;
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let is_here = from.authority().is_some_and(|authority| authority.as_str() == host);
    from.path_and_query().filter(|_| is_here).map(|place| place.as_str().to_owned())
}

impl From<OperationError> for PageError {
    fn from(error: OperationError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for PageError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => f.write_str(&failure.detail),
            Self::SignIn(_) => f.write_str("not signed in"),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Failed(failure) => failure.status,
            Self::SignIn(_) => StatusCode::SEE_OTHER,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn(place) => see_other(place),
            Self::Failed(failure) => {
                let mut response = HttpResponse::build(failure.status);
                for (name, value) in failure.headers.iter().filter(|(name, _)| *name != SET_COOKIE) {
                    response.insert_header((name.clone(), value.as_str()));
                }
                html_of(&mut response, problem(failure.status.as_u16(), &failure.detail))
            }
        }
    }
}

/// Redirects to another page, by GET.
pub(crate) fn see_other(place: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}

/// Sends a page with this response.
pub(super) fn html_of(response: &mut actix_web::HttpResponseBuilder, markup: Markup) -> HttpResponse {
    response.content_type("text/html; charset=utf-8").body(markup.into_string())
}
