//! Sends messages of alerts on every way that they ask for.

use crate::measure;
use forebay_contract::IdIssuer;
use forebay_contract::alert::Notice;
use forebay_contract::outcome::ExecutionError;
use forebay_store::{Connections, DueAlert, Telling};
use forebay_workflow::{Channel, Engine, FindConnection};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// Longest pause between two attempts, in looks: ten minutes, with looks every 15 s.
const MOST_LOOKS: u32 = 40;

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
        let mut errors: Vec<String> = Vec::new();
        for (channel, result) in told {
            measure::told(channel, result.is_ok());
            match result {
                Ok(()) => telling.delivered.push(channel.as_str().to_owned()),
                Err(ExecutionError { message, .. }) => errors.push(format!("{}: {message}", channel.as_str())),
            }
        }
        let (path, event, number) = (alert.path(), notice.event().as_str(), notice.number);
        if errors.is_empty() {
            tracing::info!(alert.path = %path, alert.event = event, alert.number = number, "an alert was told");
            return telling;
        }
        let errors = errors.join("; ");
        tracing::warn!(alert.path = %path, alert.event = event, alert.number = number, error = errors, "an alert could not be told; trying again");
        telling.failed = Some((errors, self.pause(attempts)));
        telling
    }

    /// Until the next look at first, then twice as long each time.
    fn pause(&self, attempts: i32) -> Duration {
        let looks = 1_u32.checked_shl(attempts.max(0).unsigned_abs()).unwrap_or(MOST_LOOKS).min(MOST_LOOKS);
        // The look itself may come a little early.
        (self.every * looks).mul_f64(0.9)
    }
}
