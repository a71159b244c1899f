//! Schedules.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A schedule: its next due time, and the end of its last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The integration's id.
    pub integration_id: Uuid,
    /// The interval or the cron expression.
    pub timing: String,
    /// The timezone of a cron expression.
    pub timezone: String,
    /// True if it runs.
    pub enabled: bool,
    /// Null: it does not run any more.
    pub next_due_at: Option<Time>,
    /// Null: it never was due.
    pub last_due_at: Option<Time>,
    /// The execution of the last run.
    pub last_execution_id: Option<String>,
    /// Its status.
    pub last_status: Option<String>,
}

impl Schedule {
    /// `tenant/integration`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.tenant, self.integration)
    }
}

/// A run of a schedule that was started by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartedRun {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The execution's id.
    pub execution_id: String,
}
