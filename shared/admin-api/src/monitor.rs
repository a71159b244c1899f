//! Execution statistics, queues and workers.

use crate::text::{DurationText, MomentText, NameText};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A chart of execution statistics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatisticsQuery {
    /// Only this tenant's
    #[param(inline)]
    pub tenant: Option<NameText>,
    /// One integration of that tenant
    #[param(inline)]
    pub integration: Option<NameText>,
    /// A time, or how long ago; an hour ago without
    #[param(inline)]
    pub from: Option<MomentText>,
    /// A time; now without
    #[param(inline)]
    pub to: Option<MomentText>,
    /// The time that a point covers, such as 5m; 1m without
    #[param(inline)]
    pub step: Option<DurationText>,
}

/// Statistics of the executions that ended within one step of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatisticsPoint {
    /// The begin of the step.
    pub at: Time,
    /// Number of executions that succeeded.
    pub succeeded: u64,
    /// Number of executions that failed.
    pub failed: u64,
    /// Number of executions that expired.
    pub expired: u64,
    /// The median duration in milliseconds; null: none ran.
    pub p50_ms: Option<f64>,
    /// The 95th percentile of durations in milliseconds.
    pub p95_ms: Option<f64>,
}

/// A queue at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Its name at the broker.
    pub queue: String,
    /// Null: a shared queue.
    pub tenant: Option<String>,
    /// The integration whose queue it is.
    pub integration: Option<String>,
    /// Queued messages, as of at most a few seconds ago; null: the broker did not say.
    pub ready: Option<u32>,
    /// Number of its consumers.
    pub consumers: Option<u32>,
    /// The time of receipt of the oldest message that a worker holds.
    pub oldest_at: Option<Time>,
    /// The active consumer.
    pub worker: Option<String>,
}

/// A live worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Executions that it runs now.
    pub running: i32,
    /// Maximum executions that it runs in parallel.
    pub concurrency: i32,
    /// Exclusive queues of which it is the active consumer.
    pub queues: usize,
    /// The time at which it started.
    pub started_at: Time,
    /// The time of its last report.
    pub last_seen_at: Time,
}
