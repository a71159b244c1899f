//! What is recorded of an execution.

use crate::attempt::Attempted;
use crate::execute::{Executed, Executor};
use forebay_contract::definition::Definition;
use forebay_contract::envelope::{Envelope, TraceContext};
use forebay_contract::outcome::{Ending, ExecutionError, ExecutionStatus};
use forebay_contract::unix_micros;
use forebay_store::{KeptBatch, Record, StoredRequest, StoredResponse, TriggerKind};
use std::time::Duration;
use uuid::Uuid;

/// A reply posted this long before the caller's deadline reaches it.
const ANSWERED_BEFORE_MILLIS: i64 = 500;

impl Executor {
    /// Records a failure without running anything.
    pub(crate) async fn fail(&self, envelope: &Envelope, error: ExecutionError, redeliveries: u32) -> Executed {
        self.reply(envelope, &Ending::Failed(error.clone()));
        let mut record = Record {
            status: ExecutionStatus::Failed,
            attempts: stored_count(envelope.attempts),
            redeliveries: stored_count(redeliveries),
            error: Some(error),
            input: Some(stored_request(envelope)),
            ..self.empty_record(envelope)
        };
        self.hide_call(&mut record, envelope).await;
        self.traffic.count(envelope.integration_id, record.status, None, record.ended_at);
        self.recorded(record).await
    }

    /// Records a call whose caller had gone before it could start.
    pub(crate) async fn expire(&self, envelope: &Envelope) -> Executed {
        let record = self.empty_record(envelope);
        self.traffic.count(envelope.integration_id, record.status, None, record.ended_at);
        self.recorded(record).await
    }

    pub(crate) async fn recorded(&self, record: Record) -> Executed {
        match self.recorder.record(record, true).await {
            Ok(()) => Executed::Recorded,
            Err(_) => Executed::Left,
        }
    }

    /// The record of an execution, with nothing hidden yet.
    pub(crate) fn record_of(
        &self,
        envelope: &Envelope,
        attempted: &mut Attempted,
        definition: Option<&Definition>,
        redeliveries: u32,
        halted: bool,
    ) -> Record {
        let diagnostics = definition.map(|definition| definition.diagnostics.clone()).unwrap_or_default();
        let diagnosed = attempted.diagnosed;
        let (error, response) = match &attempted.ending {
            Ending::Succeeded(response) => (None, Some(response)),
            Ending::Failed(error) => (Some(error.clone()), None),
            Ending::Expired => (None, None),
        };
        // A failed execution always keeps the input that its retry needs.
        let failed = error.is_some();
        let keeps_input = diagnostics.input || diagnosed || failed;
        let is_served = envelope.once.is_some() || may_be_asked_for_later(envelope);
        let keeps_output = diagnostics.output || diagnosed || is_served;
        let mut steps = std::mem::take(&mut attempted.steps);
        if !diagnostics.steps && !diagnosed {
            steps.iter_mut().for_each(|step| step.output = None);
        }
        Record {
            status: attempted.ending.status(),
            attempts: stored_count(attempted.attempts),
            started_at: attempted.started_at,
            ended_at: attempted.ended_at,
            error,
            labels: std::mem::take(&mut attempted.labels),
            response_status: response.map(|response| response.status),
            steps,
            is_served,
            variables: attempted.variables.take(),
            redeliveries: stored_count(redeliveries),
            input: keeps_input.then(|| stored_request(envelope)),
            output: response.filter(|_| keeps_output).map(StoredResponse::from),
            kept: (failed && !attempted.unkept.is_empty()).then(|| KeptBatch::new(attempted.host.batches(), &attempted.unkept)),
            ends_kept: !failed && attempted.host.batches() > 0,
            // What a retry by hand needs is kept as long as the history is, and an answer as long as repeated calls get it.
            keep: diagnostics.keep.filter(|_| !failed).map(|keep| keep.max(known_for(envelope, definition))),
            halted,
            ..self.empty_record(envelope)
        }
    }

    /// A record of an execution that did not run.
    pub(crate) fn empty_record(&self, envelope: &Envelope) -> Record {
        let trigger_kind = if envelope.due_at.is_some() { TriggerKind::Schedule } else { TriggerKind::Webhook };
        let Envelope { execution_id, integration_id, version, .. } = envelope;
        let record = Record::new(*execution_id, *integration_id, *version, trigger_kind, self.worker.clone(), unix_micros());
        Record { trace: envelope.trace.as_ref().and_then(TraceContext::sampled_id).map(Uuid::from_u128), ..record }
    }
}

/// A count as it is stored.
pub(crate) fn stored_count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// How long the call's idempotency key is known; zero: it may have none.
fn known_for(envelope: &Envelope, definition: Option<&Definition>) -> Duration {
    let webhook = definition.and_then(|definition| definition.trigger.webhook()).filter(|_| envelope.once.is_some());
    webhook.map_or(Duration::ZERO, |webhook| webhook.idempotency.keep)
}

/// Whether the caller may come back for the answer: not when it had one in time.
fn may_be_asked_for_later(envelope: &Envelope) -> bool {
    let in_time = |deadline| unix_micros() / 1000 + ANSWERED_BEFORE_MILLIS < deadline;
    envelope.reply_to.is_some() && !envelope.deadline.is_some_and(in_time)
}

pub(crate) fn stored_request(envelope: &Envelope) -> StoredRequest {
    StoredRequest {
        request: envelope.request.clone(),
        content_type: envelope.content_type.clone(),
        content_encoding: envelope.content_encoding.clone(),
        body: envelope.body.clone(),
        redacted: false,
    }
}
