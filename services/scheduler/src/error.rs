//! Errors of building the scheduler.

use forebay_store::StoreError;
use forebay_workflow::EngineError;

/// The reason for which the scheduler could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The engine that sends notifications could not be built.
    #[error("the engine that sends notifications cannot be built")]
    Engine(#[from] EngineError),
    /// The installation's key could not be read from the store.
    #[error("the installation's id key cannot be read")]
    Store(#[from] StoreError),
}
