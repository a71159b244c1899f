//! Triggers, and decisions on those that are halted.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The trigger of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The integration's id.
    pub integration_id: Uuid,
    /// `webhook` or `schedule`.
    pub kind: String,
    /// `parallel`, `ordered`, `ordered by key (N)` or `concurrency limit N`.
    pub dispatch_policy: String,
    /// The former field of `dispatchPolicy`, for one release: `lane`, `serial`, `by key (N)` or `parallel N`.
    #[schema(deprecated)]
    pub policy: String,
    /// True if it accepts calls.
    pub enabled: bool,
    /// `running`, `paused` or `halted`. A halted trigger may be paused as well.
    pub state: String,
    /// The pause for which no execution starts; absent: it is not paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// The time at which it halted.
    pub since: Option<Time>,
    /// The execution at which it halted.
    pub execution_id: Option<String>,
    /// The reason for which that failed.
    pub error: Option<String>,
    /// The worker that holds its exclusive queue.
    pub worker: Option<String>,
}

impl Trigger {
    /// `tenant/integration`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.tenant, self.integration)
    }

    /// Returns true if a failed execution stopped it.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.since.is_some()
    }
}

/// A pause: calls are accepted, and no execution starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// `trigger`, `connection` (one that its steps use), `tenant`, `definition` (`paused: true`) or `disabled` (`enabled: false`).
    pub cause: String,
    /// The connection, where that is the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Its reason; absent where the definition says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The time at which it began; absent where the definition says so.
    pub since: Option<Time>,
    /// The time at which it ends by itself; absent: it has no end.
    pub until: Option<Time>,
    /// The person or program that paused; absent where the definition says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A pause to begin, or to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PauseRequest {
    /// Its reason, for people.
    #[schema(max_length = 4000)]
    pub reason: String,
    /// The time at which it ends by itself, in the future; absent: it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A trigger, a connection or a tenant that is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PausedTarget {
    /// `trigger`, `connection` or `tenant`.
    pub kind: String,
    /// Its tenant.
    pub tenant: String,
    /// The name of the integration or connection; absent for a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The time at which the pause ends by itself; absent: it has no end.
    pub until: Option<Time>,
}

/// A connection or a tenant that is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResumedTarget {
    /// `connection` or `tenant`.
    pub kind: String,
    /// Its tenant.
    pub tenant: String,
    /// The name of the connection; absent for a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// True if it was paused.
    pub was_paused: bool,
}

/// A decision on a halted trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerDecision {
    /// The failed execution runs again, then the ones after it.
    Resume,
    /// The failed execution stays failed, and the ones after it run.
    Skip,
}

/// The effect of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionEffect {
    /// The worker that holds the trigger's queue carries it out.
    Pending,
    /// The execution has succeeded or was skipped meanwhile, so the trigger runs already.
    Cleared,
    /// The trigger was paused: its pause has ended.
    Unpaused,
}

/// A decision that was taken on a halted trigger, or the end of a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecidedTrigger {
    /// Its tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The decision.
    pub decision: TriggerDecision,
    /// Its effect.
    pub effect: DecisionEffect,
    /// The live worker that holds the trigger's queue.
    pub worker: Option<String>,
}
