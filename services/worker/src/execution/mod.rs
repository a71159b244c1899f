//! One delivery from its arrival to a durable outcome. This module does not depend on RabbitMQ or PostgreSQL: both are behind the two
//! traits of [`ports`], and unit tests run it in memory.
//!
//! ```text
//! Delivered -> claims (does the message have the execution, has it ended?) -> workflows (program, checkpoints, attempts)
//!     -> Ended: settlement (reply, record, halt) | RetryLater, WaitsUntil: deferral | Lost: nothing
//!     -> Disposition (acknowledge, leave, halt)
//! ```
//!
//! The reply is sent before the record is durable, so that the caller does not wait for the disk of the database. The acknowledgement comes
//! after both. If the worker stops in between, the message is redelivered.

pub(crate) mod attempts;
mod checkpoints;
mod claims;
mod deferral;
mod delivered;
mod halts;
mod host;
pub(crate) mod outcome;
pub(crate) mod ports;
pub(crate) mod programs;
mod settlement;
mod store_retry;
#[cfg(test)]
mod tests;
mod waiting;
mod workflows;

pub(crate) use self::attempts::Running;
pub(crate) use self::delivered::{Delivered, SharedQueue, Source};
pub(crate) use self::outcome::Disposition;

use self::attempts::Attempts;
use self::claims::{Claim, Claims};
use self::deferral::Deferral;
use self::halts::Halts;
use self::outcome::Attempted;
use self::ports::{ExecutionBroker, ExecutionStore};
use self::programs::Programs;
use self::settlement::Settlement;
use self::workflows::Workflows;
use crate::recording::{Failure, Recording, Statistics};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{IdIssuer, Name};
use forebay_runtime::telemetry::Traces;
use forebay_store::{Connections, SnapshotHandle};
use forebay_workflow::{Engine, Program};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// The parts of a worker that an execution needs.
pub(crate) struct ExecutionParts {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn ExecutionStore>,
    pub(crate) broker: Arc<dyn ExecutionBroker>,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) connections: Connections,
    pub(crate) ids: IdIssuer,
    pub(crate) statistics: Statistics,
    pub(crate) running: Running,
    /// The worker's name.
    pub(crate) worker: String,
    pub(crate) traces: Traces,
    /// Maximum time of one attempt.
    pub(crate) execution_timeout: Duration,
}

/// Executes deliveries.
pub(crate) struct Executions {
    snapshot: SnapshotHandle,
    claims: Claims,
    programs: Programs,
    workflows: Arc<Workflows>,
    deferral: Deferral,
    settlement: Settlement,
    traces: Traces,
}

impl Executions {
    pub(crate) fn new(parts: ExecutionParts) -> Self {
        let ExecutionParts { engine, store, broker, snapshot, connections, ids, statistics, running, worker, traces, execution_timeout } =
            parts;
        let programs = Programs::new(store.clone(), snapshot.clone());
        let recording = Recording::new(store.clone(), programs.clone(), statistics, &worker);
        let halts = Halts::new(store.clone(), snapshot.clone());
        Self {
            snapshot: snapshot.clone(),
            traces,
            claims: Claims::new(store.clone(), halts.clone()),
            deferral: Deferral::new(broker.clone(), recording.clone()),
            settlement: Settlement::new(broker.clone(), recording.clone(), halts),
            programs: programs.clone(),
            workflows: Arc::new(Workflows {
                attempts: Attempts::new(engine, snapshot.clone(), recording.clone(), execution_timeout, running),
                programs,
                store,
                broker,
                snapshot,
                connections,
                ids,
                recording,
            }),
        }
    }

    /// Executes a delivery. `begin` waits for the right to run, given the connections of the workflow. It is called when nothing else
    /// remains to be waited for, and its result is dropped as soon as the workflow has ended.
    pub(crate) async fn execute<P, F>(&self, delivered: &Delivered, begin: impl FnOnce(Arc<[Name]>) -> F + Send) -> Disposition
    where
        F: Future<Output = P> + Send,
        P: Send,
    {
        let envelope = &delivered.envelope;
        if self.is_paused(envelope) {
            return Disposition::Pause;
        }
        let progress = match self.claims.claim(delivered).await {
            Claim::Granted(progress) => progress,
            Claim::OfAnotherMessage => return Disposition::Acknowledge,
            Claim::Ended => return self.settlement.release(delivered).await,
            Claim::Halted => return self.settlement.stay_halted(delivered).await,
            Claim::Skipped(finished) => return self.settlement.skip(delivered, &finished).await,
            Claim::Lost => return Disposition::Leave,
        };
        let span = span_of(envelope, self.traces);
        let Some(program) = self.programs.of(delivered).instrument(span.clone()).await else { return Disposition::Leave };
        let program = program.as_deref();
        let attempted = match self.workflows.prepare(program, delivered, progress).await {
            Ok(prepared) => {
                let _place = tokio::select! {
                    place = begin(prepared.connections()) => Some(place),
                    // An expired call does not run, so it needs no place.
                    () = expiry(envelope) => None,
                };
                // The pause may have begun while the execution waited for its place.
                if self.is_paused(envelope) {
                    return Disposition::Pause;
                }
                self.workflows.run(prepared).instrument(span).await
            }
            Err(not_run) => not_run,
        };
        if delivered.lost.is_cancelled() {
            return Disposition::Leave;
        }
        match (attempted, delivered.source) {
            (Attempted::Lost, _) => Disposition::Leave,
            (Attempted::Ended(outcome), _) => self.settlement.end(delivered, outcome, program.ok().map(Program::definition)).await,
            (Attempted::RetryLater { error, shared_queue, pause, attempts, ran }, _) => {
                self.deferral.retry_after(delivered, shared_queue, pause, (error, attempts, ran)).await
            }
            (Attempted::WaitsUntil { until, attempts, ran }, Source::SharedQueue(queue)) => {
                self.deferral.resume_at(delivered, queue.number, until, attempts, ran).await
            }
            // Only executions of a shared queue may be deferred.
            (Attempted::WaitsUntil { .. }, Source::ExclusiveQueue { .. } | Source::Call { .. }) => Disposition::Leave,
        }
    }

    /// Returns true if no attempt of the integration starts at present. A call that is too late is not held: it never begins.
    fn is_paused(&self, envelope: &Envelope) -> bool {
        self.snapshot.current().paused(envelope.integration_id).is_some() && envelope.time_to_begin().is_none_or(|left| !left.is_zero())
    }

    /// Returns the key by which a call is ordered; `None`: the delivery was lost before the key was known.
    pub(crate) async fn ordering_key(&self, delivered: &Delivered) -> Option<Result<String, ExecutionError>> {
        match self.programs.of(delivered).await? {
            Ok(program) => Some(program.ordering_key(&delivered.envelope).await),
            Err(error) => Some(Err(error)),
        }
    }

    /// Records a failure without running anything.
    pub(crate) async fn fail(&self, envelope: &Envelope, error: ExecutionError, redeliveries: u32) -> Disposition {
        self.settlement.fail(envelope, Failure { error, redeliveries, is_abandoned: false }).await
    }

    /// Records the end of an execution whose message the broker took out of its queue, with the broker's reason.
    pub(crate) async fn dead_letter(&self, envelope: &Envelope, reason: Option<&str>, redeliveries: u32) -> Disposition {
        let message = if reason == Some("expired") {
            match self.workflows.store.has_begun(&envelope.execution_id).await {
                Ok(false) => return self.settlement.expire(envelope).await,
                Ok(true) => "the execution was begun and its worker went away; its caller's deadline passed before another could go on",
                // The broker redelivers it.
                Err(_) => return Disposition::Leave,
            }
            .to_owned()
        } else {
            let reason = reason.unwrap_or("unknown");
            format!("the broker gave the execution up ({reason}): its workers went away each time they had begun it")
        };
        let error = ExecutionError::permanent(ErrorCode::Crashed, message);
        self.settlement.fail(envelope, Failure { error, redeliveries, is_abandoned: true }).await
    }
}

/// Returns when the deadline passes by which the execution must have begun.
async fn expiry(envelope: &Envelope) {
    match envelope.time_to_begin() {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// Returns the span that continues the caller's trace, named by the OpenTelemetry conventions for messaging; a disabled one where traces
/// are not exported.
fn span_of(envelope: &Envelope, traces: Traces) -> tracing::Span {
    if traces == Traces::HandedOn {
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
