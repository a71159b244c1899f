//! HTTP clients: connections are kept and reused over executions.

use crate::connector::Reach;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use std::time::Duration;

/// Redirects that are followed in one call.
pub(crate) const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the keep-alive of common servers and balancers (60 s and more), so that we close first and never race a close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// A client that follows no redirect by itself: it would turn a POST into a GET, and says nothing of it.
pub(crate) fn client(reach: &Reach, mut tls: ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
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
