//! The services that a run needs from its process.

use forebay_contract::connection::Connection;
use forebay_contract::outcome::{Checkpoint, ErrorCode, ExecutionError, Response};
use forebay_contract::{Name, UnixMillis};
use std::pin::Pin;
use std::sync::Arc;

/// The future of a [`Host`]'s answer.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The services of the process for one execution: its store, its broker, its connections.
pub trait Host: Send + Sync {
    /// Stores checkpoints, before the next step with an effect begins. Returns `false` if that failed: the run continues, and stores them
    /// before the next effect.
    fn store_checkpoints<'a>(&'a self, steps: &'a [Checkpoint]) -> HostFuture<'a, bool>;

    /// Sends the response to the caller while the workflow continues.
    fn answer(&self, response: &Response);

    /// Calls another integration of the tenant.
    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>>;

    /// Returns a connection of the tenant.
    ///
    /// # Errors
    /// There is none of that name, or it is not enabled.
    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError>;

    /// Returns true if the steps are those of a notification, whose fields have other names.
    fn is_notification(&self) -> bool {
        false
    }
}

/// A call of another integration by a step.
#[derive(Debug, Clone)]
pub struct OutgoingCall {
    /// The integration.
    pub integration: Name,
    /// The step, as [`Checkpoint::path`] names it: the same step of the same execution makes the same call.
    pub path: String,
    /// The body, JSON.
    pub body: Vec<u8>,
    /// Declared query parameters; an object, or null.
    pub query: serde_json::Value,
    /// True if the step waits for its outcome.
    pub wait: bool,
}

/// The result of a call of another integration.
#[derive(Debug, Clone)]
pub enum CallEnd {
    /// It is accepted; the id of its execution.
    Accepted(String),
    /// It has succeeded: the id of its execution and its response.
    Answered(String, Response),
    /// It waits until this time, and so must the caller.
    Waits(UnixMillis),
}

/// A host without store, broker and connections, for runs outside of a worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn store_checkpoints<'a>(&'a self, _steps: &'a [Checkpoint]) -> HostFuture<'a, bool> {
        Box::pin(async { true })
    }

    fn answer(&self, _response: &Response) {}

    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>> {
        let message = format!("the integration '{}' cannot be called here", call.integration);
        Box::pin(async move { Err(ExecutionError::permanent(ErrorCode::Definition, message)) })
    }

    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        Err(ExecutionError::permanent(ErrorCode::Connection, format!("there is no connection '{name}' here")))
    }
}
