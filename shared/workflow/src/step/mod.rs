//! What steps do beside computing a value.

pub(crate) mod amqp;
pub(crate) mod email;
pub(crate) mod http;
pub(crate) mod recipients;
pub(crate) mod sftp;
pub(crate) mod sql;
pub(crate) mod url;

use crate::engine::Engine;
use crate::host::Host;
use forebay_connectors::Bounds;
use forebay_contract::connection::Connection;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::time::Duration;

/// Who calls: what the call needs beside its definition.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub engine: &'a Engine,
    pub host: &'a dyn Host,
    pub envelope: &'a Envelope,
    /// The step, with the item before it inside a loop.
    pub path: &'a str,
}

impl Caller<'_> {
    /// What tells a repetition of this step from another one.
    fn idempotency_key(self) -> String {
        format!("{}/{}", self.envelope.execution_id, self.path)
    }

    /// The bounds of a step with this timeout, or with none of its own.
    fn bounds(self, timeout: Option<Duration>) -> Bounds {
        let options = self.engine.options();
        Bounds { timeout: timeout.unwrap_or(options.step_timeout), most_bytes: options.remote_bytes }
    }
}

/// A step names a connection of another kind.
pub(crate) fn wrong_kind(connection: &Connection, wanted: &str) -> ExecutionError {
    let message = format!(
        "the connection '{}' is of the kind {}; this step needs one of the kind {wanted}",
        connection.name,
        connection.kind.as_str()
    );
    ExecutionError::permanent(ErrorCode::Connection, message)
}
