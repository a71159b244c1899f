//! `GET /{tenant}/{name}/executions/{id}`: the status of an execution, for the API key that called, or one that reads all outcomes.

use crate::authentication::Access;
use crate::dependencies::Dependencies;
use crate::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use forebay_contract::body::shown_body;
use forebay_contract::json::object_of;
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::{ExecutionId, UnixMillis};
use forebay_store::StoredResponse;
use serde_json::{Value, json};

/// Answers with the recorded outcome, or as for an unknown id if another key called. An id that was issued here and is not recorded is
/// queued: its tag proves that it was issued. The key that called is unknown then, and the id cannot be guessed.
pub(crate) async fn show(access: &Access, text: &str, dependencies: &Dependencies) -> Result<HttpResponse, Problem> {
    let integration = access.integration.id;
    let id: ExecutionId = text.parse().map_err(|_| Problem::unknown_execution(text))?;
    if !dependencies.ids.is_issued(&id, integration) {
        return Err(Problem::unknown_execution(text));
    }
    let recorded = dependencies.store.execution(integration, &id).await.map_err(|error| {
        tracing::warn!(forebay.execution.id = %id, %error, "an execution cannot be read");
        Problem::history_unavailable()
    })?;
    let body = match recorded {
        Some(outcome) if !access.credential.may_read(outcome.row.caller) => return Err(Problem::unknown_execution(text)),
        Some(outcome) => {
            let row = &outcome.row;
            let mut body = json!({ "executionId": id, "status": row.status, "attempts": row.attempts });
            if let Some(error) = &row.error {
                body["error"] = json!({ "code": error.code, "step": error.step });
            }
            if let Some(response) = &outcome.output {
                body["response"] = shown(response);
            }
            body
        }
        None => {
            if UnixMillis::now().since(id.issued_at()) > dependencies.retention {
                return Err(Problem::unknown_execution(text));
            }
            json!({ "executionId": id, "status": ExecutionStatus::Queued })
        }
    };
    let json = HeaderValue::from_static("application/json");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, json))
        .insert_header((crate::EXECUTION_ID_HEADER, id.to_string()))
        .body(body.to_string()))
}

/// Returns the response of the workflow as it was, or would have been, sent.
fn shown(response: &StoredResponse) -> Value {
    let headers: serde_json::Map<String, Value> = response.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = shown_body(response.content_type(), &response.body);
    object_of([("status", response.status.into()), ("headers", Value::Object(headers)), ("body", body)])
}
