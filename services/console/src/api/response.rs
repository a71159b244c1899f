//! Bodies of requests, responses and problems of the API.

use crate::failure::Failure;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use actix_web::{HttpResponse, ResponseError, web};
use forebay_admin_api::{DocumentProblem, ExistingKey, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Prefix of all addresses of the API.
pub(crate) const ROOT: &str = "/api/";
/// Prefix of all types of problems: an identifier, which need not be reachable.
const TYPE_BASE: &str = "https://forebay.dev/problems/";

/// A failure, sent as a problem (RFC 9457).
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
        self.response(&self.0.detail)
    }
}

impl ApiError {
    /// Returns the response for the command at the host, which has the causes; `None`: there are none.
    pub(crate) fn response_with_causes(&self) -> Option<HttpResponse> {
        self.0.causes.as_deref().map(|causes| self.response(causes))
    }

    fn response(&self, detail: &str) -> HttpResponse {
        let Failure { status, slug, title, detail: _, causes: _, problems, key, headers } = &self.0;
        let body = Problem {
            kind: format!("{TYPE_BASE}{slug}"),
            title: (*title).to_owned(),
            status: status.as_u16(),
            detail: detail.to_owned(),
            problems: problems.iter().map(|one| DocumentProblem { path: one.path.clone(), message: one.message.clone() }).collect(),
            key: key.as_ref().map(|(id, label)| ExistingKey { id: *id, label: label.clone() }),
        };
        let mut response = HttpResponse::build(*status);
        for (name, value) in headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))).json(body)
    }
}

/// Reads a body that may be empty.
pub(super) fn optional<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    // A derived reader would accept a list for the fields of an object, in their order.
    let value: Value = serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("body: {error}")))?;
    if !value.is_object() {
        return Err(Failure::bad_request("body: must be a JSON object"));
    }
    serde_json::from_value(value).map_err(|error| Failure::bad_request(format!("body: {error}")))
}

/// Reads a body that is required; otherwise the same as [`optional`].
pub(super) fn required<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    optional::<Option<T>>(body)?.ok_or_else(|| Failure::bad_request("body: a JSON object is required"))
}

/// Refuses a body that is not JSON of the required type.
pub(crate) fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(|error, _| {
        let status = error.status_code();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError(Failure::new(status, "too-large", "Too large", error.to_string())).into();
        }
        ApiError(Failure::bad_request(format!("body: {error}"))).into()
    })
}

pub(super) fn ok(body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Ok().json(body))
}

/// Responds with the entity tag that a later change sends as `If-Match`.
pub(super) fn ok_tagged(tag: &str, body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(body))
}

pub(super) fn created(place: &str, body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(body))
}

pub(super) fn accepted(body: impl Serialize) -> ApiResult {
    Ok(HttpResponse::Accepted().json(body))
}
