//! The engine, which runs programs: its options, and its clients of remote systems.

use crate::engine_options::EngineOptions;
use forebay_connectors::Connectors;
use forebay_connectors::http::client::client;
use forebay_contract::connection::Connection;
use std::sync::Arc;

/// The reason for which an [`Engine`] cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the HTTP client of the workflow engine")]
pub struct EngineError(#[source] reqwest::Error);

/// Runs programs. Clones share the HTTP client and its connections; one engine is enough for a process.
#[derive(Clone)]
pub struct Engine {
    options: Arc<EngineOptions>,
    client: reqwest::Client,
    connectors: Connectors,
}

impl Engine {
    /// Creates an engine with its own HTTP client.
    ///
    /// # Errors
    /// The HTTP client cannot be created.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let client = client(&options.reach, forebay_tls::client_config()).map_err(EngineError)?;
        let connectors = Connectors::sharing(options.reach.clone(), options.tokens.clone());
        Ok(Self { options: Arc::new(options), client, connectors })
    }

    /// Tests a connection: see [`Connectors::test`].
    ///
    /// # Errors
    /// The problem, and the remedy.
    pub async fn test(&self, connection: &Connection) -> Result<String, String> {
        self.connectors.test(&self.client, connection).await
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.options
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) fn connectors(&self) -> &Connectors {
        &self.connectors
    }
}
