//! Envelopes and replies as AMQP messages: the body is the HTTP body byte for byte, everything else is in properties and headers.

use crate::topology::{expiration, short};
use bytes::Bytes;
use forebay_contract::envelope::{ENVELOPE_VERSION, Envelope, Request, TraceContext, header};
use forebay_contract::outcome::{Ending, ExecutionError, Response};
use forebay_contract::{ExecutionId, Name};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use std::time::Duration;

const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Reply header: `succeeded`, `failed` or `expired`.
const OUTCOME: &str = "forebay-outcome";
/// Reply header: the HTTP status of a success.
const STATUS: &str = "forebay-status";
/// Reply header: the HTTP headers of a success, as a JSON list of pairs.
const RESPONSE_HEADERS: &str = "forebay-headers";
/// Why a message was put aside.
const REASON: &str = "forebay-reason";

/// A message ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

impl Message {
    /// The id by which a returned message is told from others; empty when it has none.
    pub(crate) fn id(&self) -> &str {
        self.properties.message_id().as_ref().map_or("", |id| id.as_str())
    }
}

/// The answer to a caller who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The correlation id.
    pub execution_id: ExecutionId,
    /// How the execution ended.
    pub ending: Ending,
}

/// A message that is not of a form that is understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A header or property is absent or of the wrong type.
    #[error("the message's {0} is missing or not of its type")]
    Field(&'static str),
    /// Written by a newer Forebay.
    #[error("the message is of envelope version {0}, this program reads versions 1 to {ENVELOPE_VERSION}; update it")]
    Newer(u32),
}

/// An envelope as a persistent message. `expires_in`: the broker drops it from a lane after that time.
#[must_use]
pub fn encode_envelope(envelope: &Envelope, expires_in: Option<Duration>) -> Message {
    let mut headers = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| _ = headers.insert(name.into(), value);
    set(header::ENVELOPE, AMQPValue::LongUInt(ENVELOPE_VERSION));
    set(header::TENANT, text(envelope.tenant.as_str()));
    set(header::INTEGRATION, text(envelope.integration.as_str()));
    set(header::INTEGRATION_ID, text(&envelope.integration_id.to_string()));
    set(header::VERSION, AMQPValue::LongInt(envelope.version));
    // A request of strings and JSON values always serializes; an empty header would be refused by the worker, visibly.
    set(header::REQUEST, text(&serde_json::to_string(&envelope.request).unwrap_or_default()));
    set(header::RECEIVED_AT, AMQPValue::LongLongInt(envelope.received_at));
    if let Some(deadline) = envelope.deadline {
        set(header::DEADLINE, AMQPValue::LongLongInt(deadline));
    }
    if envelope.attempts > 0 {
        set(header::ATTEMPTS, AMQPValue::LongUInt(envelope.attempts));
    }
    if let Some(trace) = &envelope.trace {
        set(header::TRACEPARENT, text(&trace.traceparent));
        if let Some(state) = &trace.tracestate {
            set(header::TRACESTATE, text(state));
        }
    }
    let id = short(&envelope.execution_id.to_string());
    let mut properties = BasicProperties::default()
        .with_message_id(id.clone())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(u64::try_from(envelope.received_at / MICROS_PER_SECOND).unwrap_or_default())
        .with_headers(headers);
    // Properties are short strings of at most 255 bytes; the request's headers hold both values in full.
    if let Some(content_type) = fits(envelope.content_type.as_deref()) {
        properties = properties.with_content_type(content_type);
    }
    if let Some(encoding) = fits(envelope.content_encoding.as_deref()) {
        properties = properties.with_content_encoding(encoding);
    }
    if let Some(reply_to) = fits(envelope.reply_to.as_deref()) {
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
pub fn decode_envelope(properties: &BasicProperties, body: Bytes) -> Result<Envelope, DecodeError> {
    let headers = properties.headers().as_ref().ok_or(DecodeError::Field("headers"))?;
    let version = unsigned(headers, header::ENVELOPE)?;
    if version > ENVELOPE_VERSION {
        return Err(DecodeError::Newer(version));
    }
    let request: Request = parse_json(headers, header::REQUEST)?;
    let execution_id = properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()).ok_or(DecodeError::Field("message_id"))?;
    let trace = match string(headers, header::TRACEPARENT) {
        Ok(traceparent) => Some(TraceContext { traceparent, tracestate: string(headers, header::TRACESTATE).ok() }),
        Err(_) => None,
    };
    Ok(Envelope {
        execution_id,
        tenant: parse(headers, header::TENANT)?,
        integration: parse::<Name>(headers, header::INTEGRATION)?,
        integration_id: parse(headers, header::INTEGRATION_ID)?,
        version: signed(headers, header::VERSION)? as i32,
        content_type: request.header("content-type").map(str::to_owned),
        content_encoding: request.header("content-encoding").map(str::to_owned),
        request,
        body,
        received_at: signed(headers, header::RECEIVED_AT)?,
        deadline: signed(headers, header::DEADLINE).ok(),
        reply_to: properties.reply_to().as_ref().map(|name| name.as_str().to_owned()),
        trace,
        attempts: unsigned(headers, header::ATTEMPTS).unwrap_or_default(),
    })
}

/// A reply as a transient message.
#[must_use]
pub fn encode_reply(reply: &Reply) -> Message {
    let mut headers = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| _ = headers.insert(name.into(), value);
    set(OUTCOME, text(reply.ending.status().as_str()));
    let body = match &reply.ending {
        Ending::Succeeded(response) => {
            set(STATUS, AMQPValue::LongUInt(u32::from(response.status)));
            set(RESPONSE_HEADERS, text(&serde_json::to_string(&response.headers).unwrap_or_default()));
            response.body.clone()
        }
        Ending::Failed(error) => serde_json::to_vec(error).unwrap_or_default().into(),
        Ending::Expired => Bytes::new(),
    };
    let id = short(&reply.execution_id.to_string());
    let properties =
        BasicProperties::default().with_correlation_id(id.clone()).with_message_id(id).with_delivery_mode(TRANSIENT).with_headers(headers);
    Message { properties, body }
}

/// Reads a reply.
///
/// # Errors
/// [`DecodeError`] when it is none.
pub fn decode_reply(properties: &BasicProperties, body: Bytes) -> Result<Reply, DecodeError> {
    let id = properties.correlation_id().as_ref().ok_or(DecodeError::Field("correlation_id"))?;
    let execution_id = id.as_str().parse().map_err(|_| DecodeError::Field("correlation_id"))?;
    let headers = properties.headers().as_ref().ok_or(DecodeError::Field("headers"))?;
    let ending = match string(headers, OUTCOME)?.as_str() {
        "succeeded" => {
            Ending::Succeeded(Response { status: unsigned(headers, STATUS)? as u16, headers: parse_json(headers, RESPONSE_HEADERS)?, body })
        }
        "failed" => {
            let error: ExecutionError = serde_json::from_slice(&body).map_err(|_| DecodeError::Field("body"))?;
            Ending::Failed(error)
        }
        "expired" => Ending::Expired,
        _ => return Err(DecodeError::Field(OUTCOME)),
    };
    Ok(Reply { execution_id, ending })
}

/// An outcome on its way to the store by the broker, in the form that the worker chose.
#[must_use]
pub fn encode_record(id: &ExecutionId, body: Vec<u8>) -> Message {
    let properties = BasicProperties::default()
        .with_message_id(short(&id.to_string()))
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into());
    Message { properties, body: body.into() }
}

/// A message as it came, with the reason why it is put aside.
#[must_use]
pub fn encode_unreadable(properties: &BasicProperties, body: Bytes, reason: &str) -> Message {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(REASON.into(), text(reason));
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

fn parse<T: std::str::FromStr>(headers: &FieldTable, name: &'static str) -> Result<T, DecodeError> {
    string(headers, name)?.parse().map_err(|_| DecodeError::Field(name))
}

fn parse_json<T: serde::de::DeserializeOwned>(headers: &FieldTable, name: &'static str) -> Result<T, DecodeError> {
    match headers.inner().get(name) {
        Some(AMQPValue::LongString(value)) => serde_json::from_slice(value.as_bytes()).map_err(|_| DecodeError::Field(name)),
        _ => Err(DecodeError::Field(name)),
    }
}

fn signed(headers: &FieldTable, name: &'static str) -> Result<i64, DecodeError> {
    match headers.inner().get(name) {
        Some(AMQPValue::LongInt(value)) => Ok(i64::from(*value)),
        Some(AMQPValue::LongLongInt(value)) => Ok(*value),
        _ => Err(DecodeError::Field(name)),
    }
}

fn unsigned(headers: &FieldTable, name: &'static str) -> Result<u32, DecodeError> {
    match headers.inner().get(name) {
        Some(AMQPValue::LongUInt(value)) => Ok(*value),
        // RabbitMQ may give an unsigned value back as a wider signed one.
        Some(AMQPValue::LongLongInt(value)) => u32::try_from(*value).map_err(|_| DecodeError::Field(name)),
        _ => Err(DecodeError::Field(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::IdIssuer;
    use forebay_contract::outcome::ErrorCode;
    use serde_json::json;
    use uuid::Uuid;

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
            received_at: 1_790_000_000_123_456,
            deadline: Some(1_790_000_030_123),
            reply_to: Some("reply.x".into()),
            trace: Some(TraceContext { traceparent: "00-1-2-01".into(), tracestate: None }),
            attempts: 2,
        }
    }

    #[test]
    fn an_envelope_survives_the_way_over_the_broker() {
        let sent = envelope();
        let message = encode_envelope(&sent, Some(Duration::from_millis(1500)));
        assert_eq!(message.properties.expiration().as_ref().unwrap().as_str(), "1500");
        assert_eq!(message.id(), sent.execution_id.to_string());
        assert_eq!(decode_envelope(&message.properties, message.body.clone()), Ok(sent));
    }

    #[test]
    fn a_content_type_longer_than_a_property_is_kept() {
        let mut sent = envelope();
        let long = format!("text/plain; x={}", "y".repeat(300));
        sent.content_type = Some(long.clone());
        sent.request.headers[0].1 = long;
        let message = encode_envelope(&sent, None);
        assert_eq!(decode_envelope(&message.properties, message.body.clone()), Ok(sent));
    }

    #[test]
    fn every_kind_of_reply_survives_the_way_over_the_broker() {
        let response = Response { status: 201, headers: vec![("x-a".into(), "ö".into())], body: Bytes::from_static(b"\0") };
        let error = ExecutionError { code: ErrorCode::Mapping, step: Some("input".into()), message: "no".into(), transient: false };
        for ending in [Ending::Succeeded(response), Ending::Failed(error), Ending::Expired] {
            let reply = Reply { execution_id: envelope().execution_id, ending };
            let message = encode_reply(&reply);
            assert_eq!(decode_reply(&message.properties, message.body.clone()), Ok(reply));
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused_by_name() {
        let message = encode_envelope(&envelope(), None);
        let without = |name: &str| {
            let mut headers = FieldTable::default();
            for (known, value) in message.properties.headers().as_ref().unwrap().inner() {
                if known.as_str() != name {
                    headers.insert(known.clone(), value.clone());
                }
            }
            decode_envelope(&message.properties.clone().with_headers(headers), Bytes::new())
        };
        for name in [header::ENVELOPE, header::TENANT, header::INTEGRATION_ID, header::VERSION, header::REQUEST, header::RECEIVED_AT] {
            assert_eq!(without(name), Err(DecodeError::Field(name)));
        }
        assert_eq!(decode_envelope(&BasicProperties::default(), Bytes::new()), Err(DecodeError::Field("headers")));
        let mut newer = message.properties.headers().clone().unwrap();
        newer.insert(header::ENVELOPE.into(), AMQPValue::LongUInt(99));
        assert_eq!(decode_envelope(&message.properties.clone().with_headers(newer), Bytes::new()), Err(DecodeError::Newer(99)));
    }
}
