//! Compiled definitions, each version compiled once.

use super::delivered::Delivered;
use super::ports::ExecutionStore;
use super::store_retry::ask_until_answered;
use forebay_contract::definition::Definition;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_store::SnapshotHandle;
use forebay_workflow::Program;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Maximum programs of the cache, more than are in use at the same time; when it is full, it is cleared, and each version is compiled
/// again.
const MAX_PROGRAMS: usize = 10_000;

/// An integration's version.
type Version = (Uuid, i32);
type Compiled = HashMap<Version, Arc<Program>>;

/// The reason for which a version has no program.
enum NoProgram {
    /// The version does not exist or does not compile: the execution fails.
    Never(ExecutionError),
    /// The store does not answer at present.
    NotNow,
}

/// The programs of all versions that are in use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Programs {
    store: Arc<dyn ExecutionStore>,
    snapshot: SnapshotHandle,
    compiled: Arc<Mutex<Compiled>>,
}

impl Programs {
    pub(crate) fn new(store: Arc<dyn ExecutionStore>, snapshot: SnapshotHandle) -> Self {
        Self { store, snapshot, compiled: Arc::default() }
    }

    /// Returns the program of the version that accepted a call, or the error for which it can never run; `None`: the delivery was lost
    /// before the store answered.
    pub(crate) async fn of(&self, delivered: &Delivered) -> Option<Result<Arc<Program>, ExecutionError>> {
        let ask = || async {
            match self.get(&delivered.envelope).await {
                Ok(program) => Some(Ok(program)),
                Err(NoProgram::Never(error)) => Some(Err(error)),
                Err(NoProgram::NotNow) => None,
            }
        };
        ask_until_answered(&delivered.lost, ask).await
    }

    /// Returns the definition of the version that accepted a call, or the current one if that version is not available.
    pub(crate) async fn definition_or_current(&self, envelope: &Envelope) -> Option<Arc<Definition>> {
        match self.get(envelope).await {
            Ok(program) => Some(program.definition().clone()),
            Err(NoProgram::Never(_) | NoProgram::NotNow) => {
                self.snapshot.current().integration_by_id(envelope.integration_id).map(|integration| integration.definition.clone())
            }
        }
    }

    /// Returns the program from the cache, else from the snapshot, else from the store.
    async fn get(&self, envelope: &Envelope) -> Result<Arc<Program>, NoProgram> {
        let (integration, version) = (envelope.integration_id, envelope.version);
        if let Some(program) = self.compiled().get(&(integration, version)) {
            return Ok(program.clone());
        }
        let definition = self.definition(integration, version).await?;
        // Compiling a large definition takes milliseconds, during which it would block other executions of this thread.
        let compiled = tokio::task::spawn_blocking(move || Program::compile(definition)).await;
        let program = compiled.map_err(|error| NoProgram::Never(failure(format!("version {version} cannot be compiled: {error}"))))?;
        let program = program.map_err(|problems| {
            let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            NoProgram::Never(failure(format!("version {version} of the definition does not compile: {text}")))
        })?;
        let program = Arc::new(program);
        let mut compiled = self.compiled();
        if compiled.len() >= MAX_PROGRAMS {
            compiled.clear();
        }
        compiled.insert((integration, version), program.clone());
        Ok(program)
    }

    async fn definition(&self, integration: Uuid, version: i32) -> Result<Arc<Definition>, NoProgram> {
        let snapshot = self.snapshot.current();
        if let Some(current) = snapshot.integration_by_id(integration).filter(|current| current.version == version) {
            return Ok(current.definition.clone());
        }
        match self.store.definition(integration, version).await {
            Ok(Some(definition)) => Ok(Arc::new(definition)),
            Ok(None) => Err(NoProgram::Never(failure(format!("version {version} of the definition is not in the store")))),
            Err(error) if error.is_unavailable() => Err(NoProgram::NotNow),
            Err(error) => Err(NoProgram::Never(failure(format!("version {version} of the definition cannot be read: {error}")))),
        }
    }

    fn compiled(&self) -> MutexGuard<'_, Compiled> {
        self.compiled.lock()
    }
}

fn failure(message: String) -> ExecutionError {
    ExecutionError::permanent(ErrorCode::Definition, message)
}
