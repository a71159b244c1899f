//! The client of a request, behind trusted proxies.

use crate::state::State;
use actix_web::HttpRequest;
use forebay_runtime::forwarding::Client;
use std::sync::Once;

/// Returns the client that sent a request.
pub(crate) fn client_of(request: &HttpRequest, state: &State) -> Client {
    let headers = request.headers();
    let values = |name| headers.get_all(name).map(|value| value.as_bytes()).collect::<Vec<_>>();
    let client = state.proxies.client(request.peer_addr().map(|peer| peer.ip()), request.app_config().secure(), values);
    let is_unread = headers.contains_key("x-forwarded-for") && client.address == request.peer_addr().map(|peer| peer.ip().to_canonical());
    static WARNED: Once = Once::new();
    if is_unread {
        WARNED.call_once(|| {
            tracing::warn!(
                client.address = client.address.map(tracing::field::display),
                "a request has X-Forwarded-For, which is ignored, so that all clients behind the proxy count as one client. If this is the address of \
                 your proxy, set FOREBAY_TRUSTED_PROXIES to it"
            );
        });
    }
    client
}
