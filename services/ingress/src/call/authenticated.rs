//! The second stage: the caller is authenticated, and the body is received.

use super::received::{Call, Received};
use crate::authentication::{Access, Caller};
use crate::client::client_of;
use crate::dependencies::Dependencies;
use crate::problem::Problem;
use crate::receive::{BodyLimits, receive};
use crate::shares::Share;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Payload;
use bytes::Bytes;

/// A call whose caller is authenticated and within the rate.
pub(super) struct Authenticated<'r> {
    call: Call<'r>,
    access: Access,
    body: Body,
}

/// The body of a call, with its share of the process's memory.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) memory: Share,
}

impl<'r> Authenticated<'r> {
    /// Authenticates the call and receives its body. A caller with a key is known before the body is read, so a call over the rate is
    /// refused then. A signature is checked over the body, and only calls with a valid signature count for the rate.
    pub(super) async fn new(received: Received<'r>, payload: Payload, dependencies: &Dependencies) -> Result<Self, Problem> {
        let (call, caller) = received.into_parts();
        let (access, body) = match caller {
            Caller::Known(access) => {
                admit(&call, &access, dependencies)?;
                (access, read(&call, payload, true, dependencies).await?)
            }
            Caller::Unverified(unverified) => {
                let mut body = read(&call, payload, false, dependencies).await?;
                let access = unverified.verify(&body.bytes).await?;
                body.memory.authenticated();
                admit(&call, &access, dependencies)?;
                (access, body)
            }
        };
        Ok(Self { call, access, body })
    }

    pub(super) fn into_parts(self) -> (Call<'r>, Access, Body) {
        (self.call, self.access, self.body)
    }
}

fn admit(call: &Call<'_>, access: &Access, dependencies: &Dependencies) -> Result<(), Problem> {
    let Some(rate) = call.endpoint.webhook.rate else { return Ok(()) };
    dependencies.rates.admit(access, || client_of(call.request, &dependencies.proxies).address, rate)
}

async fn read(call: &Call<'_>, payload: Payload, is_authenticated: bool, dependencies: &Dependencies) -> Result<Body, Problem> {
    let declared = call.request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let max_bytes = call.endpoint.webhook.max_bytes.min(dependencies.max_body_bytes);
    let limits = BodyLimits { max_bytes, timeout: dependencies.body_timeout };
    let mut memory = dependencies.bodies.share(call.endpoint.integration, is_authenticated);
    let bytes = receive(payload, declared, limits, &mut memory).await?;
    Ok(Body { bytes, memory })
}
