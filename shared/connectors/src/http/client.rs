//! HTTP clients: connections are kept and reused over executions.

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

/// Redirects that are followed in one call.
pub const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the keep-alive of common servers and balancers (60 s and more), so that we close first and never race a close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// A client that follows no redirect by itself: it would turn a POST into a GET, and says nothing of it.
pub fn client(reach: &Reach, mut tls: ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // A proxy of the environment would resolve names past the policy.
        .no_proxy()
        .dns_resolver(reach.dns_resolver())
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Clients of connections that say which certificate they trust. There are few: one a connection.
#[derive(Default)]
pub(crate) struct OwnClients(Mutex<HashMap<ClientKey, (ServerTrust, reqwest::Client)>>);

/// Tenant, connection, and whether it is for the connection's own host.
type ClientKey = (Name, Name, bool);

impl Connectors {
    /// The client for a call of `url` by the connection: `usual`, unless the connection says which certificate it trusts. For a `token_url`
    /// on another host, the authorities that it names are trusted beside those of the machine; a certificate is its own host's only.
    ///
    /// # Errors
    /// `Connection`: what the connection trusts cannot be read.
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
