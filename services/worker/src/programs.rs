//! Compiled definitions, each version compiled once.

use forebay_contract::definition::Definition;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_store::{SnapshotHandle, Store};
use forebay_workflow::Program;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// More versions than are in use at once; past it the cache starts over, which costs a compilation each.
const MOST_PROGRAMS: usize = 10_000;

/// Why there is no program for a version.
pub(crate) enum NoProgram {
    /// It does not exist or does not compile: the execution fails.
    Never(ExecutionError),
    /// The store cannot be asked right now.
    NotNow,
}

pub(crate) struct Programs {
    store: Store,
    snapshot: SnapshotHandle,
    compiled: Mutex<HashMap<(Uuid, i32), Arc<Program>>>,
}

impl Programs {
    pub(crate) fn new(store: Store, snapshot: SnapshotHandle) -> Self {
        Self { store, snapshot, compiled: Mutex::default() }
    }

    /// The program of the version that accepted a call: out of the cache, else of the snapshot, else of the store.
    pub(crate) async fn get(&self, integration: Uuid, version: i32) -> Result<Arc<Program>, NoProgram> {
        if let Some(program) = self.compiled().get(&(integration, version)) {
            return Ok(program.clone());
        }
        let current = self.snapshot.current().integration_by_id(integration).filter(|known| known.version == version).cloned();
        let definition: Arc<Definition> = match current {
            Some(known) => known.definition.clone(),
            None => match self.store.definition(integration, version).await {
                Ok(Some(definition)) => Arc::new(definition),
                Ok(None) => return Err(NoProgram::Never(failure(format!("version {version} of the definition is not in the store")))),
                Err(error) if error.is_unavailable() => return Err(NoProgram::NotNow),
                Err(error) => {
                    return Err(NoProgram::Never(failure(format!("version {version} of the definition cannot be read: {error}"))));
                }
            },
        };
        // A large definition takes milliseconds, which other executions of this thread must not wait for.
        let compiled = tokio::task::spawn_blocking(move || Program::compile(definition)).await;
        let program = compiled.map_err(|error| NoProgram::Never(failure(format!("version {version} cannot be compiled: {error}"))))?;
        let program = program.map_err(|problems| {
            let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            NoProgram::Never(failure(format!("version {version} of the definition does not compile: {text}")))
        })?;
        let program = Arc::new(program);
        let mut compiled = self.compiled();
        if compiled.len() >= MOST_PROGRAMS {
            compiled.clear();
        }
        compiled.insert((integration, version), program.clone());
        Ok(program)
    }

    fn compiled(&self) -> std::sync::MutexGuard<'_, HashMap<(Uuid, i32), Arc<Program>>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure(message: String) -> ExecutionError {
    ExecutionError::permanent(ErrorCode::Definition, message)
}
