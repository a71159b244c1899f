//! Responses to calls that were accepted.

use crate::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use forebay_contract::ExecutionId;
use forebay_contract::outcome::{Ending, Response};
use forebay_store::Integration;
use std::time::Duration;

/// Returns the path of an execution's outcome.
pub(super) fn location_of(integration: &Integration, id: ExecutionId) -> String {
    format!("/{}/executions/{id}", integration.definition.path())
}

/// Returns the response to a caller that waits for an execution that has ended.
pub(super) fn ended(id: ExecutionId, ending: Ending, location: &str) -> HttpResponse {
    match ending {
        Ending::Succeeded(response) => of_workflow(id, response),
        Ending::Failed(error) => Problem::execution_failed(id, location, &error).into_response(),
        Ending::Expired => Problem::execution_timeout(id, location, Duration::ZERO).into_response(),
    }
}

/// Returns the response to a call that the broker has confirmed.
pub(super) fn accepted(id: ExecutionId, location: &str) -> HttpResponse {
    let id = id.to_string();
    // An id consists of letters and digits, so it needs no escapes in JSON.
    let body = format!(r#"{{"executionId":"{id}","status":"queued"}}"#);
    HttpResponse::Accepted()
        .insert_header((LOCATION, location))
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((crate::EXECUTION_ID_HEADER, id))
        .body(body)
}

fn of_workflow(id: ExecutionId, response: Response) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let mut answer = HttpResponse::build(status);
    for (name, value) in &response.headers {
        answer.append_header((name.as_str(), value.as_str()));
    }
    answer.insert_header((crate::EXECUTION_ID_HEADER, id.to_string()));
    // A browser must not guess another type for the response of a workflow.
    answer.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer.body(response.body)
}
