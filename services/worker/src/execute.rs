//! One delivery from its arrival to a durable outcome: claim -> run workflow (with retries) -> reply -> record.
//!
//! The reply goes out before the record is durable, so that a caller does not wait for the database's disk; the
//! acknowledgement comes after both. What is lost between them is delivered again.

use crate::attempt::Attempted;
use crate::dispatch::Lane;
use crate::in_hand::InHand;
use crate::measure;
use crate::programs::{NoProgram, Programs};
use crate::record::stored_count;
use crate::recorder::Recorder;
use crate::redact::hide;
use crate::traffic::Traffic;
use forebay_broker::{Destination, Publisher, Replies, Reply, Topology, encode_reply};
use forebay_contract::definition::{Definition, OnFailure};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{Ending, ExecutionError, KeptStep};
use forebay_contract::{ExecutionId, IdIssuer};
use forebay_store::{Connections, Decision, SnapshotHandle, Store, StoreError};
use forebay_workflow::{Engine, Program};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

const PAUSE: Duration = Duration::from_millis(500);

/// Everything that an execution needs.
pub(crate) struct Executor {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) programs: Programs,
    pub(crate) recorder: Recorder,
    pub(crate) publisher: Publisher,
    pub(crate) replies: Replies,
    pub(crate) topology: Topology,
    pub(crate) connections: Connections,
    pub(crate) ids: IdIssuer,
    pub(crate) worker: String,
    pub(crate) execution_timeout: Duration,
    pub(crate) traffic: Traffic,
    pub(crate) in_hand: InHand,
    /// Executions that run at the moment.
    pub(crate) running: AtomicI32,
}

/// What to do with the delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    /// The outcome is durable: acknowledge.
    Recorded,
    /// The trigger is halted by this execution: leave it at the head of its queue.
    Halted,
    /// The delivery is no longer ours, or nothing durable came of it: leave it.
    Left,
}

/// A delivery that this worker executes.
pub(crate) struct Claimed<'a> {
    pub(crate) envelope: &'a Envelope,
    /// Whether it was delivered before, and how often the broker counted that.
    pub(crate) redelivered: bool,
    pub(crate) redeliveries: u32,
    /// Cancelled when the delivery is no longer this worker's.
    pub(crate) lost: &'a CancellationToken,
    /// The lane that it came on; absent on an exclusive queue.
    pub(crate) lane: Option<Lane>,
    /// Whether a next execution waits for this one.
    pub(crate) ordered: bool,
    /// Calls of integrations around this one.
    pub(crate) depth: u8,
}

impl Claimed<'_> {
    /// Whether an earlier delivery may have done a part.
    pub(crate) fn is_repeated(&self) -> bool {
        self.redelivered || self.envelope.attempts > 0 || self.envelope.resumes
    }
}

impl Executor {
    /// Executes a call. `before_recording` is called once the workflow has ended: a lane gives its place to the next one there.
    pub(crate) async fn execute(self: &Arc<Self>, claimed: Claimed<'_>, before_recording: impl FnOnce() + Send) -> Executed {
        let Claimed { envelope, redelivered, lost, lane, .. } = claimed;
        let (mut attempts_before, mut allowance_used) = (envelope.attempts, envelope.attempts);
        if let Some(message) = envelope.once {
            match self.claim(envelope, message, lost).await {
                Some(true) => {}
                // Another message of the same execution came first.
                Some(false) => return Executed::Recorded,
                None => return Executed::Left,
            }
        }
        if redelivered {
            measure::redelivered();
            match self.recorded_before(envelope, lost).await {
                None => {}
                // Of an attempt before this message, which tries again.
                Some(finished) if finished.attempts <= stored_count(envelope.attempts) && !finished.halted => {}
                Some(finished) if !finished.halted => return Executed::Recorded,
                Some(finished) => match self.decision(envelope) {
                    None => return self.stay_halted(envelope, lost).await,
                    Some(Decision::Skip) => return self.skip(envelope, &finished).await,
                    // A person's decision gives the whole allowance again.
                    Some(Decision::Resume) => (attempts_before, allowance_used) = (u32::try_from(finished.attempts).unwrap_or_default(), 0),
                },
            }
        }
        let span = self.span(envelope);
        let program = self.program(envelope, lost).instrument(span.clone()).await;
        let Some(program) = program else { return Executed::Left };
        let compiled = program.as_ref().ok().cloned();
        let definition = compiled.as_deref().map(Program::definition);
        let attempted = match self.attempt(program, &claimed, attempts_before, allowance_used).instrument(span).await {
            Some(attempted) if !lost.is_cancelled() => attempted,
            _ => return Executed::Left,
        };
        before_recording();
        let put_off = match (attempted.waits_until, attempted.again_after, lane) {
            (Some(until), _, Some(lane)) => self.put_off_until(&claimed, &attempted, lane, until).await,
            (None, Some(pause), Some(lane)) => self.try_again_later(&claimed, &attempted, lane, pause).await,
            _ => return self.end(&claimed, attempted, definition).await,
        };
        if put_off { Executed::Recorded } else { Executed::Left }
    }

    /// Whether the execution is that of this message; `None`: the delivery was lost before the store could tell.
    async fn claim(&self, envelope: &Envelope, message: i64, lost: &CancellationToken) -> Option<bool> {
        until_answered(lost, || async { told(envelope, self.store.claim_execution(&envelope.execution_id, message).await) }).await
    }

    /// What the store keeps of earlier deliveries, and the number of the next batch. `None`: the delivery was lost meanwhile.
    pub(crate) async fn kept_before(&self, envelope: &Envelope, lost: &CancellationToken) -> Option<(Vec<KeptStep>, u32)> {
        until_answered(lost, || async { told(envelope, self.store.kept_steps(&envelope.execution_id).await) }).await
    }

    /// Replies, records, and halts the trigger where the definition says so.
    async fn end(&self, claimed: &Claimed<'_>, mut attempted: Attempted, definition: Option<&Definition>) -> Executed {
        let Claimed { envelope, redeliveries, lost, ordered, .. } = claimed;
        let fails = matches!(attempted.ending, Ending::Failed(_));
        let halts = fails && definition.is_some_and(|definition| definition.on_failure == OnFailure::Halt);
        if attempted.answered.is_none() {
            self.reply(envelope, &attempted.ending);
        }
        let started_at = attempted.started_at.unwrap_or(attempted.ended_at);
        measure::finished(envelope, attempted.ending.status(), started_at, attempted.ended_at);
        self.traffic.count(envelope.integration_id, attempted.ending.status(), attempted.started_at, attempted.ended_at);
        let mut record = self.record_of(envelope, &mut attempted, definition, *redeliveries, halts);
        hide(&mut record, definition, envelope).await;
        let error = record.error.clone();
        if let Err(error) = self.recorder.record(record, *ordered).await {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "the execution will be delivered again");
            return Executed::Left;
        }
        match &error {
            Some(error) if halts => self.halt(envelope, error, lost).await,
            _ => {
                self.release(envelope).await;
                Executed::Recorded
            }
        }
    }

    /// `None` when the delivery was lost before the store could be asked.
    pub(crate) async fn program(&self, envelope: &Envelope, lost: &CancellationToken) -> Option<Result<Arc<Program>, ExecutionError>> {
        let ask = || async {
            match self.programs.get(envelope.integration_id, envelope.version).await {
                Ok(program) => Some(Ok(program)),
                Err(NoProgram::Never(error)) => Some(Err(error)),
                Err(NoProgram::NotNow) => None,
            }
        };
        until_answered(lost, ask).await
    }

    pub(crate) fn reply(&self, envelope: &Envelope, ending: &Ending) {
        self.reply_with(envelope.execution_id, envelope.reply_to.as_deref(), ending);
    }

    pub(crate) fn reply_with(&self, execution_id: ExecutionId, reply_to: Option<&str>, ending: &Ending) {
        let Some(reply_to) = reply_to else { return };
        let message = encode_reply(&Reply { execution_id, ending: ending.clone() });
        self.publisher.post(Destination::Named(reply_to.to_owned()), message);
        measure::replied();
    }

    /// The span that continues the caller's trace, named by the OpenTelemetry conventions for messaging; none where traces are not exported.
    fn span(&self, envelope: &Envelope) -> tracing::Span {
        if !forebay_runtime::telemetry::tracing_enabled() {
            return tracing::Span::none();
        }
        let span = tracing::info_span!(
            "execution",
            otel.name = format!("process {}/{}", envelope.tenant, envelope.integration),
            otel.kind = "consumer",
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.message.id = %envelope.execution_id,
            forebay.tenant = %envelope.tenant,
            forebay.integration = %envelope.integration,
        );
        if let Some(trace) = &envelope.trace {
            let parent = forebay_runtime::telemetry::continue_from(Some(&trace.traceparent), trace.tracestate.as_deref());
            forebay_runtime::telemetry::set_parent(&span, &parent);
        }
        span
    }
}

/// Asks again and again until there is an answer; `None`: the delivery was lost meanwhile.
pub(crate) async fn until_answered<T, F: Future<Output = Option<T>>>(lost: &CancellationToken, ask: impl Fn() -> F) -> Option<T> {
    loop {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        tokio::select! {
            () = lost.cancelled() => return None,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// The store's answer, if it has given one.
fn told<T>(envelope: &Envelope, answer: Result<T, StoreError>) -> Option<T> {
    let warn =
        |error: &StoreError| tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "an execution waits for the store");
    answer.inspect_err(warn).ok()
}
