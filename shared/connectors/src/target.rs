//! Names of connections in messages.

use crate::connector_of;
use forebay_contract::connection::Connection;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use reqwest::Url;
use std::fmt;

/// A connection in messages: `connection 'crm' (postgres at db.example:5432)`.
pub struct Target<'a>(pub &'a Connection);

impl<'a> Target<'a> {
    /// Names a connection that will be used.
    ///
    /// # Errors
    /// The connection is not enabled.
    pub(crate) fn enabled(connection: &'a Connection) -> Result<Self, ExecutionError> {
        let target = Self(connection);
        if connection.enabled {
            return Ok(target);
        }
        Err(ExecutionError::permanent(ErrorCode::Connection, format!("{target} is not enabled: set `enabled: true` and apply it")))
    }

    /// Returns the failure of a step that needs another kind of connection.
    pub(crate) fn is_no(&self, wanted: &str) -> ExecutionError {
        ExecutionError::permanent(ErrorCode::Definition, format!("{self} is no {wanted}: name one in the step"))
    }

    /// Adds the connection to the front of an error's message.
    pub(crate) fn at(&self, error: ExecutionError) -> ExecutionError {
        ExecutionError { message: format!("{self}: {}", error.message), ..error }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connection { name, kind, .. } = self.0;
        write!(f, "connection '{name}' ({} at {})", kind.as_str(), connector_of(kind).address())
    }
}

/// Returns host and port of an address, without any part that may be a credential. `ports` has default ports by scheme, besides those of
/// HTTP.
pub(crate) fn host_and_port(url: &str, ports: &[(&str, u16)]) -> String {
    let Ok(url) = Url::parse(url) else { return "an address that cannot be read".to_owned() };
    let of_scheme = || ports.iter().find(|(scheme, _)| *scheme == url.scheme()).map(|(_, port)| *port);
    let port = url.port_or_known_default().or_else(of_scheme).map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}
