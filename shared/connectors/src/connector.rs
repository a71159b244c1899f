//! What every kind of connection does alike.

use crate::Connectors;
use crate::concealment::Concealment;
use forebay_contract::connection::Connection;
use forebay_contract::outcome::ExecutionError;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A kind of connection, implemented by its type of the contract. No method has a default: a new kind does not compile before all of it
/// is decided.
pub(crate) trait Connector {
    /// Returns host and port, for people: nothing of an address that may be a credential.
    fn address(&self) -> String;

    /// Adds everything that must not stand in a message.
    fn conceal(&self, concealment: &mut Concealment);

    /// Returns what messages advise where TLS cannot be begun.
    fn tls_advice(&self) -> TlsAdvice;

    /// Connects and signs in anew, changes nothing, and says what was reached.
    ///
    /// # Errors
    /// The problem, and the remedy.
    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>>;
}

/// Advice on a server with which TLS cannot be begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TlsAdvice {
    /// Whether the connection can name the server's own certificate (`tls.certificate`), and not only authorities.
    pub(crate) takes_certificate: bool,
    /// The setting for a server that speaks no TLS, or not from the first byte.
    pub(crate) in_clear: &'static str,
}

/// The means of a test.
#[derive(Clone, Copy)]
pub(crate) struct Test<'t> {
    pub(crate) connectors: &'t Connectors,
    pub(crate) client: &'t reqwest::Client,
    /// Enabled, whatever the operator says.
    pub(crate) connection: &'t Arc<Connection>,
}
