//! The one HTTP client of a process: connections are kept and reused over executions.

use crate::connector::Reach;
use reqwest::redirect::{Attempt, Policy};
use std::time::Duration;

/// Redirects that are followed in one call.
pub(super) const MOST_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the keep-alive of common servers and balancers (60 s and more), so that we close first and never race a close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

pub(crate) fn client(reach: &Reach) -> Result<reqwest::Client, reqwest::Error> {
    let mut tls = forebay_tls::client_config();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // A proxy of the environment would resolve names past the policy.
        .no_proxy()
        .dns_resolver(reach.dns_resolver())
        .redirect(Policy::custom(follow_within_origin))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A redirect to another host could carry a body or a credential to whoever the remote system names: the step fails with the 3xx.
fn follow_within_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = attempt.previous().first();
    let same_origin = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if same_origin && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
}
