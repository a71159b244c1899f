//! Diagnostics: recording everything of an integration for a time.

use crate::text::DurationText;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An integration of which everything is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnosis {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The time at which recording ends.
    pub until: Time,
    /// The time at which it began.
    pub since: Time,
    /// The person who began it.
    pub by: String,
}

/// Recording to begin, or to extend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnableDiagnosticsRequest {
    /// From now, such as `1h`; at most `7d`.
    #[serde(rename = "for")]
    pub duration: DurationText,
}

/// Recording that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiagnosticsEnabled {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The time at which recording ends.
    pub until: Time,
}

/// Recording that is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticsDisabled {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// True if it was on.
    pub was_on: bool,
}
