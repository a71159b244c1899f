//! The fourth stage: the idempotency key of the call is reserved. The key is in a header of the call, or is the result of a mapping.
//!
//! The first call with a key reserves it in the store before it is published; later calls receive the same response. If it is unknown
//! whether the message of the first call reached the broker, a later call publishes it again under the same execution id: the worker runs
//! one of the messages. So a call with a key costs one write, and is refused while the store is away; calls without a key do not need the
//! store.
//!
//! A key of the header is unique for an API key. A key of a mapping is unique for the integration, so that an event that two callers report
//! runs once; only the API key that called first, or one that reads all outcomes, receives the outcome.

use super::normalized::{self, Normalized};
use super::received::{Call, ResponseTime};
use super::response::{accepted, ended, location_of};
use crate::authentication::Access;
use crate::checks::Checks;
use crate::dependencies::Dependencies;
use crate::dispatch::Dispatch;
use crate::problem::Problem;
use crate::shares::Share;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use forebay_contract::definition::IdempotencyMatch;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Ending;
use forebay_store::{EarlierCall, Reservation, Reserve, ReservedCall, StoreError};
use sha2::{Digest, Sha256};
use std::time::Duration;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Maximum bytes of a key.
const MAX_KEY_BYTES: usize = 255;
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

/// A call to be published.
pub(super) struct Reserved<'r>(Parts<'r>);

/// The parts of a [`Reserved`] call.
pub(super) struct Parts<'r> {
    pub(super) call: Call<'r>,
    pub(super) envelope: Envelope,
    /// The reservation; absent if the call has no key.
    pub(super) reservation: Option<Reservation>,
    pub(super) memory: Share,
}

/// The result of reserving the key of a call.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Reserving<'r> {
    /// The call has no key, or is the first call with its key.
    Reserved(Reserved<'r>),
    /// An earlier call had the key; this is the response.
    Repeated(HttpResponse),
}

impl<'r> Reserving<'r> {
    pub(super) async fn new(normalized: Normalized<'r>, dependencies: &Dependencies) -> Result<Self, Problem> {
        let normalized::Parts { call, access, mut envelope, checks, memory } = normalized.into_parts();
        let Some(key_digest) = key_digest(&call, &access, checks.as_deref(), &envelope).await? else {
            return Ok(Self::Reserved(Reserved(Parts { call, envelope, reservation: None, memory })));
        };
        let request = &envelope.request;
        let reserved = ReservedCall {
            integration_id: envelope.integration_id,
            key_digest,
            request_digest: digest([request.method.as_bytes(), request.query_string.as_bytes(), &envelope.body]),
            execution_id: envelope.execution_id,
            retention: call.endpoint.webhook.idempotency.retention,
            caller: envelope.caller,
        };
        loop {
            let earlier = match within_timeout(dependencies.store.reserve(reserved)).await? {
                Reserve::Reserved(reservation) => {
                    envelope.claim_token = Some(Envelope::new_claim_token());
                    return Ok(Self::Reserved(Reserved(Parts { call, envelope, reservation: Some(reservation), memory })));
                }
                Reserve::Taken(earlier) => earlier,
            };
            if let Some(response) = repeated(&call, &access, &envelope, &earlier, dependencies).await? {
                return Ok(Self::Repeated(response));
            }
            // The earlier call expired before it started, so this one counts as the first.
            within_timeout(dependencies.store.release(&ReservedCall { execution_id: earlier.execution_id, ..reserved })).await?;
        }
    }
}

impl<'r> Reserved<'r> {
    pub(super) fn into_parts(self) -> Parts<'r> {
        self.0
    }
}

/// Returns the response to a call whose key is reserved for another call; `None`: that one expired before it started.
async fn repeated(
    call: &Call<'_>,
    access: &Access,
    envelope: &Envelope,
    earlier: &EarlierCall,
    dependencies: &Dependencies,
) -> Result<Option<HttpResponse>, Problem> {
    let webhook = call.endpoint.webhook;
    let id = earlier.execution_id;
    if webhook.idempotency.matched_by == IdempotencyMatch::Request && !earlier.is_same_request {
        return Err(Problem::key_reused(id));
    }
    let recorded = within_timeout(dependencies.store.execution(envelope.integration_id, &id)).await?;
    let ending = match recorded.as_ref().map(|outcome| outcome.ending()) {
        Some(Some(Ending::Expired)) => return Ok(None),
        Some(ending) => ending,
        // The execution is queued, or its message never reached the broker.
        None => {
            let again =
                Envelope { execution_id: id, claim_token: Some(Envelope::new_claim_token()), caller: earlier.caller, ..envelope.clone() };
            dependencies.dispatch.publish(&again, &webhook.policy).await.map_err(|error| Problem::not_accepted(&error))?;
            None
        }
    };
    let location = location_of(call.endpoint.integration, id);
    let response = match (call.response_time, ending) {
        (ResponseTime::Accepted { .. }, _) => accepted(id, &location),
        (ResponseTime::Ended { .. }, _) if !access.credential.may_read(earlier.caller) => return Err(Problem::call_of_another_key()),
        (ResponseTime::Ended { .. }, None) => return Err(Problem::still_running(id, &location)),
        (ResponseTime::Ended { .. }, Some(ending)) => ended(id, ending, &location),
    };
    Ok(Some(marked_as_replayed(response)))
}

/// Returns the digest of the call's key; `None`: it has no key.
async fn key_digest(call: &Call<'_>, access: &Access, checks: Option<&Checks>, envelope: &Envelope) -> Result<Option<[u8; 32]>, Problem> {
    let mapped = match checks {
        Some(checks) => checks.key(envelope, call.endpoint.webhook.max_bytes).await?,
        None => None,
    };
    if let Some(mapped) = mapped {
        return Ok(mapped.map(|key| digest([b"mapped".as_slice(), key.as_bytes()])));
    }
    // Two callers may use the same key for their own calls.
    let caller = access.credential.key();
    Ok(header(call.request.headers())?.map(|key| digest([caller.as_ref().map_or(&[][..], |caller| caller.as_bytes()), key.as_bytes()])))
}

/// Returns the key of the header; the quotes of a structured field (RFC 8941) belong to the syntax.
fn header(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text =
        value.to_str().ok().map(str::trim).map(|text| text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text));
    match text {
        // A header may contain a tab, a key may not.
        Some(text) if (1..=MAX_KEY_BYTES).contains(&text.len()) && !text.contains('\t') => Ok(Some(text.to_owned())),
        _ => Err(Problem::invalid_idempotency_key(MAX_KEY_BYTES)),
    }
}

/// Returns a digest of the parts; no other list of parts has the same input.
fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

async fn within_timeout<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Problem> {
    match tokio::time::timeout(STORE_TIMEOUT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "an idempotency key cannot be looked up");
            Err(Problem::keys_unavailable())
        }
        Err(_) => Err(Problem::keys_unavailable()),
    }
}

fn marked_as_replayed(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
impl<'r> Reserved<'r> {
    /// Makes a call without a key for a unit test.
    pub(super) fn of_test(call: Call<'r>, envelope: Envelope) -> Self {
        let memory = crate::shares::Shares::new(0).share([None, None, None, None]);
        Self(Parts { call, envelope, reservation: None, memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_with_or_without_the_quotes_of_its_syntax() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(IDEMPOTENCY_KEY), HeaderValue::from_str(value).unwrap());
            header(&headers).map_err(|_| ())
        };
        assert_eq!(read("abc"), Ok(Some("abc".to_owned())));
        assert_eq!(read("\"abc\""), Ok(Some("abc".to_owned())));
        assert_eq!(read("a b"), Ok(Some("a b".to_owned())));
        assert_eq!(read("a\tb"), Err(()));
        assert_eq!(read(""), Err(()));
        assert_eq!(read(&"x".repeat(256)), Err(()));
        assert_eq!(header(&HeaderMap::new()).map_err(|_| ()), Ok(None));
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
    }
}
