//! The common interface of all kinds of connections.

use crate::Connectors;
use crate::concealment::Concealment;
use forebay_contract::connection::Connection;
use forebay_contract::outcome::ExecutionError;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A kind of connection, implemented by its type of the contract. No method has a default: a new kind does not compile until it has all of
/// them.
pub(crate) trait Connector {
    /// Returns host and port, for people, without any part of the address that may be a credential.
    fn address(&self) -> String;

    /// Adds all texts that messages must not contain.
    fn conceal(&self, concealment: &mut Concealment);

    /// Returns the advice of messages if TLS cannot be started.
    fn tls_advice(&self) -> TlsAdvice;

    /// Connects and signs in, changes nothing, and describes the remote system.
    ///
    /// # Errors
    /// The problem, and the remedy.
    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>>;
}

/// The advice for a server with which TLS cannot be started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TlsAdvice {
    /// True if the connection can trust the server's own certificate (`tls.certificate`), and not only authorities.
    pub(crate) takes_certificate: bool,
    /// The setting for a server without TLS, or without TLS from the first byte.
    pub(crate) in_clear: &'static str,
}

/// The parameters of a test.
#[derive(Clone, Copy)]
pub(crate) struct Test<'t> {
    pub(crate) connectors: &'t Connectors,
    pub(crate) client: &'t reqwest::Client,
    /// The connection, enabled for the test.
    pub(crate) connection: &'t Arc<Connection>,
}
