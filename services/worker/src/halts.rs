//! Halts: an ordered trigger whose execution failed stops until a person resumes or skips it.

use crate::execute::{Executed, Executor};
use crate::measure;
use forebay_contract::definition::OnFailure;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError, ExecutionStatus};
use forebay_store::{Decision, FinishedExecution, Record};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const STORE_PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);

impl Executor {
    /// Waits for the store when the trigger halts on failure: running again what halted it would break the promise.
    pub(crate) async fn recorded_before(&self, envelope: &Envelope, lost: &CancellationToken) -> Option<FinishedExecution> {
        let id = envelope.execution_id.unique();
        loop {
            let asked = tokio::time::timeout(STORE_PATIENCE, self.store.finished(&[id])).await;
            if let Ok(Ok(mut finished)) = asked {
                return finished.remove(&id);
            }
            let snapshot = self.snapshot.current();
            let halts =
                snapshot.integration_by_id(envelope.integration_id).is_some_and(|known| known.definition.on_failure == OnFailure::Halt);
            if !halts || lost.is_cancelled() {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) fn decision(&self, envelope: &Envelope) -> Option<Decision> {
        let snapshot = self.snapshot.current();
        let state = snapshot.trigger_state(envelope.integration_id)?;
        if state.execution_id == Some(envelope.execution_id.unique()) { state.decision } else { None }
    }

    pub(crate) async fn skip(&self, envelope: &Envelope, finished: &FinishedExecution) -> Executed {
        let error = self.snapshot.current().trigger_state(envelope.integration_id).and_then(|state| state.error.clone());
        let mut record = Record {
            status: ExecutionStatus::Failed,
            attempts: finished.attempts,
            error,
            skipped: true,
            input: Some(crate::record::stored_request(envelope)),
            ..self.empty_record(envelope)
        };
        self.hide_call(&mut record, envelope).await;
        let executed = self.recorded(record).await;
        if executed == Executed::Recorded {
            self.release(envelope).await;
        }
        executed
    }

    /// Ends a halt that was this execution's.
    pub(crate) async fn release(&self, envelope: &Envelope) {
        let snapshot = self.snapshot.current();
        let is_ours =
            snapshot.trigger_state(envelope.integration_id).is_some_and(|state| state.execution_id == Some(envelope.execution_id.unique()));
        if is_ours {
            measure::halted(envelope, false);
            if let Err(error) = self.store.clear_halt(envelope.integration_id).await {
                tracing::warn!(forebay.execution.id = %envelope.execution_id, %error, "the trigger's halt could not be cleared");
            }
        }
    }

    /// The execution has halted its trigger before. Its worker may have gone away between the two writes, so the halt is written when nobody knows of it.
    pub(crate) async fn stay_halted(&self, envelope: &Envelope, lost: &CancellationToken) -> Executed {
        if self.snapshot.current().trigger_state(envelope.integration_id).is_some() {
            return Executed::Halted;
        }
        let message = "the execution failed; its worker went away before it could say why the trigger is halted".to_owned();
        let error = ExecutionError::permanent(ErrorCode::Crashed, message);
        self.halt(envelope, &error, lost).await
    }

    /// Writes the halt down, however long the database is away: the trigger must not go on before.
    pub(crate) async fn halt(&self, envelope: &Envelope, error: &ExecutionError, lost: &CancellationToken) -> Executed {
        measure::halted(envelope, true);
        tracing::warn!(forebay.tenant = %envelope.tenant, forebay.integration = %envelope.integration, forebay.execution.id = %envelope.execution_id, "the trigger is halted until a person resumes or skips");
        while let Err(cause) = self.store.halt_trigger(envelope.integration_id, &envelope.execution_id, error).await {
            tracing::warn!(forebay.execution.id = %envelope.execution_id, error = %cause, "the halt could not be written down; trying again");
            if lost.is_cancelled() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Executed::Halted
    }
}
