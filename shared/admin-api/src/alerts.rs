//! Alert rules and their state.

use crate::json::both;
use crate::time::Time;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The state of an alert rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertState {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// True if it is evaluated.
    pub enabled: bool,
    /// `failure_rate`, `oldest_age`, `halted` or `silent`.
    pub when: String,
    /// Counts changes.
    pub revision: i32,
    /// The time of its last change.
    pub updated_at: Time,
    /// The time after which a notification is repeated while the alert is raised, such as `4h`.
    pub repeat: String,
    /// The integrations for which it is raised.
    pub raised: Vec<RaisedAlert>,
    /// Notifications that were written so far.
    pub notifications: u64,
    /// The former name of `notifications`, for one release.
    #[schema(deprecated)]
    pub messages: u64,
    /// The time at which the last notification was sent.
    pub sent_at: Option<Time>,
    /// True if a notification has not arrived everywhere yet.
    pub pending: bool,
    /// The number of attempts to send it.
    pub attempts: i32,
    /// The time of the next attempt.
    pub retry_at: Option<Time>,
    /// The former name of `retryAt`, for one release.
    #[schema(deprecated, value_type = Option<String>, format = DateTime)]
    pub try_at: Option<Time>,
    /// The reason for which the last attempt failed.
    pub error: Option<String>,
    /// The time at which it failed.
    pub error_at: Option<Time>,
}

impl AlertState {
    /// `tenant/name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }
}

/// An alert that is raised for an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaisedAlert {
    /// The integration's name.
    pub integration: String,
    /// The time at which it was raised.
    pub since: Time,
    /// The time at which the last notification was written; null: none was.
    pub notified_at: Option<Time>,
    /// The former name of `notifiedAt`, for one release.
    #[schema(deprecated, value_type = Option<String>, format = DateTime)]
    pub told_at: Option<Time>,
    /// The observation.
    pub detail: String,
}

/// An alert rule: its state and its document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Alert {
    /// Its state.
    #[serde(flatten)]
    pub state: AlertState,
    /// The document of its author.
    pub document: Value,
}

impl<'de> Deserialize<'de> for Alert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(deserialize_with = "forebay_contract::json::value")]
            document: Value,
        }
        let (state, Written { document }) = both(deserializer)?;
        Ok(Self { state, document })
    }
}

/// A test notification that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestedAlert {
    /// `tenant/name`.
    pub alert: String,
    /// The notifiers that sent it: `webhook`, `email`.
    pub sent_by: Vec<String>,
}
