//! The admin API: everything that the pages and the command can do, in JSON under `/api/v1`.

mod keys;

use crate::failure::Failure;
use crate::route::{Needs, Route};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, ResponseError, web};
use serde_json::{Value, json};
use std::fmt;

/// Where all of it is.
pub(crate) const ROOT: &str = "/api/";
/// Types are relative to this address, which is a name and needs not be reachable.
const TYPE_BASE: &str = "https://forebay.dev/problems/";

/// What the document of the API says of a route.
pub(crate) struct Documented {
    pub(crate) summary: &'static str,
}

/// A failure, told as a problem (RFC 9457).
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Failure);

pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

impl<E: Into<Failure>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let Failure { status, slug, title, detail, problems, headers } = &self.0;
        let mut body = json!({ "type": format!("{TYPE_BASE}{slug}"), "title": title, "status": status.as_u16(), "detail": detail });
        if !problems.is_empty() {
            body["problems"] = problems.iter().map(|one| json!({ "path": one.path, "message": one.message })).collect::<Value>();
        }
        let mut response = HttpResponse::build(*status);
        for (name, value) in headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))).body(body.to_string())
    }
}

/// A body that is no JSON of the wanted shape.
pub(crate) fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(|error, _| {
        let status = error.status_code();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError(Failure::new(status, "too-large", "Too large", error.to_string())).into();
        }
        ApiError(Failure::bad_request(format!("the body: {error}"))).into()
    })
}

/// A query of another shape than the wanted one.
pub(crate) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, request| {
        let failure = Failure::bad_request(format!("the query: {error}"));
        if request.path().starts_with(ROOT) { ApiError(failure).into() } else { crate::pages::PageError::Failed(failure).into() }
    })
}

/// A path whose parts cannot be what they stand for: there is nothing of that name.
pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|error, request| {
        let failure = Failure::not_found(format!("There is nothing at this address: {error}."));
        if request.path().starts_with(ROOT) { ApiError(failure).into() } else { crate::pages::PageError::Failed(failure).into() }
    })
}

/// The document of the API, made from its routes.
#[must_use]
pub fn openapi() -> Value {
    json!({ "openapi": "3.1.0", "info": { "title": "Forebay admin API", "version": env!("CARGO_PKG_VERSION") }, "paths": {} })
}

/// The routes of the API.
pub(crate) fn routes() -> Vec<Route> {
    use actix_web::http::Method;
    vec![Route {
        method: Method::GET,
        path: "/api/v1/keys",
        needs: Needs::Anybody,
        to: |route| route.to(keys::list),
        documented: Some(Documented { summary: "API keys of callers" }),
    }]
}
