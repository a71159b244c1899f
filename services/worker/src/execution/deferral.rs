//! Deferred executions: a delayed queue returns them to their shared queue. Until then they hold no place.

use super::delivered::Delivered;
use super::outcome::{Disposition, Ran};
use super::ports::{ExecutionBroker, Target};
use super::waiting::waiting;
use crate::recording::{Recording, stored_count};
use forebay_broker::RETRY_DELAYS;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ExecutionError, ExecutionStatus};
use forebay_contract::{SharedQueueNumber, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// Defers executions.
pub(crate) struct Deferral {
    broker: Arc<dyn ExecutionBroker>,
    recording: Recording,
}

impl Deferral {
    pub(crate) fn new(broker: Arc<dyn ExecutionBroker>, recording: Recording) -> Self {
        Self { broker, recording }
    }

    /// Defers a failed execution; its pause is rounded up to one of the delays.
    pub(crate) async fn retry_after(
        &self,
        delivered: &Delivered,
        shared_queue: SharedQueueNumber,
        pause: Duration,
        (error, attempts, ran): (ExecutionError, u32, Ran),
    ) -> Disposition {
        let envelope = Envelope { attempts, redeliveries: 0, ..delivered.envelope.clone() };
        let delay = delay_of(pause);
        let error = waiting(&error, ran.checkpoints.are_sealed(), pause, Duration::from_secs(delay.into()));
        let target = Target::Delayed { shared_queue, delay };
        self.defer(delivered, &envelope, target, &ran, Shown { status: ExecutionStatus::Queued, attempts, error: Some(error) }).await
    }

    /// Defers an execution that waits. A long wait is several hops through delayed queues.
    pub(crate) async fn resume_at(
        &self,
        delivered: &Delivered,
        shared_queue: SharedQueueNumber,
        until: UnixMillis,
        attempts: u32,
        ran: Ran,
    ) -> Disposition {
        let envelope = Envelope { resumes: true, redeliveries: 0, ..delivered.envelope.clone() };
        let target = Target::Delayed { shared_queue, delay: hop_until(until) };
        self.defer(delivered, &envelope, target, &ran, Shown { status: ExecutionStatus::Running, attempts, error: None }).await
    }

    async fn defer(&self, delivered: &Delivered, envelope: &Envelope, target: Target<'_>, ran: &Ran, shown: Shown) -> Disposition {
        if !ran.checkpoints.add_durably(&ran.unstored, &delivered.lost).await {
            return Disposition::Leave;
        }
        if let Err(error) = self.broker.publish(envelope, target).await {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "an execution could not be deferred; it is delivered again at once");
            return Disposition::Leave;
        }
        let mut record = self.recording.empty_record(envelope);
        record.status = shown.status;
        record.attempts = stored_count(shown.attempts);
        record.started_at = Some(ran.started_at);
        record.error = shown.error;
        record.labels.clone_from(&ran.labels);
        self.recording.show(&envelope.tenant, record);
        Disposition::Acknowledge
    }
}

/// The state of a deferred execution in the history.
struct Shown {
    status: ExecutionStatus,
    attempts: u32,
    error: Option<ExecutionError>,
}

/// Returns the shortest delay, in seconds, that is at least the pause.
fn delay_of(pause: Duration) -> u32 {
    RETRY_DELAYS
        .into_iter()
        .find(|seconds| Duration::from_secs(u64::from(*seconds)) >= pause)
        .unwrap_or(RETRY_DELAYS[RETRY_DELAYS.len() - 1])
}

/// Returns the longest delay, in seconds, that ends before `until`; at least the shortest one.
fn hop_until(until: UnixMillis) -> u32 {
    let left = until.since(UnixMillis::now()).as_secs();
    RETRY_DELAYS.into_iter().rev().find(|seconds| u64::from(*seconds) <= left).unwrap_or(RETRY_DELAYS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_delay_is_shorter_than_its_pause() {
        for (millis, delay) in [(1000, 1), (1001, 2), (2500, 5), (5000, 5), (5001, 10), (61_000, 120), (300_000, 300), (90_000_000, 86_400)]
        {
            assert_eq!(delay_of(Duration::from_millis(millis)), delay, "{millis} ms");
        }
    }

    #[test]
    fn no_hop_of_a_wait_ends_after_it() {
        for (seconds, hop) in [(0, 1), (1, 1), (4, 2), (3601, 3600), (7000, 3600), (90_000, 86_400), (9_000_000, 86_400)] {
            assert_eq!(hop_until(UnixMillis::now() + Duration::from_millis(seconds * 1000 + 500)), hop, "{seconds} s");
        }
    }
}
