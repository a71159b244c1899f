//! An alert rule: a condition of a tenant's integrations, and the notifiers that are used when it holds. It is read from YAML or JSON.

use crate::name::{IntegrationPath, Name};
use serde_json::Value;
use std::time::Duration;

mod notification;
mod read;
#[cfg(test)]
mod tests;

pub use notification::{Event, Notification, NotificationEntry};

/// Default time after which the notification of a raised alert is repeated.
pub const DEFAULT_REPEAT: Duration = Duration::from_secs(4 * 3600);
/// Maximum window; statistics have a point for each minute, and are stored for two days.
pub const MAX_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// A valid alert rule.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// The tenant that owns it.
    pub tenant: Name,
    /// Its name within the tenant.
    pub name: Name,
    /// The description for people; it is part of notifications.
    pub description: String,
    /// True if it is evaluated.
    pub enabled: bool,
    /// The integrations that it watches, each by itself; `None`: all of the tenant.
    pub integrations: Option<Vec<Name>>,
    /// The condition under which it is raised.
    pub when: Condition,
    /// The notifiers.
    pub send: Sending,
    /// The time after which the notification of a raised alert is repeated.
    pub repeat: Duration,
}

/// The condition under which an alert is raised, for each integration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Too many of the ended executions did not succeed.
    FailureRate {
        /// Percentage above which the alert is raised.
        over: f64,
        /// The time before the evaluation, in whole minutes.
        window: Duration,
        /// Minimum ended executions; with fewer the alert is not raised.
        at_least: u64,
    },
    /// A message waits, or its execution runs, for too long.
    OldestAge {
        /// The maximum time.
        over: Duration,
    },
    /// The trigger is halted: a decision is needed.
    Halted,
    /// No execution was received.
    Silent {
        /// For this time.
        lasting: Duration,
    },
}

impl Condition {
    /// Returns the field of a document that selects this condition.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::FailureRate { .. } => "failure_rate",
            Self::OldestAge { .. } => "oldest_age",
            Self::Halted => "halted",
            Self::Silent { .. } => "silent",
        }
    }
}

/// The notifiers of an alert rule: one or both.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sending {
    /// A POST request with JSON, see [`Notification::to_json`].
    pub webhook: Option<AlertWebhook>,
    /// An email.
    pub email: Option<AlertEmail>,
}

/// An HTTP service that receives notifications.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AlertWebhook {
    /// Its address.
    pub target: AlertAddress,
    /// Additional headers. They contain no credentials: these belong to a connection.
    pub headers: Vec<(String, String)>,
}

/// The address of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertAddress {
    /// A whole URL.
    Url(String),
    /// An `http` connection of the tenant.
    Connection {
        /// The connection.
        connection: Name,
        /// The path below its address; may be empty.
        path: String,
    },
}

/// The recipients of an email.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertEmail {
    /// An `smtp` connection of the tenant.
    pub connection: Name,
    /// Addresses, at least one.
    pub to: Vec<String>,
}

impl Alert {
    /// Returns true if a document is an alert rule and not a definition: it has a field `alert`.
    #[must_use]
    pub fn is_document(document: &Value) -> bool {
        document.get("alert").is_some()
    }

    /// Returns `tenant/name`.
    #[must_use]
    pub fn path(&self) -> IntegrationPath {
        IntegrationPath { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    /// Returns the connections of its notifiers, with the kind that each must have.
    #[must_use]
    pub fn connections(&self) -> Vec<(&Name, &'static str)> {
        let by_webhook = self.send.webhook.as_ref().and_then(|webhook| match &webhook.target {
            AlertAddress::Connection { connection, .. } => Some((connection, "http")),
            AlertAddress::Url(_) => None,
        });
        by_webhook.into_iter().chain(self.send.email.as_ref().map(|email| (&email.connection, "smtp"))).collect()
    }

    /// Returns true if it watches an integration of its tenant.
    #[must_use]
    pub fn watches(&self, integration: &Name) -> bool {
        self.integrations.as_ref().is_none_or(|names| names.contains(integration))
    }
}
