//! Publishing to brokers that are not Forebay's own.

use crate::connection::Node;
use crate::error::{BrokerError, chain};
use bytes::Bytes;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::RustlsConnector;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::AMQPScheme;
use lapin::{AsyncTcpStream, BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest short string (AMQP 0-9-1, section 4.2.5.3).
const MAX_NAME_LENGTH: usize = 255;
const PERSISTENT: u8 = 2;

/// A message for somebody else's broker.
#[derive(Debug, Clone, Default)]
pub struct RemoteMessage {
    /// Empty: the default exchange, which takes a queue's name as the routing key.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Headers, all of them texts.
    pub headers: Vec<(String, String)>,
    /// The body's media type.
    pub content_type: String,
    /// `message_id`.
    pub id: String,
    /// The body.
    pub body: Bytes,
}

/// The reason for which a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// A name of more than 255 bytes: not sent.
    #[error("{0} has more than {MAX_NAME_LENGTH} bytes")]
    TooLong(&'static str),
    /// Returned: no queue takes the routing key.
    #[error("no queue takes messages of this exchange and routing key")]
    Unroutable,
    /// The queue is full, or the broker could not keep the message.
    #[error("the broker did not take the message: a queue is full")]
    Refused,
    /// The broker refuses: there is no such exchange, or the user may not write there.
    #[error("{0}")]
    Forbidden(String),
    /// The connection ended: the message may have been published.
    #[error("{0}")]
    Lost(String),
}

/// One connection with one channel. It ends when it is dropped.
pub struct RemotePublisher {
    connection: Connection,
    channel: Channel,
}

/// Returns host and port of a URL.
///
/// # Errors
/// [`BrokerError::Url`].
pub fn endpoint(url: &str) -> Result<(String, u16), BrokerError> {
    let uri = Node::foreign(url)?.uri;
    Ok((uri.authority.host, uri.authority.port))
}

impl RemotePublisher {
    /// Connects and signs in. `address` is the address of the host, which the caller has checked: no other is used. With `amqps` the
    /// certificate must be of the host's name.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn connect(url: &str, address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self, BrokerError> {
        let Node { uri, shown } = Node::foreign(url)?;
        let tls = RustlsConnector::from(tls);
        let open = async {
            let properties = ConnectionProperties::default().with_connection_name("forebay connector".into());
            let runtime = lapin::runtime::default_runtime()?;
            let connected = Connection::connector(
                uri,
                runtime,
                async move |uri, runtime| {
                    let stream = AsyncTcpStream::connect(&runtime, address).await?;
                    if uri.scheme == AMQPScheme::AMQP {
                        return Ok(stream);
                    }
                    Ok(stream.into_rustls(&tls, &uri.authority.host).await?)
                },
                properties,
            );
            let connection = connected.await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(Self { connection, channel })
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, open).await {
            Ok(Ok(publisher)) => Ok(publisher),
            Ok(Err(source)) => Err(BrokerError::Connect { address: shown, source }),
            Err(_) => Err(BrokerError::Timeout { address: shown, after: CONNECT_TIMEOUT }),
        }
    }

    /// Returns true if the next message can be published.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes one persistent message and waits until the broker has it in a queue. One message at a time, so that a returned message is
    /// the one that was published.
    ///
    /// # Errors
    /// [`RemoteError`]; with [`RemoteError::Lost`] the message may have been published.
    pub async fn publish(&mut self, message: &RemoteMessage) -> Result<(), RemoteError> {
        let (exchange, routing_key) = (short("exchange", &message.exchange)?, short("routing_key", &message.routing_key)?);
        let mut headers = FieldTable::default();
        for (name, value) in &message.headers {
            headers.insert(short("a header's name", name)?, AMQPValue::LongString(value.as_str().into()));
        }
        let properties = BasicProperties::default()
            .with_message_id(short("the message's id", &message.id)?)
            .with_content_type(short("content_type", &message.content_type)?)
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let sent = self.channel.basic_publish(exchange, routing_key, options, &message.body, properties).await;
        let confirmation = match sent {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        };
        match confirmation.map_err(|error| of_lapin(&error))? {
            Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
            Confirmation::Ack(Some(_)) => Err(RemoteError::Unroutable),
            Confirmation::Nack(_) => Err(RemoteError::Refused),
        }
    }
}

fn short(what: &'static str, text: &str) -> Result<ShortString, RemoteError> {
    if text.len() > MAX_NAME_LENGTH { Err(RemoteError::TooLong(what)) } else { Ok(text.into()) }
}

fn of_lapin(error: &lapin::Error) -> RemoteError {
    let ErrorKind::ProtocolError(protocol) = error.kind() else { return RemoteError::Lost(chain(error)) };
    match protocol.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND | AMQPSoftError::ACCESSREFUSED | AMQPSoftError::PRECONDITIONFAILED)
        | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::NOTIMPLEMENTED) => {
            RemoteError::Forbidden(protocol.get_message().to_string())
        }
        _ => RemoteError::Lost(chain(error)),
    }
}

impl BrokerError {
    /// Returns true if the broker was reached and does not accept user name, password or virtual host.
    #[must_use]
    pub fn is_refused_login(&self) -> bool {
        let Self::Connect { source, .. } = self else { return false };
        let ErrorKind::ProtocolError(protocol) = source.kind() else { return false };
        matches!(
            protocol.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED | AMQPSoftError::NOTFOUND) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
        )
    }
}
