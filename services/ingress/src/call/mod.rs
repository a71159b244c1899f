//! A call from its head to its response. Each stage consumes the one before, and can be made from nothing else:
//!
//! ```text
//! Received       the endpoint accepts the method, and the tenant may have another call in flight
//! Authenticated  the body is received, the key or the signature is valid, the rate allows the call
//! Normalized     the envelope exists; the query, the body and the schema are valid
//! Reserved       the idempotency key is reserved for this call; a repeated call is answered here
//! Published      the broker has confirmed the message
//! response       202, or the outcome of the execution
//! ```

mod authenticated;
mod normalized;
mod published;
mod received;
mod reserved;
mod response;

use self::authenticated::Authenticated;
use self::normalized::Normalized;
use self::published::Published;
pub(crate) use self::received::Endpoint;
use self::received::Received;
use self::reserved::Reserving;
use crate::dependencies::Dependencies;
use crate::problem::Problem;
use crate::trace::Trace;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use forebay_store::Snapshot;

/// Answers a call of an endpoint.
pub(crate) async fn respond(
    request: &HttpRequest,
    payload: Payload,
    endpoint: Endpoint<'_>,
    trace: &Trace,
    snapshot: &Snapshot,
    dependencies: &Dependencies,
) -> Result<HttpResponse, Problem> {
    let received = Received::new(request, endpoint, trace, snapshot, dependencies)?;
    let authenticated = Authenticated::new(received, payload, dependencies).await?;
    let normalized = Normalized::new(authenticated, dependencies).await?;
    let reserved = match Reserving::new(normalized, dependencies).await? {
        Reserving::Repeated(response) => return Ok(response),
        Reserving::Reserved(reserved) => reserved,
    };
    let published = Published::new(reserved, &dependencies.dispatch).await?;
    Ok(published.response().await)
}
