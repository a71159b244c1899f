//! Applying many documents at once.

use crate::integrations::{AppliedDefinition, Change, Difference, WrittenDocument};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Definitions, connections and alerts to apply together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApplyRequest {
    /// Definitions, connections with their secrets as text, and alerts.
    pub documents: Vec<WrittenDocument>,
    /// Only returns what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// Documents that were applied, or would be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// Connections.
    pub connections: Vec<AppliedConnection>,
    /// Definitions.
    pub definitions: Vec<AppliedDefinition>,
    /// Alerts.
    pub alerts: Vec<AppliedAlert>,
}

/// A connection that was stored, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedConnection {
    /// `tenant/name`.
    pub connection: String,
    /// The change of the stored connection.
    pub change: Change,
    /// Such as `http`.
    pub kind: String,
    /// True if steps may use it after.
    pub enabled: bool,
    /// True if steps could use it before; absent: it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_enabled: Option<bool>,
    /// Every field that changes and is not a secret.
    pub differences: Vec<Difference>,
    /// Every secret by its path: `changed`, `unchanged`, `added`, `removed`.
    #[schema(value_type = Object)]
    pub secrets: Map<String, Value>,
    /// The reason for which it could not be compared with the stored one; then it counts as updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// An alert that was stored, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedAlert {
    /// `tenant/name`.
    pub alert: String,
    /// The change of the stored alert.
    pub change: Change,
    /// `failure_rate`, `oldest_age`, `halted` or `silent`.
    pub when: String,
    /// True if it is evaluated after.
    pub enabled: bool,
    /// True if it was evaluated before; absent: it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_enabled: Option<bool>,
    /// Every field that changes.
    pub differences: Vec<Difference>,
    /// Parts that it names and that do not exist yet.
    pub notes: Vec<String>,
}
