//! Errors in the form of their address: a problem under the API, an error page elsewhere.

use crate::api::response::{ApiError, ROOT};
use crate::failure::Failure;
use crate::pages::error::PageError;
use actix_web::{Error, web};

/// Returns true for an address of the API.
pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with(ROOT)
}

/// Returns the error whose response has the form of this path.
pub(crate) fn error_at(path: &str, failure: Failure) -> Error {
    if is_api(path) { ApiError(failure).into() } else { PageError::Failed(failure).into() }
}

/// Refuses a query that is not of the required type.
pub(crate) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, request| error_at(request.path(), Failure::bad_request(format!("query: {error}"))))
}

/// Responds with 404 to a path whose parts are not of the required types.
pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default()
        .error_handler(|error, request| error_at(request.path(), Failure::not_found(format!("No object has this address: {error}."))))
}
