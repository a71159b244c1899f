//! Repeated calls: known by a key that the caller sends or that a mapping makes of the call.
//!
//! The first call with a key is written down in the store before it is published; every later one is answered as the first was. Where
//! nothing tells that the first one's message reached the broker, it is published again under the same execution id: the worker runs one
//! of the messages. So a call with a key costs one write, and is refused while the store is away; calls without a key need no store.
//!
//! A key of the header is one for each API key. A key of a mapping is one for the integration, so that an event that two callers report runs
//! once; only the API key that called first, or one that reads all outcomes, gets the outcome.

use crate::authenticate::Authenticated;
use crate::checks::Checks;
use crate::handler::Dependencies;
use crate::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use forebay_contract::ExecutionId;
use forebay_contract::definition::{IdempotencyMatch, Webhook};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::Ending;
use forebay_store::{FirstCall, KnownCall, StoreError};
use sha2::{Digest, Sha256};
use std::time::Duration;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest key, in bytes.
const LONGEST_KEY: usize = 255;
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// What is to be done with a call.
pub(crate) enum Known {
    /// It has no key.
    No,
    /// It is the first with its key.
    First(KnownCall),
    /// There was one before, which has ended so.
    Ended(ExecutionId, Ending),
    /// There was one before, which has not ended.
    Running(ExecutionId),
    /// There was one before with another API key, whose outcome this caller may not read.
    OfAnotherKey(ExecutionId),
}

/// Looks the call's key up, and makes the call the first with it.
pub(crate) async fn know(
    call: &Authenticated,
    webhook: &Webhook,
    checks: Option<&Checks>,
    headers: &HeaderMap,
    envelope: &Envelope,
    dependencies: &Dependencies,
) -> Result<Known, Problem> {
    let mapped = match checks {
        Some(checks) => checks.key(envelope, webhook.max_bytes).await?,
        None => None,
    };
    let key_digest = match mapped {
        Some(Some(key)) => digest([b"mapped".as_slice(), key.as_bytes()]),
        Some(None) => return Ok(Known::No),
        None => match header(headers)? {
            // Two callers may use the same key for their own calls.
            Some(key) => digest([call.credential.key().as_ref().map_or(&[][..], |key| key.as_bytes()), key.as_bytes()]),
            None => return Ok(Known::No),
        },
    };
    let request = &envelope.request;
    let request_digest = digest([request.method.as_bytes(), request.query_string.as_bytes(), &envelope.body]);
    let known = KnownCall {
        integration_id: envelope.integration_id,
        key_digest,
        request_digest,
        execution_id: envelope.execution_id,
        keep: webhook.idempotency.keep,
        caller: envelope.caller,
    };
    loop {
        let Some(first) = asked(dependencies.store.know_call(&known)).await? else { return Ok(Known::First(known)) };
        match webhook.idempotency.matched_by {
            IdempotencyMatch::Request if !first.is_same_request => return Err(Problem::key_reused(first.execution_id)),
            IdempotencyMatch::Request | IdempotencyMatch::Key => {}
        }
        let may_read = call.credential.may_read(first.caller);
        let recorded = asked(dependencies.store.execution(known.integration_id, &first.execution_id)).await?;
        match recorded.as_ref().map(|outcome| outcome.ending()) {
            // It was never started: its caller had gone. This one is the first then.
            Some(Some(Ending::Expired)) => {
                forget(dependencies, &known, &first).await?;
                continue;
            }
            Some(Some(ending)) if may_read => return Ok(Known::Ended(first.execution_id, ending)),
            Some(_) => {}
            None => publish_again(webhook, envelope, &first, dependencies).await?,
        }
        return Ok(if may_read { Known::Running(first.execution_id) } else { Known::OfAnotherKey(first.execution_id) });
    }
}

async fn forget(dependencies: &Dependencies, known: &KnownCall, first: &FirstCall) -> Result<(), Problem> {
    asked(dependencies.store.forget_call(&KnownCall { execution_id: first.execution_id, ..*known })).await
}

/// Nothing is recorded of the first call: it is queued, or its message never reached the broker.
async fn publish_again(webhook: &Webhook, envelope: &Envelope, first: &FirstCall, dependencies: &Dependencies) -> Result<(), Problem> {
    let again = Envelope { execution_id: first.execution_id, once: Envelope::new_message(), caller: first.caller, ..envelope.clone() };
    dependencies.dispatch.accept(&again, &webhook.delivery).await.map_err(|error| Problem::not_accepted(&error))
}

/// The header's key; the quotes of a structured field (RFC 8941) belong to the syntax.
fn header(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text =
        value.to_str().ok().map(str::trim).map(|text| text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text));
    match text {
        // A tab may stand in a header, not in a key.
        Some(text) if (1..=LONGEST_KEY).contains(&text.len()) && !text.contains('\t') => Ok(Some(text.to_owned())),
        _ => Err(Problem::invalid_idempotency_key(LONGEST_KEY)),
    }
}

/// Parts of any bytes, none of which can pass for a part of another.
fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

async fn asked<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Problem> {
    match tokio::time::timeout(STORE_PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "an idempotency key cannot be looked up");
            Err(Problem::keys_unavailable())
        }
        Err(_) => Err(Problem::keys_unavailable()),
    }
}

/// Marks an answer as that of an earlier call.
pub(crate) fn replayed(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    answer
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
