//! Running the workflow, with its retries: in process, or later by way of a delayed queue.

use crate::execute::{Claimed, Executor};
use crate::host::ExecutionHost;
use crate::put_off::waiting;
use crate::record::stored_count;
use forebay_contract::definition::Pause;
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, ExecutionStatus, KeptStep, Response, StepRecord};
use forebay_contract::{Label, VariableLog, show_duration, unix_micros};
use forebay_store::Record;
use forebay_workflow::{ExecutionContext, Program, asked_for};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Redeliveries past which a message is taken to be what kills its workers. Messages that only stood behind it, prefetched, are
/// counted by the broker too, so the bound is well above a rolling restart.
const MOST_REDELIVERIES: u32 = 20;
/// In-process retrying of one delivery stays well below RabbitMQ's acknowledgement timeout of 30 minutes.
const LONGEST_RETRYING: Duration = Duration::from_secs(15 * 60);
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Longest `wait` for which an execution of a lane keeps its place.
const LONGEST_WAIT_IN_LANE: Duration = Duration::from_secs(1);
/// Longest `wait` on an exclusive queue, where everything behind waits too; together with the execution's own time well below RabbitMQ's
/// acknowledgement timeout.
const LONGEST_WAIT_IN_ORDER: Duration = Duration::from_secs(10 * 60);

/// An execution as far as this delivery took it.
pub(crate) struct Attempted {
    pub(crate) ending: Ending,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) labels: Vec<Label>,
    /// Whether a person has switched diagnostics on.
    pub(crate) diagnosed: bool,
    pub(crate) variables: Option<VariableLog>,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: i64,
    /// All attempts so far, those of earlier deliveries included.
    pub(crate) attempts: u32,
    /// The pause after which it is to be tried again; absent: this was the last attempt.
    pub(crate) again_after: Option<Duration>,
    /// Milliseconds of Unix time until which a `wait` puts it off.
    pub(crate) waits_until: Option<i64>,
    /// What a `respond` step answered already.
    pub(crate) answered: Option<Response>,
    /// Outputs that a later attempt needs and that are not durable yet.
    pub(crate) unkept: Vec<KeptStep>,
    /// The last attempt's side of the worker, which knows what is durable.
    pub(crate) host: Arc<ExecutionHost>,
}

/// Counts an execution as running until it is dropped, also when its future is.
struct Runs<'a>(&'a Executor);

impl<'a> Runs<'a> {
    fn begin(executor: &'a Executor) -> Self {
        crate::measure::running(1.0);
        executor.running.fetch_add(1, Ordering::Relaxed);
        Self(executor)
    }
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        crate::measure::running(-1.0);
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Executor {
    /// Attempts until the workflow succeeds, fails for good, or has to be tried again by a later delivery. `attempts_before` counts for the
    /// execution, `allowance_used` against its retry policy. `None`: the delivery was lost meanwhile.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        program: Result<Arc<Program>, ExecutionError>,
        claimed: &Claimed<'_>,
        attempts_before: u32,
        allowance_used: u32,
    ) -> Option<Attempted> {
        let Claimed { envelope, redeliveries, lost, lane, .. } = claimed;
        let mut attempts = attempts_before + 1;
        let diagnosed = self.snapshot.current().diagnosed_until(envelope.integration_id).is_some_and(|until| unix_micros() < until);
        let not_run = |ending, attempts| {
            Some(Attempted {
                ending,
                steps: Vec::new(),
                labels: Vec::new(),
                diagnosed,
                variables: None,
                started_at: None,
                ended_at: unix_micros(),
                attempts,
                again_after: None,
                waits_until: None,
                answered: None,
                unkept: Vec::new(),
                host: Arc::new(ExecutionHost::new(self.clone(), claimed, Vec::new(), 0, false)),
            })
        };
        // One that goes on after a wait has begun in time.
        if !envelope.resumes && envelope.deadline.is_some_and(|deadline| unix_micros() / 1000 >= deadline) {
            return not_run(Ending::Expired, attempts_before);
        }
        if *redeliveries > MOST_REDELIVERIES {
            let message = format!("the execution was begun {redeliveries} times and its worker went away each time");
            return not_run(Ending::Failed(ExecutionError::permanent(ErrorCode::Crashed, message)), attempts);
        }
        let program = match program {
            Ok(program) => program,
            Err(error) => return not_run(Ending::Failed(error), attempts),
        };
        let hides = !program.definition().diagnostics.redact.is_empty();
        if hides && !self.store.can_seal() {
            let message =
                "the definition hides fields (diagnostics.redact), and this worker has no FOREBAY_SECRET_KEY to encrypt what a retry needs";
            return not_run(Ending::Failed(ExecutionError::permanent(ErrorCode::Definition, message)), attempts);
        }
        let (kept, batches) = match claimed.is_repeated() && program.keeps_steps() {
            true => self.kept_before(envelope, lost).await?,
            false => (Vec::new(), 0),
        };
        let host = Arc::new(ExecutionHost::new(self.clone(), claimed, kept, batches, hides));
        let (longest_wait_in_place, extra) = match lane {
            Some(_) => (LONGEST_WAIT_IN_LANE, Duration::ZERO),
            None => (LONGEST_WAIT_IN_ORDER, if program.waits() { LONGEST_WAIT_IN_ORDER } else { Duration::ZERO }),
        };
        let give_up_at = tokio::time::Instant::now() + LONGEST_RETRYING;
        let (mut first_started_at, mut unkept) = (None, Vec::new());
        loop {
            let context = ExecutionContext {
                attempt: attempts,
                is_redelivered: claimed.redelivered,
                deadline: std::time::Instant::now() + self.execution_timeout + extra,
                cancel: (*lost).clone(),
                kept: host.kept(),
                unkept: std::mem::take(&mut unkept),
                longest_wait_in_place,
                may_be_put_off: lane.is_some(),
                diagnosed,
                host: host.clone(),
            };
            let runs = Runs::begin(self);
            let running = std::pin::pin!(self.engine.run(&program, envelope, context));
            let mut run = self.shown_while_running(claimed, attempts, running).await;
            drop(runs);
            let started_at = *first_started_at.get_or_insert(run.started_at);
            let pause = match &run.ending {
                Ending::Failed(error) if !lost.is_cancelled() && run.waits_until.is_none() => {
                    program.definition().retry.pause_after_error(attempts - attempts_before + allowance_used, error)
                }
                _ => None,
            };
            let comes_back = lane.is_some_and(|lane| !lane.is_awaited);
            let later = pause.filter(|pause| comes_back && pause.length() >= Duration::from_secs(1));
            let here = pause.filter(|pause| later.is_none() && tokio::time::Instant::now() + pause.length() < give_up_at);
            if let (Some(pause), Ending::Failed(error)) = (pause, &mut run.ending) {
                let comes_again = here.or(later).is_some();
                if let Some(said) = asked_for_in_vain(error.retry_after, pause, comes_again) {
                    tracing::info!(forebay.execution.id = %envelope.execution_id, "{said}");
                    error.message.push_str("; ");
                    error.message.push_str(&said);
                }
            }
            let Some(pause) = here else {
                return Some(Attempted {
                    ending: run.ending,
                    steps: run.steps,
                    labels: run.labels,
                    diagnosed,
                    variables: run.variables,
                    started_at: Some(started_at),
                    ended_at: run.ended_at,
                    attempts,
                    again_after: later.map(|pause| pause.length()),
                    waits_until: run.waits_until,
                    answered: run.answered,
                    unkept: run.unkept,
                    host,
                });
            };
            unkept = run.unkept;
            let wait = pause.jittered();
            if let Ending::Failed(error) = &run.ending
                && wait >= SHOWN_AFTER
            {
                let error = waiting(error, hides, pause.length(), wait);
                self.show(Record { error: Some(error), labels: run.labels, ..self.running_record(claimed, attempts, started_at) });
            }
            tokio::select! {
                () = lost.cancelled() => return None,
                () = tokio::time::sleep(wait) => attempts += 1,
            }
        }
    }

    /// Records that an attempt is running when it takes long enough for somebody to ask; short ones cost no write.
    async fn shown_while_running<T>(&self, claimed: &Claimed<'_>, attempt: u32, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        let started_at = unix_micros();
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SHOWN_AFTER) => {}
        }
        self.show(self.running_record(claimed, attempt, started_at));
        work.await
    }

    fn running_record(&self, claimed: &Claimed<'_>, attempt: u32, started_at: i64) -> Record {
        Record {
            status: ExecutionStatus::Running,
            attempts: stored_count(attempt),
            started_at: Some(started_at),
            ..self.empty_record(claimed.envelope)
        }
    }

    /// Writes a state that is not the end. Nothing depends on it: when it is lost, the execution is shown as it was before.
    pub(crate) fn show(&self, record: Record) {
        let recorder = self.recorder.clone();
        tokio::spawn(async move { recorder.record(record, false).await });
    }
}

/// Where a remote system's `Retry-After` could not be followed: what the history says of it.
fn asked_for_in_vain(asked: Option<Duration>, pause: Pause, comes_again: bool) -> Option<String> {
    // The execution's own backoff may be longer; then the remote system is not what prevents the retry.
    let asked = asked.filter(|asked| *asked >= pause.length())?;
    match (pause.cut_short(), comes_again) {
        (Some(_), true) => {
            Some(format!("{}; it is called again after {}, the longest pause", asked_for(asked), show_duration(pause.length())))
        }
        (None, true) => None,
        (_, false) => Some(format!("{}, which is longer than this execution may be retried in its place", asked_for(asked))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::definition::RetryPolicy;

    fn said(backoff: u64, asked: Option<u64>, comes_again: bool) -> String {
        let (mut policy, asked) = (RetryPolicy::default(), asked.map(Duration::from_secs));
        (policy.attempts, policy.first, policy.max) = (2, Duration::from_secs(backoff), Duration::from_secs(backoff));
        let error = ExecutionError { transient: true, retry_after: asked, ..ExecutionError::permanent(ErrorCode::Remote, "") };
        asked_for_in_vain(asked, policy.pause_after_error(1, &error).unwrap(), comes_again).unwrap_or_default()
    }

    #[test]
    fn only_a_retry_after_that_is_longer_than_the_backoff_is_blamed_for_a_retry_that_cannot_be_made() {
        assert_eq!(said(300, Some(1), false), "");
        assert_eq!(said(300, None, false), "");
        assert!(said(1, Some(200), false).contains("3 min 20 s (Retry-After), which is longer than this execution may be retried"));
        assert!(said(1, Some(3600), false).contains("which is longer than"));
        assert_eq!(said(1, Some(200), true), "");
        assert!(said(1, Some(3600), true).contains("it is called again after 5 min, the longest pause"));
    }
}
