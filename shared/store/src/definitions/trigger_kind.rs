//! The kind and the dispatch policy of a trigger, as they are stored and listed.

use crate::database::word::words;
use forebay_contract::definition::{DispatchPolicy, Trigger};
use serde::{Deserialize, Serialize};

words! {
    /// The kind of a trigger.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum TriggerKind {
        /// An HTTP call.
        Webhook = "webhook",
        /// A due time, or a run of a schedule that a person started.
        Schedule = "schedule",
    }
}

impl From<&Trigger> for TriggerKind {
    fn from(trigger: &Trigger) -> Self {
        match trigger {
            Trigger::Webhook(_) => Self::Webhook,
            Trigger::Schedule(_) => Self::Schedule,
        }
    }
}

/// The policy of a trigger whose calls go to shared queues, as [`TriggerRow::policy`](crate::TriggerRow::policy) has it: stored, and shown by the API.
pub const SHARED_QUEUE_POLICY: &str = "lane";

/// Returns the dispatch policy, as a listing shows it.
pub(crate) fn policy(policy: &DispatchPolicy) -> String {
    match policy {
        DispatchPolicy::Parallel => SHARED_QUEUE_POLICY.to_owned(),
        DispatchPolicy::Ordered => "serial".to_owned(),
        DispatchPolicy::OrderedByKey { concurrency, .. } => format!("by key ({concurrency})"),
        DispatchPolicy::ConcurrencyLimit(concurrency) => format!("parallel {concurrency}"),
    }
}
