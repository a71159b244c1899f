//! Executions that go on later, by way of delayed queues from which they return to their lane: meanwhile they hold neither a place nor
//! a worker.

use crate::attempt::Attempted;
use crate::dispatch::Lane;
use crate::execute::{Claimed, Executor};
use crate::record::stored_count;
use forebay_broker::{Destination, Queue, RETRY_DELAYS, encode_envelope};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, ExecutionError, ExecutionStatus};
use forebay_contract::{show_duration, show_time, unix_micros};
use forebay_store::Record;
use forebay_workflow::asked_for;
use std::time::Duration;

/// What hidden fields a message repeats is known once the execution is recorded whole.
const UNTOLD: &str = "told when the execution has ended, since its definition hides fields";

impl Executor {
    /// Puts a failed execution off, its pause rounded up to one of the delays. `false`: it was not, and is delivered again at once.
    pub(crate) async fn try_again_later(&self, claimed: &Claimed<'_>, attempted: &Attempted, lane: Lane, pause: Duration) -> bool {
        if !attempted.host.keep_at_last(&attempted.unkept).await {
            return false;
        }
        let delay = delay_of(pause);
        let envelope = Envelope { attempts: attempted.attempts, ..claimed.envelope.clone() };
        let error = match &attempted.ending {
            Ending::Failed(error) => Some(waiting(error, attempted.host.seals(), pause, Duration::from_secs(u64::from(delay)))),
            _ => None,
        };
        self.put_off(&envelope, attempted, lane, delay, ExecutionStatus::Queued, error).await
    }

    /// Puts an execution off that waits, by hops none of which is too long: a wait of days is a few of them.
    pub(crate) async fn put_off_until(&self, claimed: &Claimed<'_>, attempted: &Attempted, lane: Lane, until: i64) -> bool {
        if !attempted.host.keep_at_last(&attempted.unkept).await {
            return false;
        }
        let left = u64::try_from(until - unix_micros() / 1000).unwrap_or_default() / 1000;
        let delay = RETRY_DELAYS.into_iter().rev().find(|seconds| u64::from(*seconds) <= left).unwrap_or(RETRY_DELAYS[0]);
        let envelope = Envelope { resumes: true, ..claimed.envelope.clone() };
        self.put_off(&envelope, attempted, lane, delay, ExecutionStatus::Running, None).await
    }

    async fn put_off(
        &self,
        envelope: &Envelope,
        attempted: &Attempted,
        lane: Lane,
        delay: u32,
        status: ExecutionStatus,
        error: Option<ExecutionError>,
    ) -> bool {
        let queue = Queue::Retry { lane: lane.number, delay: delay * 1000 };
        let published = self.publisher.publish(None, Destination::Queue(queue), encode_envelope(envelope, None)).await;
        if let Err(error) = &published {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "an execution could not be put off; it is delivered again at once");
            return false;
        }
        self.show(Record {
            status,
            attempts: stored_count(attempted.attempts),
            started_at: attempted.started_at,
            error,
            labels: attempted.labels.clone(),
            ..self.empty_record(envelope)
        });
        true
    }
}

/// The failure as it is shown until the next attempt, which begins after `wait`: why the execution waits, and until when. `pause` is what
/// its retry policy gave.
pub(crate) fn waiting(error: &ExecutionError, is_hidden: bool, pause: Duration, wait: Duration) -> ExecutionError {
    let mut message = if is_hidden { UNTOLD.to_owned() } else { error.message.clone() };
    if error.retry_after == Some(pause) {
        message.push_str(&format!("; {}", asked_for(pause)));
    }
    let at = unix_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    message.push_str(&format!("; the next attempt begins after {}, at {}", show_duration(wait), show_time(at)));
    ExecutionError { message, ..error.clone() }
}

/// The shortest delay, in seconds, that is no shorter than the pause.
fn delay_of(pause: Duration) -> u32 {
    RETRY_DELAYS
        .into_iter()
        .find(|seconds| Duration::from_secs(u64::from(*seconds)) >= pause)
        .unwrap_or(RETRY_DELAYS[RETRY_DELAYS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::outcome::ErrorCode;

    #[test]
    fn a_failure_that_waits_says_why_and_until_when_and_hides_what_is_hidden() {
        let (minutes, wait) = (|minutes: u64| Duration::from_secs(minutes * 60), Duration::from_secs(120));
        let error = ExecutionError::transient(ErrorCode::Remote, "it answered 503");
        let shown = waiting(&error, false, minutes(1), wait).message;
        let (why, at) = shown.split_once("; the next attempt begins after 2 min, at ").unwrap();
        assert_eq!((why, at.len()), ("it answered 503", "2026-01-31T06:00:00Z".len()));
        let asked = ExecutionError { retry_after: Some(minutes(1)), ..error };
        let shown = waiting(&asked, true, minutes(1), wait).message;
        assert!(shown.starts_with(UNTOLD) && shown.contains("for 1 min (Retry-After); the next") && !shown.contains("503"), "{shown}");
        assert!(!waiting(&asked, false, minutes(2), wait).message.contains("Retry-After"), "its own backoff is longer");
    }

    #[test]
    fn no_delay_is_shorter_than_its_pause() {
        for (millis, delay) in [(1000, 1), (1001, 2), (2500, 5), (5000, 5), (5001, 10), (61_000, 120), (300_000, 300), (90_000_000, 86_400)]
        {
            assert_eq!(delay_of(Duration::from_millis(millis)), delay, "{millis} ms");
        }
    }
}
