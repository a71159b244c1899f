//! Running the workflow of a delivery, and of the integrations that its `call` steps call in its place.

use super::attempts::{Attempts, refusal};
use super::checkpoints::Checkpoints;
use super::claims::Progress;
use super::delivered::Delivered;
use super::host::ExecutionHost;
use super::outcome::{Attempted, Outcome};
use super::ports::{ExecutionBroker, ExecutionStore};
use super::programs::Programs;
use crate::recording::Recording;
use forebay_contract::IdIssuer;
use forebay_contract::outcome::{Ending, ExecutionError};
use forebay_store::{Connections, SnapshotHandle};
use forebay_workflow::Program;
use std::sync::Arc;

/// Everything that a running workflow needs of its worker.
pub(crate) struct Workflows {
    pub(crate) attempts: Attempts,
    pub(crate) programs: Programs,
    pub(crate) store: Arc<dyn ExecutionStore>,
    pub(crate) broker: Arc<dyn ExecutionBroker>,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) connections: Connections,
    pub(crate) ids: IdIssuer,
    pub(crate) recording: Recording,
}

impl Workflows {
    /// Runs the workflow of a delivery as far as this delivery takes it. `program`: the one of [`Programs::of`].
    pub(crate) async fn run(
        self: &Arc<Self>,
        program: Result<&Program, &ExecutionError>,
        delivered: &Delivered,
        progress: Progress,
    ) -> Attempted {
        let refused = |ending| Attempted::Ended(Outcome::not_run(ending, progress.attempts, self.attempts.is_diagnosed(delivered)));
        let program = match program {
            Ok(program) => program,
            Err(error) => return refused(Ending::Failed(error.clone())),
        };
        if let Some(ending) = refusal(delivered, program, self.store.can_seal()) {
            return refused(ending);
        }
        let Some(checkpoints) = Checkpoints::load(&self.store, delivered, program).await else { return Attempted::Lost };
        let checkpoints = Arc::new(checkpoints);
        let host = Arc::new(ExecutionHost::new(self.clone(), delivered, checkpoints.clone()));
        self.attempts.run(program, delivered, progress, &checkpoints, host).await
    }
}
