//! What a run asks of the process that it runs in.

use forebay_contract::connection::Connection;
use forebay_contract::outcome::{Checkpoint, ErrorCode, ExecutionError, Response};
use forebay_contract::{Name, UnixMillis};
use std::pin::Pin;
use std::sync::Arc;

/// A future that a [`Host`] gives.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The process around one execution: its store, its broker, its connections.
pub trait Host: Send + Sync {
    /// Stores checkpoints, before the next step with an effect begins. Returns `false` when that failed: the run goes on, and stores them
    /// before the next effect.
    fn store_checkpoints<'a>(&'a self, steps: &'a [Checkpoint]) -> HostFuture<'a, bool>;

    /// Answers the caller while the workflow goes on.
    fn answer(&self, response: &Response);

    /// Calls another integration of the tenant.
    fn call<'a>(&'a self, call: OutgoingCall) -> HostFuture<'a, Result<CallEnd, ExecutionError>>;

    /// A connection of the tenant.
    ///
    /// # Errors
    /// When there is none of that name, or it is not enabled.
    fn connection(&self, name: &Name) -> Result<Arc<Connection>, ExecutionError>;

    /// Whether the steps are those of an alert, whose fields have other names.
    fn is_notification(&self) -> bool {
        false
    }
}

/// A call of another integration, as a step makes it.
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
    /// Whether its outcome is waited for.
    pub wait: bool,
}

/// What became of a call of another integration.
#[derive(Debug, Clone)]
pub enum CallEnd {
    /// It is accepted; its execution id.
    Accepted(String),
    /// It has succeeded: its execution id and its answer.
    Answered(String, Response),
    /// It waits until this time, and so must the caller.
    Waits(UnixMillis),
}

/// A host without a store, a broker and connections, for runs outside of a worker.
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
