//! Envelopes and replies as AMQP messages: the body is the HTTP body byte for byte, everything else is in properties and headers.

use crate::error::DecodeError;
use crate::signature::{Kind, MessageKey, Parts};
use crate::topology::{expiration, short};
use bytes::Bytes;
use forebay_contract::envelope::{ENVELOPE_VERSION, Envelope, Request, TraceContext, header};
use forebay_contract::outcome::{Ending, ErrorCode, ExecutionError, Response};
use forebay_contract::{ExecutionId, UnixMicros, UnixMillis};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;
use uuid::Uuid;

const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// Reply header: [`ReplyHead`] as JSON.
const REPLY: &str = "forebay-reply";
/// Maximum bytes of a reply header: RabbitMQ closes the connection of all replies over a header frame of more than 128 KiB.
const MAX_REPLY_HEAD_BYTES: usize = 48 * 1024;
/// The reason for which a message is unreadable.
pub(crate) const UNREADABLE_REASON: &str = "forebay-reason";
/// The queue that it came from.
pub(crate) const UNREADABLE_FROM: &str = "forebay-from";
/// The id that it had there.
pub(crate) const UNREADABLE_ID: &str = "forebay-message-id";

/// The JSON of [`header::CALL`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    envelope: u32,
    tenant: Cow<'a, str>,
    integration: Cow<'a, str>,
    integration_id: Uuid,
    version: i32,
    received_at: UnixMicros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "is_zero")]
    attempts: u32,
    #[serde(default, rename = "once", skip_serializing_if = "Option::is_none")]
    claim_token: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    resumes: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    redeliveries: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "is_zero")]
    call_depth: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caller: Option<Uuid>,
    request: Cow<'a, Request>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// The part of a [`Call`] that is read when its form is unknown.
#[derive(Deserialize)]
struct VersionOnly {
    envelope: u32,
}

/// The end of an execution without the body.
#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
enum ReplyHead<'a> {
    Succeeded {
        status: u16,
        headers: Cow<'a, [(String, String)]>,
    },
    Failed {
        error: Cow<'a, ExecutionError>,
    },
    Expired,
    /// The outcome is in the store: the reply is too large for the broker.
    Recorded,
}

/// A message ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

impl Message {
    /// The id that identifies a returned message; empty when it has none.
    pub(crate) fn id(&self) -> &str {
        self.properties.message_id().as_ref().map_or("", |id| id.as_str())
    }

    /// The properties.
    #[must_use]
    pub fn properties(&self) -> &BasicProperties {
        &self.properties
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the message that replaces a reply which is too large for the broker: the caller finds the outcome in the store.
    pub(crate) fn as_recorded(&self) -> Self {
        let mut headers = FieldTable::default();
        headers.insert(REPLY.into(), text(&serde_json::to_string(&ReplyHead::Recorded).unwrap_or_default()));
        Self { properties: self.properties.clone().with_headers(headers), body: Bytes::new() }
    }

    /// Returns the message as it goes to the `unreadable` queue, with the reason. `from`: the queue at the broker to which it belongs.
    pub(crate) fn as_unreadable(&self, from: &str, reason: &str) -> Self {
        encode_unreadable(&self.properties, self.body.clone(), from, reason)
    }
}

/// The answer to a caller who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The correlation id.
    pub execution_id: ExecutionId,
    /// The end of the execution.
    pub ending: Ending,
}

/// A message that arrives on a reply queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrival {
    Reply(Reply),
    /// The outcome of this execution is in the store: its reply is too large for the broker.
    Recorded(ExecutionId),
}

/// Returns an envelope as a persistent message. `expires_in`: the broker drops it from a shared queue after that time.
#[must_use]
pub fn encode_envelope(envelope: &Envelope, expires_in: Option<Duration>, key: &MessageKey) -> Message {
    let mut headers = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| _ = headers.insert(name.into(), value);
    let call = Call {
        envelope: ENVELOPE_VERSION,
        tenant: Cow::Borrowed(envelope.tenant.as_str()),
        integration: Cow::Borrowed(envelope.integration.as_str()),
        integration_id: envelope.integration_id,
        version: envelope.version,
        received_at: envelope.received_at,
        deadline: envelope.deadline,
        attempts: envelope.attempts,
        claim_token: envelope.claim_token,
        resumes: envelope.resumes,
        redeliveries: envelope.redeliveries,
        due_at: envelope.due_at,
        call_depth: envelope.call_depth,
        caller: envelope.caller,
        request: Cow::Borrowed(&envelope.request),
    };
    // Strings and JSON values always serialize; an empty header would be refused by the worker, visibly.
    let head = serde_json::to_string(&call).unwrap_or_default();
    set(header::CALL, text(&head));
    if let Some(trace) = &envelope.trace {
        set(header::TRACEPARENT, text(&trace.traceparent));
        if let Some(state) = &trace.tracestate {
            set(header::TRACESTATE, text(state));
        }
    }
    let id = short(&envelope.execution_id.to_string());
    let reply_to = fits(envelope.reply_to.as_deref());
    let parts = Parts {
        kind: Kind::Envelope,
        id: id.as_str(),
        head: head.as_bytes(),
        reply_to: reply_to.as_ref().map_or("", |name| name.as_str()),
        body: &envelope.body,
    };
    let signed = key.sign(BasicProperties::default(), &parts);
    let mut properties = signed.with_message_id(id.clone()).with_delivery_mode(PERSISTENT).with_headers(headers);
    // Properties are short strings of at most 255 bytes; the request's headers hold both values in full.
    if let Some(content_type) = fits(envelope.content_type.as_deref()) {
        properties = properties.with_content_type(content_type);
    }
    if let Some(encoding) = fits(envelope.content_encoding.as_deref()) {
        properties = properties.with_content_encoding(encoding);
    }
    if let Some(reply_to) = reply_to {
        properties = properties.with_reply_to(reply_to).with_correlation_id(id);
    }
    if let Some(expires_in) = expires_in {
        properties = properties.with_expiration(expiration(expires_in));
    }
    Message { properties, body: envelope.body.clone() }
}

/// Reads an envelope of any version up to [`ENVELOPE_VERSION`].
///
/// # Errors
/// [`DecodeError`]: such a message can never be executed.
pub fn decode_envelope(properties: &BasicProperties, body: Bytes, key: &MessageKey) -> Result<Envelope, DecodeError> {
    let headers = properties.headers().as_ref().ok_or(DecodeError::Field("headers"))?;
    let property = |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned()).unwrap_or_default();
    let head = match headers.inner().get(header::CALL) {
        Some(AMQPValue::LongString(head)) => head.as_bytes(),
        _ => return Err(DecodeError::Field(header::CALL)),
    };
    let (id, reply_to) = (property(properties.message_id()), property(properties.reply_to()));
    key.verify(properties, &Parts { kind: Kind::Envelope, id: &id, head, reply_to: &reply_to, body: &body })?;
    let call: Call<'static> = match parse_json::<Call<'static>>(headers, header::CALL) {
        Ok(call) if call.envelope > ENVELOPE_VERSION => return Err(DecodeError::Newer(call.envelope)),
        Ok(call) => call,
        // A newer version may have another form.
        Err(error) => match parse_json::<VersionOnly>(headers, header::CALL) {
            Ok(call) if call.envelope > ENVELOPE_VERSION => return Err(DecodeError::Newer(call.envelope)),
            _ => return Err(error),
        },
    };
    let request = call.request.into_owned();
    let execution_id = properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()).ok_or(DecodeError::Field("message_id"))?;
    let trace = match string(headers, header::TRACEPARENT) {
        Ok(traceparent) => Some(TraceContext { traceparent, tracestate: string(headers, header::TRACESTATE).ok() }),
        Err(_) => None,
    };
    Ok(Envelope {
        execution_id,
        tenant: call.tenant.parse().map_err(|_| DecodeError::Field(header::CALL))?,
        integration: call.integration.parse().map_err(|_| DecodeError::Field(header::CALL))?,
        integration_id: call.integration_id,
        version: call.version,
        content_type: request.header("content-type").map(str::to_owned),
        content_encoding: request.header("content-encoding").map(str::to_owned),
        request,
        body,
        received_at: call.received_at,
        deadline: call.deadline,
        reply_to: properties.reply_to().as_ref().map(|name| name.as_str().to_owned()),
        trace,
        attempts: call.attempts,
        claim_token: call.claim_token,
        resumes: call.resumes,
        redeliveries: call.redeliveries,
        due_at: call.due_at,
        call_depth: call.call_depth,
        caller: call.caller,
    })
}

/// Returns a reply as a transient message.
pub(crate) fn encode_reply(reply: &Reply) -> Message {
    let (head, body) = match &reply.ending {
        Ending::Succeeded(response) => {
            (ReplyHead::Succeeded { status: response.status, headers: Cow::Borrowed(&response.headers) }, response.body.clone())
        }
        Ending::Failed(error) => (ReplyHead::Failed { error: Cow::Borrowed(error) }, Bytes::new()),
        Ending::Expired => (ReplyHead::Expired, Bytes::new()),
    };
    let mut head_text = serde_json::to_string(&head).unwrap_or_default();
    let mut body = body;
    if head_text.len() > MAX_REPLY_HEAD_BYTES {
        let message = format!(
            "the headers of the response (or the text of the error) are larger than {MAX_REPLY_HEAD_BYTES} bytes; make them smaller"
        );
        let error = ExecutionError::permanent(ErrorCode::Limit, message).in_step("respond");
        head_text = serde_json::to_string(&ReplyHead::Failed { error: Cow::Owned(error) }).unwrap_or_default();
        body = Bytes::new();
    }
    let mut headers = FieldTable::default();
    headers.insert(REPLY.into(), text(&head_text));
    let id = short(&reply.execution_id.to_string());
    Message { properties: BasicProperties::default().with_correlation_id(id).with_delivery_mode(TRANSIENT).with_headers(headers), body }
}

/// Reads a message of a reply queue.
///
/// # Errors
/// [`DecodeError`] when it is no reply.
pub(crate) fn decode_arrival(properties: &BasicProperties, body: Bytes) -> Result<Arrival, DecodeError> {
    let id = properties.correlation_id().as_ref().ok_or(DecodeError::Field("correlation_id"))?;
    let execution_id = id.as_str().parse().map_err(|_| DecodeError::Field("correlation_id"))?;
    let headers = properties.headers().as_ref().ok_or(DecodeError::Field("headers"))?;
    let ending = match parse_json(headers, REPLY)? {
        ReplyHead::Succeeded { status, headers } => Ending::Succeeded(Response { status, headers: headers.into_owned(), body }),
        ReplyHead::Failed { error } => Ending::Failed(error.into_owned()),
        ReplyHead::Expired => Ending::Expired,
        ReplyHead::Recorded => return Ok(Arrival::Recorded(execution_id)),
    };
    Ok(Arrival::Reply(Reply { execution_id, ending }))
}

/// Returns an outcome as a message, for the time in which the store is away. The worker chooses the form of `body`.
#[must_use]
pub fn encode_record(id: &ExecutionId, body: Vec<u8>, key: &MessageKey) -> Message {
    let id = short(&id.to_string());
    let parts = Parts { kind: Kind::Record, id: id.as_str(), head: b"", reply_to: "", body: &body };
    let properties = key
        .sign(BasicProperties::default(), &parts)
        .with_message_id(id.clone())
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into());
    Message { properties, body: body.into() }
}

/// Returns a message as it came, with the reason for which it is unreadable. It gets a new id, since another message may have the same id.
pub(crate) fn encode_unreadable(properties: &BasicProperties, body: Bytes, from: &str, reason: &str) -> Message {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(UNREADABLE_REASON.into(), text(reason));
    headers.insert(UNREADABLE_FROM.into(), text(from));
    if let Some(id) = properties.message_id() {
        headers.insert(UNREADABLE_ID.into(), text(id.as_str()));
    }
    let properties =
        properties.clone().with_headers(headers).with_delivery_mode(PERSISTENT).with_message_id(short(&uuid::Uuid::new_v4().to_string()));
    Message { properties, body }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn fits(value: Option<&str>) -> Option<lapin::types::ShortString> {
    lapin::types::ShortString::try_new(value?).ok()
}

fn string(headers: &FieldTable, name: &'static str) -> Result<String, DecodeError> {
    match headers.inner().get(name) {
        Some(AMQPValue::LongString(value)) => String::from_utf8(value.as_bytes().to_vec()).map_err(|_| DecodeError::Field(name)),
        _ => Err(DecodeError::Field(name)),
    }
}

fn parse_json<T: serde::de::DeserializeOwned>(headers: &FieldTable, name: &'static str) -> Result<T, DecodeError> {
    match headers.inner().get(name) {
        Some(AMQPValue::LongString(value)) => serde_json::from_slice(value.as_bytes()).map_err(|_| DecodeError::Field(name)),
        _ => Err(DecodeError::Field(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::IdIssuer;
    use serde_json::json;

    fn key() -> MessageKey {
        MessageKey::new(b"installation", false)
    }

    fn unsigned() -> MessageKey {
        MessageKey::new(b"installation", true)
    }

    /// A message of a version that wrote no proof.
    fn without_proof(properties: &BasicProperties, headers: FieldTable) -> BasicProperties {
        let id = properties.message_id().clone().unwrap();
        BasicProperties::default().with_message_id(id).with_headers(headers)
    }

    #[test]
    fn an_envelope_that_somebody_has_changed_is_refused() {
        let message = encode_envelope(&envelope(), None, &key());
        let changed = Bytes::from_static(b"another body");
        assert_eq!(decode_envelope(&message.properties, changed, &key()), Err(DecodeError::NotSigned));
        let elsewhere = message.properties.clone().with_reply_to("reply.y".into());
        assert_eq!(decode_envelope(&elsewhere, message.body.clone(), &key()), Err(DecodeError::NotSigned));
        let headers = message.properties.headers().clone().unwrap();
        let unproved = without_proof(&message.properties, headers);
        assert_eq!(decode_envelope(&unproved, message.body, &key()), Err(DecodeError::NotSigned));
    }

    fn envelope() -> Envelope {
        let integration_id = Uuid::new_v4();
        let serde_json::Value::Object(query) = json!({"customerid": 42, "name": "ö\0"}) else { panic!() };
        Envelope {
            execution_id: IdIssuer::new(b"k").issue(integration_id).unwrap(),
            tenant: "t37ed".parse().unwrap(),
            integration: "CreateWorkOrder".parse().unwrap(),
            integration_id,
            version: 3,
            request: Request {
                method: "POST".into(),
                path: "/t37ed/CreateWorkOrder".into(),
                query_string: "customerid=42".into(),
                query,
                headers: vec![("content-type".into(), "text/plain".into()), ("content-encoding".into(), "gzip".into())],
            },
            content_type: Some("text/plain".into()),
            content_encoding: Some("gzip".into()),
            body: Bytes::from_static(b"\0\xff"),
            received_at: UnixMicros::new(1_790_000_000_123_456),
            deadline: Some(UnixMillis::new(1_790_000_030_123)),
            reply_to: Some("reply.x".into()),
            trace: Some(TraceContext { traceparent: "00-1-2-01".into(), tracestate: None }),
            attempts: 2,
            claim_token: Some(-5),
            resumes: true,
            redeliveries: 1,
            due_at: Some(UnixMillis::new(1_700_000_000_000)),
            call_depth: 3,
            caller: Some(Uuid::from_u128(7)),
        }
    }

    #[test]
    fn an_envelope_survives_the_way_over_the_broker() {
        let sent = envelope();
        let message = encode_envelope(&sent, Some(Duration::from_millis(1500)), &key());
        assert_eq!(message.properties.expiration().as_ref().unwrap().as_str(), "1500");
        assert_eq!(message.id(), sent.execution_id.to_string());
        assert_eq!(decode_envelope(&message.properties, message.body.clone(), &key()), Ok(sent));
    }

    #[test]
    fn a_call_without_an_api_key_is_written_as_before_and_read_without_a_caller() {
        let sent = Envelope { caller: None, ..envelope() };
        let message = encode_envelope(&sent, None, &key());
        let head = string(message.properties.headers().as_ref().unwrap(), header::CALL).unwrap();
        assert!(!head.contains("caller"), "{head}");
        assert_eq!(decode_envelope(&message.properties, message.body.clone(), &key()), Ok(sent));
    }

    #[test]
    fn an_envelope_whose_caller_was_replaced_or_removed_is_refused() {
        let sent = envelope();
        let message = encode_envelope(&sent, None, &key());
        let headers = message.properties.headers().clone().unwrap();
        let head = string(&headers, header::CALL).unwrap();
        let caller = format!(r#""caller":"{}","#, Uuid::from_u128(7));
        assert!(head.contains(&caller), "{head}");
        for other in [String::new(), format!(r#""caller":"{}","#, Uuid::from_u128(8))] {
            let mut changed = headers.clone();
            changed.insert(header::CALL.into(), text(&head.replace(&caller, &other)));
            let properties = message.properties.clone().with_headers(changed);
            assert_eq!(decode_envelope(&properties, message.body.clone(), &key()), Err(DecodeError::NotSigned));
        }
    }

    #[test]
    fn a_content_type_longer_than_a_property_is_kept() {
        let mut sent = envelope();
        let long = format!("text/plain; x={}", "y".repeat(300));
        sent.content_type = Some(long.clone());
        sent.request.headers[0].1 = long;
        let message = encode_envelope(&sent, None, &key());
        assert_eq!(decode_envelope(&message.properties, message.body.clone(), &key()), Ok(sent));
    }

    #[test]
    fn every_kind_of_reply_survives_the_way_over_the_broker() {
        let response = Response { status: 201, headers: vec![("x-a".into(), "ö".into())], body: Bytes::from_static(b"\0") };
        let error = ExecutionError::permanent(ErrorCode::Mapping, "no").in_step("input");
        for ending in [Ending::Succeeded(response), Ending::Failed(error), Ending::Expired] {
            let reply = Reply { execution_id: envelope().execution_id, ending };
            let message = encode_reply(&reply);
            assert_eq!(decode_arrival(&message.properties, message.body.clone()), Ok(Arrival::Reply(reply)));
        }
    }

    #[test]
    fn in_the_place_of_a_reply_that_is_too_large_the_caller_learns_where_the_outcome_is() {
        let response = Response { status: 200, headers: Vec::new(), body: Bytes::from(vec![b'x'; 1_000_000]) };
        let reply = Reply { execution_id: envelope().execution_id, ending: Ending::Succeeded(response) };
        let instead = encode_reply(&reply).as_recorded();
        assert!(instead.body.is_empty());
        assert_eq!(decode_arrival(&instead.properties, instead.body), Ok(Arrival::Recorded(reply.execution_id)));
    }

    #[test]
    fn a_reply_whose_headers_would_close_the_connection_is_a_failure() {
        let response = Response { status: 200, headers: vec![("x-a".into(), "y".repeat(200_000))], body: Bytes::from_static(b"{}") };
        let message = encode_reply(&Reply { execution_id: envelope().execution_id, ending: Ending::Succeeded(response) });
        let arrival = decode_arrival(&message.properties, message.body);
        let Ok(Arrival::Reply(Reply { ending: Ending::Failed(error), .. })) = arrival else { panic!() };
        assert_eq!(error.code, ErrorCode::Limit);
    }

    #[test]
    fn a_message_that_is_no_envelope_is_refused_by_name() {
        let message = encode_envelope(&envelope(), None, &unsigned());
        let without = |name: &str| {
            let mut headers = FieldTable::default();
            for (header, value) in message.properties.headers().as_ref().unwrap().inner() {
                if header.as_str() != name {
                    headers.insert(header.clone(), value.clone());
                }
            }
            decode_envelope(&without_proof(&message.properties, headers), Bytes::new(), &unsigned())
        };
        assert_eq!(without(header::CALL), Err(DecodeError::Field(header::CALL)));
        assert_eq!(decode_envelope(&BasicProperties::default(), Bytes::new(), &unsigned()), Err(DecodeError::Field("headers")));
        let mut newer = message.properties.headers().clone().unwrap();
        newer.insert(header::CALL.into(), text(r#"{"envelope":99,"shape":"another"}"#));
        assert_eq!(decode_envelope(&without_proof(&message.properties, newer), Bytes::new(), &unsigned()), Err(DecodeError::Newer(99)));
    }
}
