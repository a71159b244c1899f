//! Claims: decide whether a delivery is run.

use super::delivered::Delivered;
use super::halts::Halts;
use super::ports::ExecutionStore;
use super::store_retry::{ASK_AGAIN_INTERVAL, ask_until_answered, log_unavailable};
use crate::measure;
use crate::recording::stored_count;
use forebay_store::{Decision, FinishedExecution};
use std::sync::Arc;

/// The relation of a delivery to its execution, which decides whether it is run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The message has the execution: it is run.
    Granted(Progress),
    /// Another message has the execution.
    OfAnotherMessage,
    /// The end of the execution is recorded.
    Ended,
    /// The failure of the execution has halted the trigger, without a decision so far.
    Halted,
    /// A person decided to skip the execution.
    Skipped(FinishedExecution),
    /// The delivery was lost before the store answered.
    Lost,
}

/// The attempts before this delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Number of attempts of the execution.
    pub(crate) attempts: u32,
    /// Number of attempts that count against its retry policy.
    pub(crate) counted: u32,
}

impl Progress {
    /// The progress of an execution without attempts.
    pub(crate) const NONE: Self = Self { attempts: 0, counted: 0 };
}

/// Claims executions for deliveries.
pub(crate) struct Claims {
    store: Arc<dyn ExecutionStore>,
    halts: Halts,
}

impl Claims {
    pub(crate) fn new(store: Arc<dyn ExecutionStore>, halts: Halts) -> Self {
        Self { store, halts }
    }

    /// Claims the execution of a delivery.
    pub(crate) async fn claim(&self, delivered: &Delivered) -> Claim {
        let envelope = &delivered.envelope;
        self.halts.clear_passed(delivered).await;
        if let Some(token) = envelope.claim_token {
            let ask = || async { log_unavailable(envelope, self.store.claim(&envelope.execution_id, token).await) };
            match ask_until_answered(&delivered.lost, ask).await {
                Some(true) => {}
                Some(false) => return Claim::OfAnotherMessage,
                None => return Claim::Lost,
            }
        }
        let progress = Progress { attempts: envelope.attempts, counted: envelope.attempts };
        if !delivered.redelivered {
            return Claim::Granted(progress);
        }
        measure::redelivered();
        match self.recorded_before(delivered).await {
            Recorded::Unknown => Claim::Granted(progress),
            Recorded::Lost => Claim::Lost,
            Recorded::Finished(finished) if finished.halted => self.decided(delivered, finished),
            // An attempt before this message ended; this message is the next attempt.
            Recorded::Finished(finished) if finished.attempts <= stored_count(envelope.attempts) => Claim::Granted(progress),
            Recorded::Finished(_) => Claim::Ended,
        }
    }

    fn decided(&self, delivered: &Delivered, finished: FinishedExecution) -> Claim {
        match self.halts.decision(&delivered.envelope) {
            None => Claim::Halted,
            Some(Decision::Skip) => Claim::Skipped(finished),
            // After a decision of a person, all attempts of the retry policy are allowed again.
            Some(Decision::Resume) => {
                Claim::Granted(Progress { attempts: u32::try_from(finished.attempts).unwrap_or_default(), counted: 0 })
            }
        }
    }

    /// Returns the recorded end. Waits for the store where the trigger halts on failure: if the execution that halted it ran again, the
    /// halt would have no effect.
    async fn recorded_before(&self, delivered: &Delivered) -> Recorded {
        loop {
            if let Ok(finished) = self.store.finished(&delivered.envelope.execution_id).await {
                return finished.map_or(Recorded::Unknown, Recorded::Finished);
            }
            if delivered.lost.is_cancelled() {
                return Recorded::Lost;
            }
            if !self.halts.halts_on_failure(&delivered.envelope) {
                return Recorded::Unknown;
            }
            tokio::time::sleep(ASK_AGAIN_INTERVAL).await;
        }
    }
}

enum Recorded {
    Finished(FinishedExecution),
    /// No end is recorded, or the store is away.
    Unknown,
    Lost,
}
