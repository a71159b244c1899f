//! Notifications: the JSON of a webhook, and subject and text of an email.

use super::{Alert, Condition};
use crate::name::Name;
use crate::unix_time::UnixMicros;
use serde_json::{Value, json};

/// Maximum integrations that the text names; the JSON names all.
const MAX_NAMED: usize = 50;

/// A change of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its condition holds.
    Raised,
    /// Its condition still holds, and a notification was sent before.
    StillRaised,
    /// Its condition does not hold any more.
    Resolved,
    /// No change: a test of the notifiers.
    Test,
}

impl Event {
    /// Returns the word in [`Notification::to_json`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::StillRaised => "still_raised",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }

    fn word(self) -> &'static str {
        if self == Self::StillRaised { "still raised" } else { self.as_str() }
    }
}

/// One integration of a [`Notification`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationEntry {
    /// The integration.
    pub integration: Name,
    /// The change of the alert there; never [`Event::Test`].
    pub event: Event,
    /// The time at which it was raised.
    pub since: UnixMicros,
    /// The observation, as a sentence.
    pub detail: String,
}

/// A notification about an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The number of the notification for its alert rule, from 1; another attempt has the same number.
    pub number: i64,
    /// The time at which it was written.
    pub at: UnixMicros,
    /// The changes by integration; empty: a test.
    pub entries: Vec<NotificationEntry>,
}

impl Notification {
    /// Returns the change as a whole: raised if it is newly raised for any integration.
    #[must_use]
    pub fn event(&self) -> Event {
        let has = |event| self.entries.iter().any(|entry| entry.event == event);
        [Event::Raised, Event::StillRaised, Event::Resolved].into_iter().find(|event| has(*event)).unwrap_or(Event::Test)
    }

    /// Returns the body of a webhook. `subject` and `text` are for chat systems that show a text.
    ///
    /// ```json
    /// { "tenant": "t37ed", "alert": "OrdersFailing", "description": "", "condition": "failure_rate", "event": "raised",
    ///   "number": 3, "at": "2026-12-01T06:00:00Z", "subject": "...", "text": "...",
    ///   "integrations": [{ "integration": "CreateWorkOrder", "event": "raised", "since": "2026-12-01T06:00:00Z", "detail": "..." }] }
    /// ```
    #[must_use]
    pub fn to_json(&self, alert: &Alert) -> Value {
        let entries = self.entries.iter().map(|entry| {
            json!({
                "integration": entry.integration.as_str(),
                "event": entry.event.as_str(),
                "since": entry.since.to_second().rfc3339(),
                "detail": entry.detail,
            })
        });
        json!({
            "tenant": alert.tenant.as_str(),
            "alert": alert.name.as_str(),
            "description": alert.description,
            "condition": alert.when.as_str(),
            "event": self.event().as_str(),
            "number": self.number,
            "at": self.at.to_second().rfc3339(),
            "subject": self.subject(alert),
            "text": self.text(alert),
            "integrations": entries.collect::<Value>(),
        })
    }

    /// Returns the subject of an email: one line.
    #[must_use]
    pub fn subject(&self, alert: &Alert) -> String {
        let event = self.event();
        let names: Vec<&str> = self.entries.iter().filter(|entry| entry.event == event).map(|entry| entry.integration.as_str()).collect();
        let of = match names.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            [first, rest @ ..] => format!(": {first} and {} more", rest.len()),
        };
        format!("[Forebay] {} {}{of}", alert.path(), event.word())
    }

    /// Returns the text of an email.
    #[must_use]
    pub fn text(&self, alert: &Alert) -> String {
        let mut lines = vec![format!("Alert {}: {}", alert.path(), meaning(&alert.when))];
        if !alert.description.is_empty() {
            lines.push(alert.description.clone());
        }
        lines.push(String::new());
        if self.entries.is_empty() {
            lines.push("This is a test: nothing has happened.".to_owned());
        }
        for entry in self.entries.iter().take(MAX_NAMED) {
            lines.push(format!("{}/{} {}: {}", alert.tenant, entry.integration, entry.event.word(), entry.detail));
            let until =
                if entry.event == Event::Resolved { format!(", resolved {}", self.at.to_second().rfc3339()) } else { String::new() };
            lines.push(format!("  raised {}{until}", entry.since.to_second().rfc3339()));
        }
        if self.entries.len() > MAX_NAMED {
            lines.push(format!("and {} more", self.entries.len() - MAX_NAMED));
        }
        lines.join("\n")
    }

    /// Returns the stored form, which [`Notification::from_stored`] reads.
    #[must_use]
    pub fn to_stored(&self) -> Value {
        let entries = self.entries.iter().map(|entry| {
            json!({
                "integration": entry.integration.as_str(),
                "event": entry.event.as_str(),
                "since": entry.since,
                "detail": entry.detail,
            })
        });
        json!({ "number": self.number, "at": self.at, "entries": entries.collect::<Value>() })
    }

    /// Reads the form of [`Notification::to_stored`]; `None`: it is not one.
    #[must_use]
    pub fn from_stored(stored: &Value) -> Option<Self> {
        let mut entries = Vec::new();
        for entry in stored["entries"].as_array()? {
            let event = [Event::Raised, Event::StillRaised, Event::Resolved].into_iter().find(|event| entry["event"] == event.as_str())?;
            entries.push(NotificationEntry {
                integration: entry["integration"].as_str()?.parse().ok()?,
                event,
                since: UnixMicros::new(entry["since"].as_i64()?),
                detail: entry["detail"].as_str()?.to_owned(),
            });
        }
        Some(Self { number: stored["number"].as_i64()?, at: UnixMicros::new(stored["at"].as_i64()?), entries })
    }
}

fn meaning(condition: &Condition) -> String {
    let time = crate::duration::format_duration;
    match condition {
        Condition::FailureRate { over, window, at_least } => {
            format!("more than {over} % of at least {at_least} executions failed or expired within {}", time(*window))
        }
        Condition::OldestAge { over } => format!("a message waits or is worked on for more than {}", time(*over)),
        Condition::Halted => "a trigger has halted".to_owned(),
        Condition::Silent { lasting } => format!("no execution was accepted for {}", time(*lasting)),
    }
}
