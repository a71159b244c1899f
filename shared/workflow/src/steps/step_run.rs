//! One attempt of a step, with the parts of the execution that it uses.

use crate::engine::Engine;
use crate::execution::{Execution, Scope};
use crate::host::Host;
use forebay_connectors::Bounds;
use forebay_contract::connection::Connection;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{Name, format_duration};
use forebay_mapping::{Budget, Mapping, Paced, Template, Value};
use std::sync::Arc;
use std::time::Duration;

/// One attempt of a step, with the parts of the execution that it uses.
#[derive(Clone, Copy)]
pub(crate) struct StepRun<'a> {
    pub execution: &'a Execution<'a>,
    /// The step's id; in a loop the item is before it: `lines[3]/price`.
    pub path: &'a str,
    /// The timeout of the step; absent: that of its kind.
    pub timeout: Option<Duration>,
}

impl<'a> StepRun<'a> {
    pub(super) fn engine(self) -> &'a Engine {
        self.execution.engine
    }

    pub(super) fn host(self) -> &'a dyn Host {
        &*self.execution.execution.host
    }

    pub(super) fn envelope(self) -> &'a Envelope {
        self.execution.envelope
    }

    pub(super) fn budget(self) -> &'a Budget {
        &self.execution.budget
    }

    /// Returns a connection of the tenant.
    pub(super) fn connection(self, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        self.host().connection(name)
    }

    /// Returns a key that is the same for each repetition of this step, and differs from other steps.
    pub(super) fn idempotency_key(self) -> String {
        format!("{}/{}", self.envelope().execution_id, self.path)
    }

    /// Returns the limits of a call of a remote system.
    pub(super) fn bounds(self) -> Bounds {
        let options = self.engine().options();
        Bounds { timeout: self.timeout.unwrap_or(options.step_timeout), max_bytes: options.remote_bytes }
    }

    /// Returns the output of a mapping.
    pub(super) async fn mapping(self, part: &str, mapping: &Paced<Mapping>, scope: &Scope) -> Result<Value, ExecutionError> {
        mapping.output(part, scope.context.value(), self.budget()).await
    }

    /// Returns the text of a template.
    pub(super) async fn template(self, part: &str, template: &Paced<Template>, scope: &Scope) -> Result<String, ExecutionError> {
        template.text(part, scope.context.value(), self.budget()).await
    }
}

/// Bounds a future without its own timeout. `fails` makes the failure of the kind.
pub(super) async fn within<T>(
    timeout: Option<Duration>,
    kind: &str,
    fails: fn(ErrorCode, String) -> ExecutionError,
    work: impl Future<Output = Result<T, ExecutionError>>,
) -> Result<T, ExecutionError> {
    let Some(timeout) = timeout else { return work.await };
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("{kind}: it did not end within the step's timeout of {}", format_duration(timeout));
            Err(fails(ErrorCode::Timeout, message))
        }
    }
}

/// Returns the failure of a step whose connection is of another kind.
pub(super) fn wrong_kind(connection: &Connection, expected: &str) -> ExecutionError {
    let message = format!(
        "the connection '{}' is of the kind {}; this step needs one of the kind {expected}",
        connection.name,
        connection.kind.as_str()
    );
    ExecutionError::permanent(ErrorCode::Connection, message)
}
