//! An alert: a condition of a tenant's integrations, and who is told when it holds, as an operator wrote it in YAML or JSON.

use crate::definition::DefinitionError;
use crate::fields::Origin;
use crate::name::{IntegrationPath, Name};
use serde_json::Value;
use std::time::Duration;

mod notification;
mod read;
#[cfg(test)]
mod tests;

pub use notification::{Event, Notification, NotificationEntry};

/// How long an alert that stays raised is not told again, where its document says nothing.
pub const DEFAULT_REPEAT: Duration = Duration::from_secs(4 * 3600);
/// Traffic is known by the minute, and for two days.
pub const MAX_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// One alert, checked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// The tenant that owns it.
    pub tenant: Name,
    /// Its name within the tenant.
    pub name: Name,
    /// For people; part of what is sent.
    pub description: String,
    /// True if it is watched.
    pub enabled: bool,
    /// The integrations that it watches, each by itself; `None`: all of the tenant.
    pub integrations: Option<Vec<Name>>,
    /// When it is raised.
    pub when: Condition,
    /// Where it is sent to.
    pub send: Sending,
    /// How long an alert that stays raised is not told again.
    pub repeat: Duration,
}

/// When an alert is raised, for each integration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Of the executions that ended, too many did not end well.
    FailureRate {
        /// Percent; more of them raise the alert.
        over: f64,
        /// The time that is looked at, to the whole minute.
        window: Duration,
        /// With fewer that ended in it the alert is not raised.
        at_least: u64,
    },
    /// A message waits, or is worked on, for too long.
    OldestAge {
        /// Longer than this.
        over: Duration,
    },
    /// The trigger has halted: a person has to decide.
    Halted,
    /// No execution was accepted.
    Silent {
        /// For so long.
        lasting: Duration,
    },
}

impl Condition {
    /// The field of a document that makes a condition this kind.
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

/// Where an alert is sent to: one or both.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sending {
    /// A POST of JSON, see [`Notification::to_json`].
    pub webhook: Option<AlertWebhook>,
    /// A mail.
    pub email: Option<AlertEmail>,
}

/// An HTTP service that is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AlertWebhook {
    /// Its address.
    pub target: AlertAddress,
    /// More headers. Credentials are no part of them: a connection keeps those.
    pub headers: Vec<(String, String)>,
}

/// The address of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertAddress {
    /// The whole of it.
    Url(String),
    /// An `http` connection of the tenant.
    Connection {
        /// The connection.
        connection: Name,
        /// Under its address; may be empty.
        path: String,
    },
}

/// Somebody who gets a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertEmail {
    /// An `smtp` connection of the tenant.
    pub connection: Name,
    /// Addresses, at least one.
    pub to: Vec<String>,
}

impl Alert {
    /// Returns true if a document is an alert and not a definition: it has a field `alert`.
    #[must_use]
    pub fn is_document(document: &Value) -> bool {
        document.get("alert").is_some()
    }

    /// Reads one alert from its JSON shape.
    ///
    /// # Errors
    /// Every problem found, each with the path of the field.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read::alert(document, Origin::Written)
    }

    /// Reads an alert that an earlier version of Forebay accepted and stored. Rules that are newer than it do not hold, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// As [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read::alert(document, Origin::Stored)
    }

    /// `tenant/name`.
    #[must_use]
    pub fn path(&self) -> IntegrationPath {
        IntegrationPath { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    /// The connections by which it is sent, with the kind that each has to be of.
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
