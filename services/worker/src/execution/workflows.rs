//! Runs the workflow of a delivery, and of the integrations that its `call` steps run in its place.

use super::attempts::{Attempts, refusal};
use super::checkpoints::Checkpoints;
use super::claims::Progress;
use super::delivered::Delivered;
use super::host::ExecutionHost;
use super::outcome::{Attempted, Outcome};
use super::ports::{ExecutionBroker, ExecutionStore};
use super::programs::Programs;
use crate::recording::Recording;
use forebay_contract::outcome::{Ending, ExecutionError};
use forebay_contract::{IdIssuer, Name};
use forebay_store::{Connections, SnapshotHandle};
use forebay_workflow::Program;
use std::sync::Arc;

/// The parts of a worker that running workflows needs.
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

/// A workflow that is ready to run.
pub(crate) struct Prepared<'a> {
    program: &'a Program,
    delivered: &'a Delivered,
    progress: Progress,
    checkpoints: Arc<Checkpoints>,
}

impl Prepared<'_> {
    /// The connections that the workflow uses.
    pub(crate) fn connections(&self) -> Arc<[Name]> {
        self.program.connections().clone()
    }
}

impl Workflows {
    /// Asks the store for everything that the workflow of a delivery needs; this may take long. `program` is the result of
    /// [`Programs::of`].
    ///
    /// # Errors
    /// The end of a workflow that cannot run.
    pub(crate) async fn prepare<'a>(
        &self,
        program: Result<&'a Program, &ExecutionError>,
        delivered: &'a Delivered,
        progress: Progress,
    ) -> Result<Prepared<'a>, Attempted> {
        let program = program.map_err(|error| self.not_run(Ending::Failed(error.clone()), delivered, progress))?;
        let checkpoints = Checkpoints::load(&self.store, delivered, program).await.ok_or(Attempted::Lost)?;
        Ok(Prepared { program, delivered, progress, checkpoints: Arc::new(checkpoints) })
    }

    /// Runs the workflow as far as possible within this delivery.
    pub(crate) async fn run(self: &Arc<Self>, prepared: Prepared<'_>) -> Attempted {
        let Prepared { program, delivered, progress, checkpoints } = prepared;
        if let Some(ending) = refusal(delivered, program, self.store.can_seal()) {
            return self.not_run(ending, delivered, progress);
        }
        let host = Arc::new(ExecutionHost::new(self.clone(), delivered, checkpoints.clone()));
        self.attempts.run(program, delivered, progress, &checkpoints, host).await
    }

    fn not_run(&self, ending: Ending, delivered: &Delivered, progress: Progress) -> Attempted {
        Attempted::Ended(Outcome::not_run(ending, progress.attempts, self.attempts.is_diagnosed(delivered)))
    }
}
