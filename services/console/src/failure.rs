//! Failures of requests, for programs and people: a status, a stable type, and a text with the remedy.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, RETRY_AFTER};
use forebay_contract::definition::Problem;
use forebay_contract::with_causes;
use forebay_operations::{Denied, OperationError};
use forebay_store::StoreError;
use uuid::Uuid;

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// The last part of the problem's type, which never changes once it is published.
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
    /// The text for the caller. Contains no secret.
    pub(crate) detail: String,
    /// The causes of the error, for a caller at the host, where nobody reads a log: shown instead of the detail.
    pub(crate) causes: Option<String>,
    /// All problems of a definition or connection.
    pub(crate) problems: Vec<Problem>,
    /// The id and label of the existing key with the value of a new one.
    pub(crate) key: Option<(Uuid, String)>,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, title, detail: detail.into(), causes: None, problems: Vec::new(), key: None, headers: Vec::new() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", "Invalid request", detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-value", "Invalid value", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn unavailable(detail: &str) -> Self {
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail);
        failure.with_header(RETRY_AFTER, "2")
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = with_causes(error);
        tracing::error!(error = causes, "a request failed");
        let failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong", "It is in the console's log.");
        Self { causes: Some(causes), ..failure }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown { .. } => Self::not_found(denied.to_string()),
            Denied::Role { .. } | Denied::Token => Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", denied.to_string()),
        }
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Denied(denied) => denied.into(),
            OperationError::Store(error) => error.into(),
            OperationError::Problems(problems) => {
                let detail = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self { problems, ..Self::new(status, "invalid-document", "Invalid document", detail) }
            }
            OperationError::Invalid(detail) => Self::invalid(detail),
            OperationError::NotFound(_) => Self::not_found(error.to_string()),
            OperationError::Refused(detail) => Self::new(StatusCode::CONFLICT, "refused", "Not as things stand", detail),
            OperationError::OtherBroker(detail) => {
                tracing::error!(reason = detail, "this console's broker is not the installation's");
                Self::new(StatusCode::CONFLICT, "other-broker", "Not the installation's broker", detail)
            }
            OperationError::KeyKnown { key, wanted } => {
                let (label, id) = (&key.label, key.id);
                let lacks: Vec<String> = wanted
                    .iter()
                    .filter(|name| !key.integrations.iter().any(|opened| opened == name.as_str()))
                    .map(|name| format!(" --integration {name}"))
                    .collect();
                let advice = match lacks.as_slice() {
                    [] => "It may call these integrations already: use it, or create a key with another value.".to_owned(),
                    names => format!("Grant it more with `forebay keys grant {id}{}`, or use another value.", names.concat()),
                };
                let detail = format!("This key is already '{label}', of id {id}. {advice}");
                Self { key: Some((key.id, key.label)), ..Self::new(StatusCode::CONFLICT, "key-exists", "The key exists already", detail) }
            }
            OperationError::Publish(_) | OperationError::Broker(_) => {
                let causes = with_causes(&error);
                tracing::warn!(error = causes, "the broker did not do what a person asked for");
                Self { causes: Some(causes), ..Self::unavailable(&error.to_string()) }
            }
            OperationError::Busy => Self::unavailable(&error.to_string()),
            OperationError::Failed(_) => Self::internal(&error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::NotFound { .. } => Self::not_found(detail),
            StoreError::Changed { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "changed", "Changed by somebody else", detail),
            StoreError::Exists { .. } | StoreError::KeyExists | StoreError::LastAdministrator | StoreError::NotHalted { .. } => {
                Self::new(StatusCode::CONFLICT, "refused", "Not as things stand", detail)
            }
            StoreError::Invalid { .. }
            | StoreError::UnknownIntegrations { .. }
            | StoreError::DefinedTwice { .. }
            | StoreError::TooMany { .. }
            | StoreError::DefinitionTooLarge { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-value", "Invalid value", detail)
            }
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = detail, "the database is away");
                Self::unavailable("The database does not answer. Try again in a moment.")
            }
            error => Self::internal(&error),
        }
    }
}
