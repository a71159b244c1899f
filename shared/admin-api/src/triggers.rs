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
    /// `running` or `halted`.
    pub state: String,
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
}

/// A decision that was taken on a halted trigger.
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
