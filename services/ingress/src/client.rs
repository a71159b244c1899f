//! The client of a request, behind trusted proxies.

use actix_web::HttpRequest;
use forebay_runtime::forwarding::{Client, TrustedProxies};

/// Returns the client that sent a request.
pub(crate) fn client_of(request: &HttpRequest, proxies: &TrustedProxies) -> Client {
    let headers = request.headers();
    let values = |name| headers.get_all(name).map(|value| value.as_bytes()).collect::<Vec<_>>();
    proxies.client(request.peer_addr().map(|peer| peer.ip()), request.app_config().secure(), values)
}
