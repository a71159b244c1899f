//! Problems: responses to requests that were not done.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A problem (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of the problem; it never changes.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    pub kind: String,
    /// The kind for people.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// The problem, and the remedy.
    pub detail: String,
    /// Of a document: everything that is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<DocumentProblem>,
    /// The key that has the value already which was to be a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ExistingKey>,
}

/// A mistake in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentProblem {
    /// Such as `trigger.webhook.methods`.
    pub path: String,
    /// The problem.
    pub message: String,
}

/// A key that exists already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExistingKey {
    /// Its id.
    pub id: Uuid,
    /// Its label.
    pub label: String,
}
