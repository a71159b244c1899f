//! The records of executions.

use super::redaction::hide;
use super::statistics::Statistics;
use crate::execution::outcome::{Outcome, Ran};
use crate::execution::ports::{ExecutionStore, NotRecorded, Recorded, Urgency};
use crate::execution::programs::Programs;
use crate::measure;
use forebay_contract::definition::Definition;
use forebay_contract::envelope::{Envelope, TraceContext};
use forebay_contract::outcome::{Ending, ExecutionError, ExecutionStatus};
use forebay_contract::{Label, Name, UnixMicros, UnixMillis};
use forebay_store::{CheckpointBatch, FinishedExecution, Record, StoredRequest, StoredResponse, TriggerKind};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A reply that is sent this long before the caller's deadline arrives in time.
const ANSWERED_BEFORE: Duration = Duration::from_millis(500);

/// Makes the records of executions, hides their redacted fields, and writes them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recording {
    store: Arc<dyn ExecutionStore>,
    programs: Programs,
    statistics: Statistics,
    worker: Arc<str>,
}

/// The parts of a record of an end that the outcome does not contain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndRecord<'a> {
    /// The definition that ran; absent if it is not available.
    pub(crate) definition: Option<&'a Definition>,
    /// Number of redeliveries of the execution.
    pub(crate) redeliveries: u32,
    /// True if the failure halts its trigger.
    pub(crate) halts: bool,
    /// True if a step called the execution: when repeated, the step reads its response from the store.
    pub(crate) is_called_by_step: bool,
    /// The urgency of the record.
    pub(crate) urgency: Urgency,
}

/// The failure of an execution that was not run.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The error.
    pub(crate) error: ExecutionError,
    /// Number of redeliveries of the execution.
    pub(crate) redeliveries: u32,
    /// True if the broker gave the message up: no worker will run it again.
    pub(crate) is_abandoned: bool,
}

/// The recorded end of an execution.
#[derive(Debug)]
pub(crate) struct EndRecorded {
    /// The result of recording.
    pub(crate) recorded: Recorded,
    /// The error of a failure, without the fields that the definition hides.
    pub(crate) error: Option<ExecutionError>,
}

impl Recording {
    /// Creates a recording; `worker` is the name of the worker.
    pub(crate) fn new(store: Arc<dyn ExecutionStore>, programs: Programs, statistics: Statistics, worker: &str) -> Self {
        Self { store, programs, statistics, worker: worker.into() }
    }

    /// Records the end of an execution.
    pub(crate) async fn end(&self, envelope: &Envelope, outcome: Outcome, end: EndRecord<'_>) -> Result<EndRecorded, NotRecorded> {
        let started_at = outcome.ran.as_ref().map(|ran| ran.started_at);
        let mut record = self.end_record(envelope, outcome, end);
        self.statistics.count(envelope.integration_id, record.status, started_at, record.ended_at);
        if !end.is_called_by_step {
            measure::finished(envelope, record.status, started_at.unwrap_or(record.ended_at), record.ended_at);
        }
        hide(&mut record, end.definition, envelope).await;
        let error = record.error.clone();
        let recorded = self.store.record(&envelope.tenant, record, end.urgency).await?;
        Ok(EndRecorded { recorded, error })
    }

    /// Records a failure of an execution that this worker did not run.
    pub(crate) async fn failure(&self, envelope: &Envelope, failure: Failure) -> Result<(), NotRecorded> {
        let Failure { error, redeliveries, is_abandoned } = failure;
        let mut record = self.failed_record(envelope, Some(error));
        record.is_abandoned = is_abandoned;
        // The attempt during which the worker went away counts.
        record.attempts = stored_count(envelope.attempts.saturating_add(is_abandoned.into()));
        record.redeliveries = stored_count(redeliveries);
        self.statistics.count(envelope.integration_id, record.status, None, record.ended_at);
        self.hidden_and_recorded(envelope, record).await
    }

    /// Records a call whose deadline passed before it could start.
    pub(crate) async fn expired(&self, envelope: &Envelope) -> Result<(), NotRecorded> {
        let record = self.empty_record(envelope);
        self.statistics.count(envelope.integration_id, record.status, None, record.ended_at);
        self.store.record(&envelope.tenant, record, Urgency::Now).await.map(drop)
    }

    /// Records that a person decided to skip a failed execution.
    pub(crate) async fn skipped(
        &self,
        envelope: &Envelope,
        finished: &FinishedExecution,
        error: Option<ExecutionError>,
    ) -> Result<(), NotRecorded> {
        let mut record = self.failed_record(envelope, error);
        record.attempts = finished.attempts;
        record.skipped = true;
        self.hidden_and_recorded(envelope, record).await
    }

    /// Records that an attempt is running.
    pub(crate) fn running(&self, envelope: &Envelope, attempt: u32, started_at: UnixMicros) {
        self.show(&envelope.tenant, self.running_record(envelope, attempt, started_at));
    }

    /// Records that an execution waits in its place for its next attempt.
    pub(crate) fn waiting(&self, envelope: &Envelope, attempt: u32, started_at: UnixMicros, (error, labels): (ExecutionError, Vec<Label>)) {
        self.show(&envelope.tenant, Record { error: Some(error), labels, ..self.running_record(envelope, attempt, started_at) });
    }

    fn running_record(&self, envelope: &Envelope, attempt: u32, started_at: UnixMicros) -> Record {
        let (status, attempts) = (ExecutionStatus::Running, stored_count(attempt));
        Record { status, attempts, started_at: Some(started_at), ..self.empty_record(envelope) }
    }

    /// Writes a state that is not an end. If the write is lost, the history shows the earlier state; nothing else depends on it.
    pub(crate) fn show(&self, tenant: &Name, record: Record) {
        let (store, tenant) = (self.store.clone(), tenant.clone());
        tokio::spawn(async move { store.record(&tenant, record, Urgency::Batched).await });
    }

    /// Returns a record of an execution that did not run: expired, without payloads.
    pub(crate) fn empty_record(&self, envelope: &Envelope) -> Record {
        let trigger_kind = if envelope.due_at.is_some() { TriggerKind::Schedule } else { TriggerKind::Webhook };
        let Envelope { execution_id, integration_id, version, .. } = envelope;
        let record = Record::new(*execution_id, *integration_id, *version, trigger_kind, self.worker.to_string(), UnixMicros::now());
        let trace = envelope.trace.as_ref().and_then(TraceContext::sampled_id).map(Uuid::from_u128);
        Record { trace, caller: envelope.caller, ..record }
    }

    fn failed_record(&self, envelope: &Envelope, error: Option<ExecutionError>) -> Record {
        let input = Some(stored_request(envelope));
        Record { status: ExecutionStatus::Failed, error, input, ..self.empty_record(envelope) }
    }

    /// Hides the redacted fields and writes the record. Uses the version that accepted the call, or the current one if that version is not
    /// available.
    async fn hidden_and_recorded(&self, envelope: &Envelope, mut record: Record) -> Result<(), NotRecorded> {
        let definition = self.programs.definition_or_current(envelope).await;
        hide(&mut record, definition.as_deref(), envelope).await;
        self.store.record(&envelope.tenant, record, Urgency::Now).await.map(drop)
    }

    /// Returns the record of an end, before fields are hidden.
    fn end_record(&self, envelope: &Envelope, outcome: Outcome, end: EndRecord<'_>) -> Record {
        let diagnostics = end.definition.map(|definition| definition.diagnostics.clone()).unwrap_or_default();
        let Outcome { ending, attempts, is_diagnosed, ran } = outcome;
        let has_failed = matches!(ending, Ending::Failed(_));
        // A failed execution always keeps the input that its retry needs.
        let keeps_input = diagnostics.input || is_diagnosed || has_failed;
        let mut record = Record {
            status: ending.status(),
            attempts: stored_count(attempts),
            redeliveries: stored_count(end.redeliveries),
            is_served: envelope.claim_token.is_some() || may_be_requested_later(envelope),
            input: keeps_input.then(|| stored_request(envelope)),
            // The input for a retry by a person stays as long as the history, and a response as long as repeated calls receive it.
            retention: diagnostics
                .retention
                .filter(|_| !has_failed)
                .map(|retention| retention.max(key_retention(envelope, end.definition))),
            halted: end.halts,
            ..self.empty_record(envelope)
        };
        match ending {
            Ending::Succeeded(response) => {
                record.response_status = Some(response.status);
                record.is_served |= end.is_called_by_step;
                let keeps_output = diagnostics.output || is_diagnosed || record.is_served;
                record.output = keeps_output.then(|| StoredResponse::from(&response));
            }
            Ending::Failed(error) => record.error = Some(error),
            Ending::Expired => {}
        }
        if let Some(ran) = ran {
            add_run(&mut record, ran, diagnostics.steps || is_diagnosed);
        }
        record
    }
}

/// Adds the last attempt to the record of an end.
fn add_run(record: &mut Record, ran: Ran, keeps_outputs: bool) {
    let has_failed = record.error.is_some();
    let next_batch = ran.checkpoints.next_batch();
    record.started_at = Some(ran.started_at);
    record.ended_at = ran.ended_at;
    record.labels = ran.labels;
    record.variables = ran.variables;
    record.steps = ran.steps;
    if !keeps_outputs {
        record.steps.iter_mut().for_each(|step| step.output = None);
    }
    record.checkpoints = (has_failed && !ran.unstored.is_empty()).then(|| CheckpointBatch::new(next_batch, &ran.unstored));
    record.ends_checkpoints = !has_failed && next_batch > 0;
}

/// Returns a count in the type of the store.
pub(crate) fn stored_count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Returns the retention of the call's idempotency key; zero if it cannot have one.
fn key_retention(envelope: &Envelope, definition: Option<&Definition>) -> Duration {
    let webhook = definition.and_then(|definition| definition.trigger.webhook()).filter(|_| envelope.claim_token.is_some());
    webhook.map_or(Duration::ZERO, |webhook| webhook.idempotency.retention)
}

/// Returns true if the caller may request the outcome later: it did not receive it in time.
fn may_be_requested_later(envelope: &Envelope) -> bool {
    let in_time = |deadline| UnixMillis::now() + ANSWERED_BEFORE < deadline;
    envelope.reply_to.is_some() && !envelope.deadline.is_some_and(in_time)
}

fn stored_request(envelope: &Envelope) -> StoredRequest {
    StoredRequest {
        request: envelope.request.clone(),
        content_type: envelope.content_type.clone(),
        content_encoding: envelope.content_encoding.clone(),
        body: envelope.body.clone(),
        redacted: false,
    }
}
