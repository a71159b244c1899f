//! The one HTTP client of a process: connections are kept and reused over executions.

use crate::connector::Reach;
use reqwest::redirect::{Attempt, Policy};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// Redirects that are followed in one call.
pub(super) const MOST_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the keep-alive of common servers and balancers (60 s and more), so that we close first and never race a close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("cannot prepare TLS")]
    Tls(#[source] rustls::Error),
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

pub(crate) fn client(reach: &Reach) -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        // A proxy of the environment would resolve names past the policy.
        .no_proxy()
        .dns_resolver(reach.dns_resolver())
        .redirect(Policy::custom(follow_within_origin))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(ClientError::Client)
}

/// TLS 1.2 and 1.3 with ring, as the listeners have it. The system's certificates come first, so that a company's own authority
/// works; an image without any gets Mozilla's.
fn tls() -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A redirect to another host could carry a body or a credential to whoever the remote system names: the step fails with the 3xx.
fn follow_within_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = attempt.previous().first();
    let same_origin = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if same_origin && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
}
