//! Sends messages of alerts on every way that they ask for.

use crate::measure;
use forebay_contract::alert::Notice;
use forebay_contract::outcome::ExecutionError;
use forebay_contract::{IdIssuer, show_duration};
use forebay_store::{Connections, DueAlert, Telling};
use forebay_workflow::{Channel, Engine, FindConnection, asked_for};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// Maximum pause between two attempts, in looks: ten minutes, with looks every 15 s.
const MAX_LOOKS: u32 = 40;
/// Maximum pause that a remote system gets for its `Retry-After`.
const MAX_REQUESTED_DELAY: Duration = Duration::from_secs(600);

/// What tells.
pub(crate) struct Teller {
    pub(crate) engine: Engine,
    pub(crate) connections: Arc<Connections>,
    pub(crate) ids: IdIssuer,
    /// How often each alert is looked at.
    pub(crate) every: Duration,
}

impl Teller {
    /// Sends a message on the ways on which it has not arrived yet, all at once. `attempts`: how often that was tried.
    pub(crate) async fn tell(&self, due: &DueAlert, notice: &Notice, delivered: &[String], attempts: i32) -> Telling {
        let alert = &due.alert;
        let id = self.ids.derive(due.id, notice.at / 1000, &format!("alert {}", notice.number));
        let (connections, tenant) = (self.connections.clone(), alert.tenant.clone());
        let find: FindConnection = Arc::new(move |name| connections.get(&tenant, name));
        let open = Channel::of(alert).into_iter().filter(|channel| !delivered.iter().any(|known| known == channel.as_str()));
        let told = join_all(open.map(async |channel| (channel, self.engine.tell(alert, channel, notice, id, find.clone()).await))).await;
        let mut telling = Telling { number: notice.number, delivered: delivered.to_vec(), failed: None };
        let (mut errors, mut asked) = (Vec::new(), None);
        for (channel, result) in told {
            measure::told(channel, result.is_ok());
            match result {
                Ok(()) => telling.delivered.push(channel.as_str().to_owned()),
                Err(ExecutionError { message, retry_after, .. }) => {
                    errors.push(format!("{}: {message}{}", channel.as_str(), asked_in_vain(retry_after)));
                    asked = asked.max(retry_after);
                }
            }
        }
        let (path, event, number) = (alert.path(), notice.event().as_str(), notice.number);
        if errors.is_empty() {
            tracing::info!(alert.path = %path, alert.event = event, alert.number = number, "an alert was told");
            return telling;
        }
        let errors = errors.join("; ");
        tracing::warn!(alert.path = %path, alert.event = event, alert.number = number, error = errors, "an alert could not be told; trying again");
        telling.failed = Some((errors, pause(self.every, attempts, asked)));
        telling
    }
}

/// Until the next look at first, then twice as long each time; never shorter than a remote system asked for, but for the longest pause.
fn pause(every: Duration, attempts: i32, asked: Option<Duration>) -> Duration {
    let looks = 1_u32.checked_shl(attempts.max(0).unsigned_abs()).unwrap_or(MAX_LOOKS).min(MAX_LOOKS);
    // The look itself may come a little early.
    (every * looks).mul_f64(0.9).max(asked.unwrap_or_default().min(MAX_REQUESTED_DELAY))
}

/// Where the remote system asked for more than the longest pause: what the alert's error says of it.
fn asked_in_vain(asked: Option<Duration>) -> String {
    let asked = asked.filter(|asked| *asked > MAX_REQUESTED_DELAY);
    let said = asked
        .map(|asked| format!("; {}; it is called again after {}, the longest pause", asked_for(asked), show_duration(MAX_REQUESTED_DELAY)));
    said.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_system_is_left_alone_as_long_as_it_asks_up_to_the_longest_pause_which_is_said() {
        let (every, seconds) = (Duration::from_secs(15), Duration::from_secs);
        assert_eq!(pause(every, 0, None), Duration::from_millis(13_500));
        assert_eq!(pause(every, 0, Some(seconds(1))), Duration::from_millis(13_500));
        assert_eq!(pause(every, 0, Some(seconds(90))), seconds(90));
        assert_eq!(pause(every, 0, Some(seconds(9_785))), seconds(600));
        assert_eq!(asked_in_vain(Some(seconds(600))), "");
        let said = asked_in_vain(Some(seconds(9_785)));
        assert!(said.contains("for 2 h 43 min (Retry-After)") && said.contains("after 10 min, the longest pause"), "{said}");
    }
}
