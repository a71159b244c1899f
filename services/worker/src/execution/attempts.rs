//! Attempts of a workflow: repeated within this delivery, or deferred to a later one.

use super::checkpoints::Checkpoints;
use super::claims::Progress;
use super::delivered::{Delivered, Source};
use super::outcome::{Attempted, Outcome, Ran};
use super::waiting::waiting;
use crate::recording::Recording;
use forebay_contract::definition::Pause;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError};
use forebay_contract::{SharedQueueNumber, UnixMicros, show_duration};
use forebay_store::SnapshotHandle;
use forebay_workflow::{Engine, ExecutionContext, Host, Program, RunEnd, asked_for};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Maximum redeliveries of a message before it is taken to end its workers. The broker also counts redeliveries of messages that were only
/// prefetched behind it, so the bound is well above those of a rolling restart.
const MAX_REDELIVERIES: u32 = 20;
/// Maximum time of the retries within one delivery, well below the acknowledgement timeout of RabbitMQ (30 minutes).
const RETRY_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Minimum pause for which a retry goes through a delayed queue.
const MIN_DELAY: Duration = Duration::from_secs(1);
/// Minimum length of attempts, and of pauses between them, that are recorded; shorter ones cost no write.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Maximum `wait` during which an execution that can be deferred keeps its place.
const MAX_SHORT_WAIT: Duration = Duration::from_secs(1);
/// Maximum `wait` on an exclusive queue, where later executions wait too. With the execution's own time, it stays well below the
/// acknowledgement timeout of RabbitMQ.
const MAX_WAIT_IN_ORDER: Duration = Duration::from_secs(10 * 60);

/// Runs attempts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Attempts {
    engine: Engine,
    snapshot: SnapshotHandle,
    recording: Recording,
    execution_timeout: Duration,
    running: Running,
}

/// The number of executions that run now. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<AtomicI32>);

/// Counts an execution as running until it is dropped; it is also dropped with its future.
struct RunningGuard<'a>(&'a Running);

impl Running {
    /// Returns the number.
    pub(crate) fn count(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    fn begin(&self) -> RunningGuard<'_> {
        crate::measure::running(1.0);
        self.0.fetch_add(1, Ordering::Relaxed);
        RunningGuard(self)
    }
}

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        crate::measure::running(-1.0);
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the reason for which an execution is not run.
pub(crate) fn refusal(delivered: &Delivered, program: &Program, can_seal: bool) -> Option<Ending> {
    let envelope = &delivered.envelope;
    if envelope.time_to_begin().is_some_and(|left| left.is_zero()) {
        return Some(Ending::Expired);
    }
    if delivered.redeliveries > MAX_REDELIVERIES {
        let message = format!("the execution was begun {} times and its worker went away each time", delivered.redeliveries);
        return Some(Ending::Failed(ExecutionError::permanent(ErrorCode::Crashed, message)));
    }
    if !program.definition().diagnostics.redact.is_empty() && !can_seal {
        let message =
            "the definition hides fields (diagnostics.redact), and this worker has no FOREBAY_SECRET_KEY to encrypt what a retry needs";
        return Some(Ending::Failed(ExecutionError::permanent(ErrorCode::Definition, message)));
    }
    None
}

impl Attempts {
    pub(crate) fn new(
        engine: Engine,
        snapshot: SnapshotHandle,
        recording: Recording,
        execution_timeout: Duration,
        running: Running,
    ) -> Self {
        Self { engine, snapshot, recording, execution_timeout, running }
    }

    /// Returns true if a person has switched diagnostics on for the integration.
    pub(crate) fn is_diagnosed(&self, delivered: &Delivered) -> bool {
        let until = self.snapshot.current().diagnosed_until(delivered.envelope.integration_id);
        until.is_some_and(|until| UnixMicros::now() < until)
    }

    /// Makes attempts until the workflow ends, is deferred by a `wait`, or must be retried by a later delivery.
    pub(crate) async fn run(
        &self,
        program: &Program,
        delivered: &Delivered,
        progress: Progress,
        checkpoints: &Arc<Checkpoints>,
        host: Arc<dyn Host>,
    ) -> Attempted {
        let give_up_at = Instant::now() + RETRY_TIMEOUT;
        let is_diagnosed = self.is_diagnosed(delivered);
        let mut attempt = progress.attempts + 1;
        let (mut first_started_at, mut unstored) = (None, Vec::new());
        loop {
            let mut context = self.context(program, delivered, checkpoints, host.clone());
            (context.attempt, context.diagnosed, context.unstored) = (attempt, is_diagnosed, std::mem::take(&mut unstored));
            let running = self.running.begin();
            let run = std::pin::pin!(self.engine.run(program, &delivered.envelope, context));
            let run = self.shown_while_running(&delivered.envelope, attempt, run).await;
            drop(running);
            if delivered.lost.is_cancelled() {
                return Attempted::Lost;
            }
            let started_at = *first_started_at.get_or_insert(run.started_at);
            let (end, ran) = Ran::of(run, started_at, checkpoints.clone());
            let ended = |ending, ran| Attempted::Ended(Outcome { ending, attempts: attempt, is_diagnosed, ran: Some(ran) });
            let mut error = match end {
                RunEnd::WaitsUntil(until) => return Attempted::WaitsUntil { until, attempts: attempt, ran },
                RunEnd::Succeeded(response) => return ended(Ending::Succeeded(response), ran),
                RunEnd::Failed(error) => error,
            };
            let counted = attempt - progress.attempts + progress.counted;
            let pause = program.definition().retry.pause_after_error(counted, &error);
            let next = Next::after(pause, delivered.source, give_up_at);
            if let Some(note) = pause.and_then(|pause| unmet_retry_after(error.retry_after, pause, next != Next::End)) {
                tracing::info!(forebay.execution.id = %delivered.envelope.execution_id, "{note}");
                error.message = format!("{}; {note}", error.message);
            }
            match next {
                Next::End => return ended(Ending::Failed(error), ran),
                Next::Later { shared_queue, pause } => {
                    return Attempted::RetryLater { error, shared_queue, pause, attempts: attempt, ran };
                }
                Next::Here(pause) => {
                    let wait = pause.jittered();
                    if wait >= SHOWN_AFTER {
                        let error = waiting(&error, checkpoints.are_sealed(), pause.length(), wait);
                        self.recording.waiting(&delivered.envelope, attempt, started_at, (error, ran.labels));
                    }
                    unstored = ran.unstored;
                    tokio::select! {
                        () = delivered.lost.cancelled() => return Attempted::Lost,
                        () = tokio::time::sleep(wait) => attempt += 1,
                    }
                }
            }
        }
    }

    /// Records that an attempt is running once it has run for [`SHOWN_AFTER`].
    async fn shown_while_running<T>(&self, envelope: &Envelope, attempt: u32, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        let started_at = UnixMicros::now();
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SHOWN_AFTER) => {}
        }
        self.recording.running(envelope, attempt, started_at);
        work.await
    }

    fn context(&self, program: &Program, delivered: &Delivered, checkpoints: &Checkpoints, host: Arc<dyn Host>) -> ExecutionContext {
        let may_be_deferred = delivered.source.may_be_deferred();
        let (max_wait, extra) = match may_be_deferred {
            true => (MAX_SHORT_WAIT, Duration::ZERO),
            false => (MAX_WAIT_IN_ORDER, if program.waits() { MAX_WAIT_IN_ORDER } else { Duration::ZERO }),
        };
        let mut context = ExecutionContext::once((Instant::now() + self.execution_timeout + extra).into_std());
        context.is_redelivered = delivered.redelivered;
        context.cancel = delivered.lost.clone();
        context.checkpoints = checkpoints.steps();
        context.max_wait_in_place = max_wait;
        context.may_be_deferred = may_be_deferred;
        context.host = host;
        context
    }
}

/// The action after a failed attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The failure is final.
    End,
    /// Another attempt is made in this delivery.
    Here(Pause),
    /// Another attempt is made by a later delivery.
    Later { shared_queue: SharedQueueNumber, pause: Duration },
}

impl Next {
    fn after(pause: Option<Pause>, source: Source, give_up_at: Instant) -> Self {
        let Some(pause) = pause else { return Self::End };
        match source.delayed_retry() {
            Some(shared_queue) if pause.length() >= MIN_DELAY => Self::Later { shared_queue, pause: pause.length() },
            _ if Instant::now() + pause.length() < give_up_at => Self::Here(pause),
            _ => Self::End,
        }
    }
}

/// Returns the note in the history about a `Retry-After` of a remote system that was not followed.
fn unmet_retry_after(requested: Option<Duration>, pause: Pause, comes_again: bool) -> Option<String> {
    // The backoff of the execution may be longer; then the remote system does not prevent the retry.
    let requested = requested.filter(|requested| *requested >= pause.length())?;
    match (pause.cut_short(), comes_again) {
        (Some(_), true) => {
            Some(format!("{}; it is called again after {}, the longest pause", asked_for(requested), show_duration(pause.length())))
        }
        (None, true) => None,
        (_, false) => Some(format!("{}, which is longer than this execution may be retried in its place", asked_for(requested))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::definition::RetryPolicy;

    fn note(backoff: u64, requested: Option<u64>, comes_again: bool) -> String {
        let (mut policy, requested) = (RetryPolicy::default(), requested.map(Duration::from_secs));
        (policy.attempts, policy.first, policy.max) = (2, Duration::from_secs(backoff), Duration::from_secs(backoff));
        let error = ExecutionError { transient: true, retry_after: requested, ..ExecutionError::permanent(ErrorCode::Remote, "") };
        unmet_retry_after(requested, policy.pause_after_error(1, &error).unwrap(), comes_again).unwrap_or_default()
    }

    #[test]
    fn only_a_retry_after_that_is_longer_than_the_backoff_is_blamed_for_a_retry_that_cannot_be_made() {
        assert_eq!(note(300, Some(1), false), "");
        assert_eq!(note(300, None, false), "");
        assert!(note(1, Some(200), false).contains("3 min 20 s (Retry-After), which is longer than this execution may be retried"));
        assert!(note(1, Some(3600), false).contains("which is longer than"));
        assert_eq!(note(1, Some(200), true), "");
        assert!(note(1, Some(3600), true).contains("it is called again after 5 min, the longest pause"));
    }
}
