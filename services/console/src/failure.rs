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
    /// The causes of the error, shown instead of the detail to the command at the host, which has no log.
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
        let failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", "The console's log has the cause.");
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
            OperationError::Refused(detail) => Self::new(StatusCode::CONFLICT, "refused", "Refused", detail),
            OperationError::OtherBroker(detail) => {
                tracing::error!(reason = detail, "this console's broker is not the installation's");
                Self::new(StatusCode::CONFLICT, "other-broker", "Not the installation's broker", detail)
            }
            OperationError::KeyExists { key, requested } => {
                let (label, id) = (&key.label, key.id);
                let missing: Vec<String> = requested
                    .iter()
                    .filter(|name| !key.integrations.iter().any(|granted| granted == name.as_str()))
                    .map(|name| format!(" --integration {name}"))
                    .collect();
                let advice = match missing.as_slice() {
                    [] => "It may already call these integrations: use it, or create a key with another value.".to_owned(),
                    names => format!("Grant it the integrations with `forebay keys grant {id}{}`, or use another value.", names.concat()),
                };
                let detail = format!("The key '{label}' (id {id}) already has this value. {advice}");
                Self { key: Some((key.id, key.label)), ..Self::new(StatusCode::CONFLICT, "key-exists", "Key exists", detail) }
            }
            OperationError::Publish(_) | OperationError::Broker(_) => {
                let causes = with_causes(&error);
                tracing::warn!(error = causes, "an operation at the broker failed");
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
            StoreError::Changed { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "changed", "Precondition failed", detail),
            StoreError::Exists { .. } | StoreError::KeyExists | StoreError::LastAdministrator | StoreError::NotHalted { .. } => {
                Self::new(StatusCode::CONFLICT, "refused", "Refused", detail)
            }
            StoreError::Invalid { .. }
            | StoreError::UnknownIntegrations { .. }
            | StoreError::DefinedTwice { .. }
            | StoreError::TooMany { .. }
            | StoreError::DefinitionTooLarge { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-value", "Invalid value", detail)
            }
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = detail, "the database is not available");
                Self::unavailable("The database does not respond. Try again in a moment.")
            }
            error => Self::internal(&error),
        }
    }
}
