//! Sends notifications with every notifier of an alert rule.

use crate::measure;
use forebay_contract::alert::Notification;
use forebay_contract::outcome::ExecutionError;
use forebay_contract::{IdIssuer, show_duration};
use forebay_store::{Connections, DueAlert, NotificationResult};
use forebay_workflow::{Channel, Engine, FindConnection, asked_for};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time between two attempts, in intervals: ten minutes, with an interval of 15 s.
const MAX_INTERVALS: u32 = 40;
/// Maximum `Retry-After` of a remote system that is followed.
const MAX_REQUESTED_DELAY: Duration = Duration::from_secs(600);

/// Sends notifications.
pub(crate) struct Notifier {
    pub(crate) engine: Engine,
    pub(crate) connections: Arc<Connections>,
    pub(crate) ids: IdIssuer,
    /// Time between two evaluations of a rule.
    pub(crate) interval: Duration,
}

impl Notifier {
    /// Sends a notification with the notifiers that have not sent it, in parallel. `attempts` is the number of attempts before this one.
    pub(crate) async fn notify(
        &self,
        due: &DueAlert,
        notification: &Notification,
        delivered: &[String],
        attempts: i32,
    ) -> NotificationResult {
        let alert = &due.alert;
        let id = self.ids.derive(due.id, notification.at.to_millis(), &format!("alert {}", notification.number));
        let (connections, tenant) = (self.connections.clone(), alert.tenant.clone());
        let find: FindConnection = Arc::new(move |name| connections.get(&tenant, name));
        let open = Channel::of(alert).into_iter().filter(|channel| !delivered.iter().any(|name| name == channel.as_str()));
        let results =
            join_all(open.map(async |channel| (channel, self.engine.notify(alert, channel, notification, id, find.clone()).await))).await;
        let mut result = NotificationResult { number: notification.number, delivered: delivered.to_vec(), failed: None };
        let (mut errors, mut requested) = (Vec::new(), None);
        for (channel, sent) in results {
            measure::notified(channel, sent.is_ok());
            match sent {
                Ok(()) => result.delivered.push(channel.as_str().to_owned()),
                Err(ExecutionError { message, retry_after, .. }) => {
                    errors.push(format!("{}: {message}{}", channel.as_str(), unmet_retry_after(retry_after)));
                    requested = requested.max(retry_after);
                }
            }
        }
        let (path, event, number) = (alert.path(), notification.event().as_str(), notification.number);
        if errors.is_empty() {
            tracing::info!(alert.path = %path, alert.event = event, alert.number = number, "notification sent");
            return result;
        }
        let errors = errors.join("; ");
        tracing::warn!(alert.path = %path, alert.event = event, alert.number = number, error = errors, "the notification could not be sent; trying again");
        result.failed = Some((errors, pause(self.interval, attempts, requested)));
        result
    }
}

/// Returns the time until the next attempt: one interval at first, doubled each time, and at least the `Retry-After` of a remote system, up
/// to its maximum.
fn pause(interval: Duration, attempts: i32, requested: Option<Duration>) -> Duration {
    let intervals = 1_u32.checked_shl(attempts.max(0).unsigned_abs()).unwrap_or(MAX_INTERVALS).min(MAX_INTERVALS);
    // Evaluations may be slightly early.
    (interval * intervals).mul_f64(0.9).max(requested.unwrap_or_default().min(MAX_REQUESTED_DELAY))
}

/// Returns the note of the rule's error about a `Retry-After` that is longer than the maximum.
fn unmet_retry_after(requested: Option<Duration>) -> String {
    let requested = requested.filter(|requested| *requested > MAX_REQUESTED_DELAY);
    let note = requested.map(|requested| {
        format!("; {}; it is called again after {}, the longest pause", asked_for(requested), show_duration(MAX_REQUESTED_DELAY))
    });
    note.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_followed_up_to_the_maximum_and_the_error_says_so() {
        let (every, seconds) = (Duration::from_secs(15), Duration::from_secs);
        assert_eq!(pause(every, 0, None), Duration::from_millis(13_500));
        assert_eq!(pause(every, 0, Some(seconds(1))), Duration::from_millis(13_500));
        assert_eq!(pause(every, 0, Some(seconds(90))), seconds(90));
        assert_eq!(pause(every, 0, Some(seconds(9_785))), seconds(600));
        assert_eq!(unmet_retry_after(Some(seconds(600))), "");
        let note = unmet_retry_after(Some(seconds(9_785)));
        assert!(note.contains("for 2 h 43 min (Retry-After)") && note.contains("after 10 min, the longest pause"), "{note}");
    }
}
