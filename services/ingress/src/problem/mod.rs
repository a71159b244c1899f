//! Problems (RFC 9457): every refusal that a partner can receive, with its status, its stable type and its text.

mod limits;

use crate::dispatch::NotAccepted;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use forebay_contract::body::{ACCEPTED_ENCODINGS, BodyError};
use forebay_contract::outcome::ExecutionError;
use forebay_contract::{ExecutionId, UnixMicros};
use forebay_store::Paused;
use forebay_workflow::KeyError;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Prefix of all types: an identifier, which need not be reachable.
const TYPE_BASE: &str = "https://forebay.dev/problems/";

/// `Retry-After` of a paused trigger whose pause has no end.
const RETRY_AFTER_PAUSE: Duration = Duration::from_secs(60);
/// Maximum `Retry-After` of a paused trigger: it may be resumed before its end.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A refusal. `slug` is the last part of its type and never changes once it is published.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: String,
    extensions: Map<String, Value>,
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, title, detail: detail.into(), extensions: Map::new(), headers: Vec::new() }
    }

    fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(field.to_owned(), value.into());
        self
    }

    fn with_retry_after(self, after: Duration) -> Self {
        self.with_header(RETRY_AFTER, after.as_nanos().div_ceil(1_000_000_000).max(1).to_string())
    }

    pub(crate) fn unknown_path(path: &str) -> Self {
        let detail = format!("There is no integration at '{}'. The path of a call is /TENANT/NAME.", shown(path));
        Self::new(StatusCode::NOT_FOUND, "unknown-path", "Unknown path", detail)
    }

    pub(crate) fn disabled(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "integration-disabled", "Integration disabled", format!("'{}' is disabled.", shown(path)))
    }

    /// The reason of a pause is for the operators and is not told.
    pub(crate) fn trigger_paused(path: &str, paused: &Paused) -> Self {
        let (until, retry_after) = match paused.until() {
            Some(until) => (format!(" until {}", until.rfc3339()), until.since(UnixMicros::now()).min(MAX_RETRY_AFTER)),
            None => (String::new(), RETRY_AFTER_PAUSE),
        };
        let detail = format!(
            "'{}' is paused{until}, so no execution starts and no response would come. Nothing was accepted; try again after Retry-After, or \
             call with 'Prefer: respond-async': the call is then accepted, and runs after the pause.",
            shown(path)
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "trigger-paused", "Paused", detail).with_retry_after(retry_after)
    }

    pub(crate) fn method_not_allowed(method: &str, allow: &str) -> Self {
        let detail = format!("{} is not accepted here; use {allow}.", shown(method));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail).with_header(ALLOW, allow)
    }

    /// The caller has no credential, or an invalid one. `challenge` is the value of `WWW-Authenticate`.
    pub(crate) fn unauthorized(title: &'static str, detail: impl Into<String>, challenge: String) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail).with_header(WWW_AUTHENTICATE, challenge)
    }

    /// The documents need a key; a browser asks its user for it.
    pub(crate) fn no_key_for_documents(realm: &str) -> Self {
        let detail = "These pages need an API key of the tenant: send it as 'X-API-Key: KEY' or 'Authorization: Bearer KEY', or give it as the password when a browser asks.";
        let challenge = format!("Bearer realm=\"{realm}\", Basic realm=\"{realm}\", charset=\"UTF-8\"");
        Self::unauthorized("API key needed", detail, challenge)
    }

    pub(crate) fn wrong_key_for_documents(realm: &str) -> Self {
        let challenge = format!("Bearer realm=\"{realm}\", error=\"invalid_token\", Basic realm=\"{realm}\", charset=\"UTF-8\"");
        let detail = "The API key is not one of this tenant. Check that it is complete and was not deleted.";
        Self::unauthorized("API key not valid", detail, challenge)
    }

    pub(crate) fn no_grant(path: &str) -> Self {
        let detail = format!("The API key is valid, but not for '{}'. Ask the operator to grant it.", shown(path));
        Self::new(StatusCode::FORBIDDEN, "forbidden", "API key without a grant", detail)
    }

    pub(crate) fn query(errors: &[forebay_contract::QueryError]) -> Self {
        let texts: Vec<Value> = errors.iter().map(|error| json!(error.to_string())).collect();
        let detail = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self::new(StatusCode::BAD_REQUEST, "invalid-query", "Invalid query", detail).with("errors", texts)
    }

    pub(crate) fn body(error: &BodyError) -> Self {
        let detail = error.to_string();
        match error {
            BodyError::ContentType(_) | BodyError::Malformed { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "malformed-body", "Malformed body", detail)
            }
            BodyError::Charset(..) => Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-charset", "Unsupported charset", detail),
            BodyError::Encoding(_) => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-encoding", "Unsupported content encoding", detail)
                    .with_header(ACCEPT_ENCODING, ACCEPTED_ENCODINGS)
            }
            BodyError::TooLarge(limit) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail).with("maxBytes", *limit)
            }
        }
    }

    pub(crate) fn invalid_idempotency_key(max_length: usize) -> Self {
        let detail = format!("The Idempotency-Key must have 1 to {max_length} visible ASCII characters.");
        Self::new(StatusCode::BAD_REQUEST, "invalid-idempotency-key", "Invalid Idempotency-Key", detail)
    }

    pub(crate) fn no_idempotency_key(error: &KeyError) -> Self {
        let reason = match error {
            KeyError::Boolean => "gave true or false, which would be the key of every call".to_owned(),
            KeyError::Failed(error) => format!("failed ({})", error.code.as_str()),
        };
        let detail = format!("The call has no usable idempotency key: the endpoint's mapping for it {reason}.");
        Self::new(StatusCode::BAD_REQUEST, "invalid-idempotency-key", "No idempotency key", detail)
    }

    pub(crate) fn key_reused(id: ExecutionId) -> Self {
        let detail = "The idempotency key was used for another request; use a new key for a new request.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency key reused", detail)
            .with("executionId", id.to_string())
    }

    pub(crate) fn still_running(id: ExecutionId, location: &str) -> Self {
        let detail = "The first call with this idempotency key is still being executed; its outcome will be at Location.";
        Self::new(StatusCode::CONFLICT, "idempotency-conflict", "Still running", detail)
            .with("executionId", id.to_string())
            .with_header(LOCATION, location)
            .with_header(crate::EXECUTION_ID_HEADER, id.to_string())
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn call_of_another_key() -> Self {
        let detail = "A call with this idempotency key was accepted before, with another API key. It is executed once, and only the key that called reads its outcome.";
        Self::new(StatusCode::CONFLICT, "call-of-another-key", "Call of another API key", detail)
    }

    pub(crate) fn keys_unavailable() -> Self {
        let detail = "Idempotency keys cannot be read at the moment. Nothing was accepted and nothing will be executed; call again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail)
            .with("mayBeDelivered", false)
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn body_interrupted(cause: &str) -> Self {
        let detail = format!("The body did not arrive completely: {cause}.");
        Self::new(StatusCode::BAD_REQUEST, "malformed-body", "Malformed body", detail)
    }

    pub(crate) fn not_accepted(error: &NotAccepted) -> Self {
        let NotAccepted { reason, may_be_delivered, max_bytes, retry_after } = error;
        let fate = match (may_be_delivered, max_bytes) {
            (true, _) => "It may still be delivered and executed: call again only with care for a second execution.",
            (false, None) => "Nothing was accepted and nothing will be executed; call again.",
            (false, Some(_)) => "Nothing was accepted and nothing will be executed; send a smaller body.",
        };
        let detail = format!("The call was not accepted: {reason}. {fate}");
        let problem = match max_bytes {
            Some(max_bytes) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail).with("maxBytes", *max_bytes)
            }
            None => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail).with_retry_after(*retry_after)
            }
        };
        problem.with("mayBeDelivered", *may_be_delivered)
    }

    pub(crate) fn history_unavailable() -> Self {
        let detail = "The history of executions cannot be read at the moment; the execution itself is not affected.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail)
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn unknown_execution(id: &str) -> Self {
        let id = shown(id);
        let detail = format!(
            "No execution with the id '{id}' was accepted here, it is older than the retention of the history, or it was called with another API key."
        );
        Self::new(StatusCode::NOT_FOUND, "unknown-execution", "Unknown execution", detail)
    }

    /// The execution failed. The partner receives the place of the failure, not the message: the message may contain information that is
    /// only for the integration's owner.
    pub(crate) fn execution_failed(id: ExecutionId, location: &str, error: &ExecutionError) -> Self {
        let place = error.step.as_deref().map(|step| format!(" in '{step}'")).unwrap_or_default();
        let detail = format!("The execution failed{place} ({}). Give its id to the operator.", error.code.as_str());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "execution-failed", "Execution failed", detail)
            .with("executionId", id.to_string())
            .with("code", error.code.as_str())
            .with("step", error.step.clone())
            .with_header(LOCATION, location)
            .with_header(crate::EXECUTION_ID_HEADER, id.to_string())
    }

    pub(crate) fn execution_timeout(id: ExecutionId, location: &str, waited: Duration) -> Self {
        let detail = format!(
            "No response within {}. An execution that had not started by then never starts. The outcome of one that had started will be at Location.",
            forebay_contract::format_duration(waited)
        );
        Self::new(StatusCode::GATEWAY_TIMEOUT, "execution-timeout", "No response in time", detail)
            .with("executionId", id.to_string())
            .with_header(LOCATION, location)
            .with_header(crate::EXECUTION_ID_HEADER, id.to_string())
    }

    pub(crate) fn internal(detail: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let mut body = json!({
            "type": format!("{TYPE_BASE}{}", self.slug),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(fields) = &mut body {
            fields.extend(self.extensions);
        }
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        response.body(body.to_string())
    }
}

/// Returns a text of the caller, cut to a length that fits into a message.
fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}
