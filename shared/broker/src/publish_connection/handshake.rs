//! Opens a connection and its channels (AMQP 0-9-1, section 2.2.4), one request and its answer after the other.

use super::error::WireError;
use super::frames::{self, Frame, Malformed};
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use lapin::protocol::constants::{FRAME_METHOD, FRAME_MIN_SIZE};
use lapin::protocol::{AMQPClass, channel, confirm, connection};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPUri, SASLMechanism};

const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";
/// Maximum bytes of a frame before both sides have agreed on one: the offer of RabbitMQ (`frame_max`).
const MAX_FRAME_BYTES: usize = 128 * 1024;

/// The parameters on which client and broker agreed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuned {
    /// Bytes.
    pub(super) max_frame_bytes: usize,
    /// Seconds; 0 is none.
    pub(super) heartbeat: u16,
    /// Highest number of a channel.
    pub(super) max_channels: u16,
}

/// A connection that is being opened.
pub(super) struct Opening<S> {
    pub(super) stream: S,
    /// Bytes that arrived and were not read yet.
    pub(super) arrived: Vec<u8>,
    /// True if the broker has blocked publishers.
    pub(super) blocked: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Opening<S> {
    /// Signs in, and opens the virtual host.
    pub(super) async fn sign_in(&mut self, uri: &AMQPUri, name: &str) -> Result<Tuned, WireError> {
        self.stream.write_all(PROTOCOL).await?;
        let AMQPClass::Connection(connection::AMQPMethod::Start(_)) = self.answer().await? else { return Err(unexpected()) };
        let (user, password) = (&uri.authority.userinfo.username, &uri.authority.userinfo.password);
        let (mechanism, response) = match uri.query.auth_mechanism {
            Some(mechanism @ (SASLMechanism::External | SASLMechanism::Anonymous)) => (mechanism.name(), String::new()),
            // RFC 4616. A broker that accepts a user and a password in another form accepts this one too.
            _ => ("PLAIN", format!("\0{user}\0{password}")),
        };
        let start_ok = connection::StartOk {
            client_properties: about_us(name),
            mechanism: mechanism.into(),
            response: response.as_str().into(),
            locale: "en_US".into(),
        };
        self.send(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(start_ok))).await?;
        let AMQPClass::Connection(connection::AMQPMethod::Tune(offered)) = self.answer().await? else { return Err(unexpected()) };
        let max_frame_bytes = least(offered.frame_max, uri.query.frame_max.unwrap_or_default()).max(FRAME_MIN_SIZE);
        let heartbeat = least(u32::from(offered.heartbeat), u32::from(uri.query.heartbeat.unwrap_or_default())) as u16;
        let tune_ok = connection::TuneOk { channel_max: offered.channel_max, frame_max: max_frame_bytes, heartbeat };
        self.send(0, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune_ok))).await?;
        let open = connection::Open { virtual_host: uri.vhost.as_str().into() };
        self.send(0, AMQPClass::Connection(connection::AMQPMethod::Open(open))).await?;
        let AMQPClass::Connection(connection::AMQPMethod::OpenOk(_)) = self.answer().await? else { return Err(unexpected()) };
        let max_channels = if offered.channel_max == 0 { u16::MAX } else { offered.channel_max };
        Ok(Tuned { max_frame_bytes: max_frame_bytes as usize, heartbeat, max_channels })
    }

    /// Opens a channel; with `confirms` the broker confirms each message.
    pub(super) async fn open_channel(&mut self, number: u16, confirms: bool) -> Result<(), WireError> {
        self.send(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))).await?;
        let AMQPClass::Channel(channel::AMQPMethod::OpenOk(_)) = self.answer().await? else { return Err(unexpected()) };
        if confirms {
            self.send(number, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }))).await?;
            let AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(_)) = self.answer().await? else { return Err(unexpected()) };
        }
        Ok(())
    }

    async fn send(&mut self, channel: u16, method: AMQPClass) -> Result<(), WireError> {
        let mut frame = Vec::new();
        frames::method(&mut frame, channel, &method);
        self.stream.write_all(&frame).await?;
        Ok(self.stream.flush().await?)
    }

    /// Returns the next method that is an answer. A close by the broker is an error.
    async fn answer(&mut self) -> Result<AMQPClass, WireError> {
        loop {
            while let Some((frame, length)) = Frame::first(&self.arrived, MAX_FRAME_BYTES)? {
                let method = if frame.kind == FRAME_METHOD { Some(frame.method()?) } else { None };
                self.arrived.drain(..length);
                match method {
                    Some(AMQPClass::Connection(connection::AMQPMethod::Close(close))) => {
                        return Err(WireError::closed(close.reply_code, &close.reply_text));
                    }
                    Some(AMQPClass::Connection(connection::AMQPMethod::Blocked(_))) => self.blocked = true,
                    Some(AMQPClass::Connection(connection::AMQPMethod::Unblocked(_))) => self.blocked = false,
                    // A heartbeat.
                    None => {}
                    Some(method) => return Ok(method),
                }
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await? {
                0 => return Err(WireError::Ended),
                length => self.arrived.extend_from_slice(&chunk[..length]),
            }
        }
    }
}

fn unexpected() -> WireError {
    Malformed("answer to what was asked").into()
}

/// Returns the smaller of two limits; 0 is no limit.
fn least(offered: u32, preferred: u32) -> u32 {
    match (offered, preferred) {
        (limit, 0) | (0, limit) => limit,
        (offered, preferred) => offered.min(preferred),
    }
}

/// Returns the client properties: the name that the broker's tools show, and the capabilities of the client.
fn about_us(name: &str) -> FieldTable {
    let mut capabilities = FieldTable::default();
    for capability in ["publisher_confirms", "basic.nack", "connection.blocked", "authentication_failure_close"] {
        capabilities.insert(capability.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    for (key, value) in [("product", "Forebay"), ("version", env!("CARGO_PKG_VERSION")), ("connection_name", name)] {
        properties.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}
