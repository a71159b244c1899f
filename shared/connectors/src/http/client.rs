//! HTTP clients: connections are reused over executions.

use crate::{Connectors, Reach, Target, tls};
use forebay_contract::Name;
use forebay_contract::connection::{Connection, HttpConnection, ServerTrust};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use parking_lot::Mutex;
use reqwest::Url;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::time::Duration;

/// Maximum redirects of one call.
pub const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which idle connections are closed. It is shorter than the keep-alive of common servers and load balancers (60 s and more), so
/// that they do not close a connection that is about to be used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Creates a client that does not follow redirects by itself: it would turn a POST into a GET without notice.
pub fn client(reach: &Reach, mut tls: ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // A proxy of the environment would resolve names without the policy.
        .no_proxy()
        .dns_resolver(reach.dns_resolver())
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Clients of connections with their own trusted certificates. There are few: one for each connection.
#[derive(Default)]
pub(crate) struct OwnClients(Mutex<HashMap<ClientKey, (ServerTrust, reqwest::Client)>>);

/// The key of a client: tenant, connection, and true for the connection's own host.
type ClientKey = (Name, Name, bool);

impl Connectors {
    /// Returns the client for a call of `url` through the connection: `usual`, unless the connection has its own trusted certificate. For a
    /// `token_url` on another host, its authorities are trusted in addition to those of the machine; a certificate counts only for the host
    /// of the connection.
    ///
    /// # Errors
    /// `Connection`: the trusted certificate cannot be read.
    pub fn client_for(
        &self,
        usual: &reqwest::Client,
        connection: &Connection,
        http: &HttpConnection,
        url: &Url,
    ) -> Result<reqwest::Client, ExecutionError> {
        let is_own = Url::parse(&http.url).is_ok_and(|own| own.host() == url.host());
        match http.trust {
            ServerTrust::Machine => return Ok(usual.clone()),
            ServerTrust::Certificate(_) if !is_own => return Ok(usual.clone()),
            ServerTrust::Certificate(_) | ServerTrust::Authority(_) => {}
        }
        let key = (connection.tenant.clone(), connection.name.clone(), is_own);
        let mut clients = self.own_clients().0.lock();
        if let Some((_, client)) = clients.get(&key).filter(|(trust, _)| *trust == http.trust) {
            return Ok(client.clone());
        }
        let target = Target(connection);
        let config = if is_own { tls::client_config(&target, &http.trust) } else { tls::client_config_beside(&target, &http.trust) }?;
        let made = client(self.reach(), config);
        let made =
            made.map_err(|error| ExecutionError::permanent(ErrorCode::Internal, format!("{target}: no HTTP client can be made: {error}")))?;
        clients.insert(key, (http.trust.clone(), made.clone()));
        Ok(made)
    }
}
