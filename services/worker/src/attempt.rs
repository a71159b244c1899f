//! Running the workflow, with its retries: in process, or later by way of a delayed queue.

use crate::execute::{Claimed, Executor};
use forebay_broker::{Destination, Queue, encode_envelope, stable_hash};
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, ExecutionStatus, StepRecord};
use forebay_contract::unix_micros;
use forebay_store::Record;
use forebay_workflow::{ExecutionContext, Program};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Redeliveries past which a message is taken to be what kills its workers. Messages that only stood behind it, prefetched, are
/// counted by the broker too, so the bound is well above a rolling restart.
const MOST_REDELIVERIES: u32 = 20;
/// In-process retrying of one delivery stays well below RabbitMQ's acknowledgement timeout of 30 minutes.
const LONGEST_RETRYING: Duration = Duration::from_secs(15 * 60);
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Seconds of the delayed queues. A pause is rounded up to one of them: each is a queue of its own at the broker.
const DELAYS: [u32; 8] = [1, 2, 5, 10, 30, 60, 120, 300];

/// An execution as far as this delivery took it.
pub(crate) struct Attempted {
    pub(crate) ending: Ending,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: i64,
    /// All attempts so far, those of earlier deliveries included.
    pub(crate) attempts: u32,
    /// The pause after which it is to be tried again; absent: this was the last attempt.
    pub(crate) again_after: Option<Duration>,
}

impl Executor {
    /// Attempts until the workflow succeeds, fails for good, or has to be tried again by a later delivery. `attempts_before` counts for the
    /// execution, `allowance_used` against its retry policy. `None`: the delivery was lost meanwhile.
    pub(crate) async fn attempt(
        &self,
        program: Result<Arc<Program>, ExecutionError>,
        claimed: &Claimed<'_>,
        attempts_before: u32,
        allowance_used: u32,
    ) -> Option<Attempted> {
        let Claimed { envelope, delivery, lost, .. } = claimed;
        let mut attempts = attempts_before + 1;
        let not_run = |ending, attempts| {
            Some(Attempted { ending, steps: Vec::new(), started_at: None, ended_at: unix_micros(), attempts, again_after: None })
        };
        if envelope.deadline.is_some_and(|deadline| unix_micros() / 1000 >= deadline) {
            return not_run(Ending::Expired, attempts_before);
        }
        if delivery.redeliveries() > MOST_REDELIVERIES {
            let message = format!("the execution was begun {} times and its worker went away each time", delivery.redeliveries());
            return not_run(Ending::Failed(ExecutionError { code: ErrorCode::Crashed, step: None, message, transient: false }), attempts);
        }
        let program = match program {
            Ok(program) => program,
            Err(error) => return not_run(Ending::Failed(error), attempts),
        };
        let give_up_at = tokio::time::Instant::now() + LONGEST_RETRYING;
        let mut first_started_at = None;
        loop {
            let deadline = tokio::time::Instant::now() + self.execution_timeout;
            let context = ExecutionContext { attempt: attempts, deadline: deadline.into(), cancel: (*lost).clone() };
            crate::measure::running(1.0);
            let run = self.engine.run(&program, envelope, context).await;
            crate::measure::running(-1.0);
            let started_at = *first_started_at.get_or_insert(run.started_at);
            let pause = match &run.ending {
                Ending::Failed(error) if error.transient && !lost.is_cancelled() => {
                    program.definition().retry.pause_after(attempts - attempts_before + allowance_used)
                }
                _ => None,
            };
            let later = pause.filter(|pause| claimed.retry_lane.is_some() && *pause >= Duration::from_secs(1));
            let here = pause.filter(|pause| later.is_none() && tokio::time::Instant::now() + *pause < give_up_at);
            let Some(pause) = here else {
                return Some(Attempted {
                    ending: run.ending,
                    steps: run.steps,
                    started_at: Some(started_at),
                    ended_at: run.ended_at,
                    attempts,
                    again_after: later,
                });
            };
            tokio::select! {
                () = lost.cancelled() => return None,
                () = tokio::time::sleep(pause) => attempts += 1,
            }
        }
    }

    /// Puts the execution into a delayed queue, from which it returns to its lane: it holds neither a place nor a worker meanwhile.
    /// `false`: the broker did not take it.
    pub(crate) async fn try_again_later(&self, claimed: &Claimed<'_>, attempted: &Attempted, lane: u16, pause: Duration) -> bool {
        let delay = DELAYS.into_iter().find(|seconds| u64::from(*seconds) >= pause.as_secs()).unwrap_or(DELAYS[DELAYS.len() - 1]);
        let mut envelope = claimed.envelope.clone();
        envelope.attempts = attempted.attempts;
        let queue = Queue::Retry { lane, delay: delay * 1000 };
        let order = stable_hash(envelope.execution_id.unique().as_bytes());
        let published = self.publisher.publish(order, Destination::Queue(queue), encode_envelope(&envelope, None)).await;
        if let Err(error) = &published {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "a retry could not be put off; the execution is delivered again at once");
            return false;
        }
        let error = match &attempted.ending {
            Ending::Failed(error) => Some(error.clone()),
            _ => None,
        };
        self.show(Record {
            status: ExecutionStatus::Queued,
            attempts: i32::try_from(attempted.attempts).unwrap_or(i32::MAX),
            started_at: attempted.started_at,
            error,
            ..self.empty_record(&envelope)
        });
        true
    }

    /// Records that an execution is running when it takes long enough for somebody to ask; short ones cost no write.
    pub(crate) async fn shown_while_running<T>(
        &self,
        claimed: &Claimed<'_>,
        attempt: u32,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> T {
        let started_at = unix_micros();
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SHOWN_AFTER) => {}
        }
        self.show(Record {
            status: ExecutionStatus::Running,
            attempts: i32::try_from(attempt).unwrap_or(i32::MAX),
            started_at: Some(started_at),
            ..self.empty_record(claimed.envelope)
        });
        work.await
    }

    /// Writes a state that is not the end. Nothing depends on it: when it is lost, the execution is shown as it was before.
    fn show(&self, record: Record) {
        let recorder = self.recorder.clone();
        tokio::spawn(async move { recorder.record(record, false).await });
    }
}
