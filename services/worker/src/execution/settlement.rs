//! The end of an execution: reply, record, halt.

use super::delivered::{Delivered, Source};
use super::halts::Halts;
use super::outcome::{Disposition, Outcome};
use super::ports::{ExecutionBroker, NotRecorded, Recorded, Urgency};
use crate::recording::{EndRecord, EndRecorded, Failure, Recording};
use forebay_contract::definition::{Definition, OnFailure};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Ending;
use forebay_store::FinishedExecution;
use std::sync::Arc;

/// Settles executions.
pub(crate) struct Settlement {
    broker: Arc<dyn ExecutionBroker>,
    recording: Recording,
    halts: Halts,
}

impl Settlement {
    pub(crate) fn new(broker: Arc<dyn ExecutionBroker>, recording: Recording, halts: Halts) -> Self {
        Self { broker, recording, halts }
    }

    /// Replies, records, and halts the trigger where the definition says so.
    pub(crate) async fn end(&self, delivered: &Delivered, outcome: Outcome, definition: Option<&Arc<Definition>>) -> Disposition {
        let envelope = &delivered.envelope;
        let has_failed = matches!(outcome.ending, Ending::Failed(_));
        let halts = has_failed && definition.is_some_and(|definition| definition.on_failure == OnFailure::Halt);
        if outcome.ran.as_ref().is_none_or(|ran| ran.answered.is_none()) {
            self.reply(envelope, &outcome.ending);
        }
        let urgency = match delivered.source {
            Source::ExclusiveQueue { is_ordered: true } => Urgency::Now,
            Source::ExclusiveQueue { is_ordered: false } | Source::SharedQueue(_) | Source::Call { .. } => Urgency::Batched,
        };
        let end = EndRecord {
            definition: definition.map(|definition| &**definition),
            redeliveries: delivered.redeliveries,
            halts,
            is_called_by_step: false,
            urgency,
        };
        match self.recording.end(envelope, outcome, end).await {
            Err(error) => left(envelope, &error),
            // Another worker recorded a success of the execution: the trigger is not halted.
            Ok(EndRecorded { recorded: Recorded::Superseded, .. }) => self.release(delivered).await,
            Ok(EndRecorded { error: Some(error), .. }) if halts => self.halts.halt(envelope, &error, &delivered.lost).await.disposition(),
            Ok(_) => self.release(delivered).await,
        }
    }

    /// Acknowledges an execution whose end is recorded. The worker that recorded it may have stopped before it ended a halt at it.
    pub(crate) async fn release(&self, delivered: &Delivered) -> Disposition {
        self.halts.release(delivered).await;
        Disposition::Acknowledge
    }

    /// Replies and records a failure of an execution that was not run.
    pub(crate) async fn fail(&self, envelope: &Envelope, failure: Failure) -> Disposition {
        self.reply(envelope, &Ending::Failed(failure.error.clone()));
        settled(envelope, self.recording.failure(envelope, failure).await)
    }

    /// Records a call whose deadline passed before it could start.
    pub(crate) async fn expire(&self, envelope: &Envelope) -> Disposition {
        settled(envelope, self.recording.expired(envelope).await)
    }

    /// Records that a person decided to skip the execution, and ends the halt.
    pub(crate) async fn skip(&self, delivered: &Delivered, finished: &FinishedExecution) -> Disposition {
        let envelope = &delivered.envelope;
        let error = self.halts.error(envelope);
        match self.recording.skipped(envelope, finished, error).await {
            Ok(()) => self.release(delivered).await,
            Err(error) => left(envelope, &error),
        }
    }

    /// Keeps the trigger halted at the execution.
    pub(crate) async fn stay_halted(&self, delivered: &Delivered) -> Disposition {
        self.halts.stay(&delivered.envelope, &delivered.lost).await.disposition()
    }

    fn reply(&self, envelope: &Envelope, ending: &Ending) {
        if let Some(reply_to) = &envelope.reply_to {
            self.broker.reply(reply_to, envelope.execution_id, ending);
        }
    }
}

fn settled(envelope: &Envelope, recorded: Result<(), NotRecorded>) -> Disposition {
    match recorded {
        Ok(()) => Disposition::Acknowledge,
        Err(error) => left(envelope, &error),
    }
}

fn left(envelope: &Envelope, error: &NotRecorded) -> Disposition {
    tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "the execution will be delivered again");
    Disposition::Leave
}
