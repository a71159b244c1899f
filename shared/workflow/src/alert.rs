//! Sends notifications of alerts, with the same steps and the same permitted addresses as workflows.

use crate::engine::Engine;
use crate::execution_context::ExecutionContext;
use crate::host::{CallEnd, Host, HostFuture, NoHost, OutgoingCall};
use crate::program::Program;
use crate::run::RunEnd;
use bytes::Bytes;
use forebay_contract::alert::{Alert, AlertAddress, Notification};
use forebay_contract::connection::Connection;
use forebay_contract::definition::{Definition, Problem};
use forebay_contract::envelope::{Envelope, Request};
use forebay_contract::outcome::{Checkpoint, ErrorCode, ExecutionError, Response};
use forebay_contract::{ExecutionId, Name};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Maximum time of one notification by one notifier.
pub const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(15);

/// A notifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A POST request with JSON.
    Webhook,
    /// An email.
    Email,
}

impl Channel {
    /// Returns the field of `send` that configures it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }

    /// Returns the notifiers of an alert rule.
    #[must_use]
    pub fn of(alert: &Alert) -> Vec<Self> {
        let webhook = alert.send.webhook.as_ref().map(|_| Self::Webhook);
        webhook.into_iter().chain(alert.send.email.as_ref().map(|_| Self::Email)).collect()
    }
}

/// Returns a connection of the alert's tenant.
pub type FindConnection = Arc<dyn Fn(&Name) -> Result<Arc<Connection>, ExecutionError> + Send + Sync>;

impl Engine {
    /// Sends a notification by one notifier. `id` is the same for every attempt of the same notification, so that a receiver can recognize
    /// a repetition (`Idempotency-Key`, `Message-ID`).
    ///
    /// # Errors
    /// The reason for which it was not sent, or may not have been.
    pub async fn notify(
        &self,
        alert: &Alert,
        channel: Channel,
        notification: &Notification,
        id: ExecutionId,
        connections: FindConnection,
    ) -> Result<(), ExecutionError> {
        let program = program(alert, channel).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            ExecutionError::permanent(ErrorCode::Definition, problems.join("; "))
        })?;
        let request = Request {
            method: "ALERT".to_owned(),
            path: format!("/{}", alert.path()),
            query_string: String::new(),
            query: serde_json::Map::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        };
        let body = Bytes::from(notification.to_json(alert).to_string());
        let envelope = Envelope::new(id, alert.path(), Uuid::nil(), 1, request, body);
        let mut context = ExecutionContext::once(Instant::now() + NOTIFICATION_TIMEOUT * 2);
        context.host = Arc::new(NotificationResult(connections));
        match self.run(&program, &envelope, context).await.end {
            RunEnd::Succeeded(_) => Ok(()),
            RunEnd::Failed(error) => Err(error),
            RunEnd::WaitsUntil(_) => Err(ExecutionError::permanent(ErrorCode::Internal, "a notification cannot be deferred")),
        }
    }
}

fn program(alert: &Alert, channel: Channel) -> Result<Program, Vec<Problem>> {
    with_definition(alert, channel, |definition| Program::compile(Arc::new(definition)))
}

/// Calls `read` with the definition that sends the notification, and replaces paths in its problems by those of the alert rule.
fn with_definition<T>(
    alert: &Alert,
    channel: Channel,
    read: impl FnOnce(Definition) -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    let mut step = json!({ "id": channel.as_str(), "timeout": format!("{}s", NOTIFICATION_TIMEOUT.as_secs()) });
    match channel {
        Channel::Webhook => step["http"] = http(alert),
        Channel::Email => step["email"] = email(alert),
    }
    let (tenant, name) = (alert.tenant.as_str(), alert.name.as_str());
    let document = json!({ "tenant": tenant, "name": name, "trigger": { "webhook": {} }, "steps": [step] });
    let read = || read(Definition::from_value(&document).map_err(|error| error.problems)?);
    let place = |problem: Problem| {
        let path = problem.path.replacen("steps[0].http", "send.webhook", 1).replacen("steps[0].email", "send.email", 1);
        Problem { path, ..problem }
    };
    read().map_err(|problems| problems.into_iter().map(place).collect())
}

fn http(alert: &Alert) -> Value {
    let Some(webhook) = &alert.send.webhook else { return Value::Null };
    let headers: serde_json::Map<String, Value> =
        webhook.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let mut http = json!({ "method": "POST", "headers": headers, "body": ".body" });
    match &webhook.target {
        AlertAddress::Url(url) => http["url"] = url.as_str().into(),
        AlertAddress::Connection { connection, path } => {
            http["connection"] = connection.as_str().into();
            http["path"] = path.as_str().into();
        }
    }
    http
}

fn email(alert: &Alert) -> Value {
    let Some(email) = &alert.send.email else { return Value::Null };
    let (connection, to) = (email.connection.as_str(), &email.to);
    json!({ "connection": connection, "to": to, "subject": "${ .body.subject }", "text": "${ .body.text }" })
}

/// The host of a notification: it has connections, and nothing else.
struct NotificationResult(FindConnection);

impl Host for NotificationResult {
    fn store_checkpoints<'a>(&'a self, steps: &'a [Checkpoint]) -> HostFuture<'a, bool> {
        NoHost.store_checkpoints(steps)
    }

    fn answer(&self, _response: &Response) {}

    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>> {
        NoHost.call(call)
    }

    fn is_notification(&self) -> bool {
        true
    }

    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        let connection = (self.0)(name)?;
        if connection.enabled {
            return Ok(connection);
        }
        Err(ExecutionError::permanent(ErrorCode::Connection, format!("the connection '{name}' is not enabled")))
    }
}

/// Checks the parts of an alert rule that become steps.
///
/// # Errors
/// All problems, with their paths in the alert rule.
pub fn check_alert(alert: &Alert) -> Result<(), Vec<Problem>> {
    let check = |channel| with_definition(alert, channel, |definition| Program::check(&definition)).err();
    let problems: Vec<Problem> = Channel::of(alert).into_iter().filter_map(check).flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
