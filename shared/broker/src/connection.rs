//! One connection to the broker, and the wait until there is one.

use crate::error::BrokerError;
use forebay_tls::{Remedy, TlsFailure};
use lapin::tcp::RustlsConnector;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds. RabbitMQ takes a client as gone after two to three times as long without a sign of life, and gives its messages to others:
/// measured from the stop of a worker to another's run, 8.2 to 9.0 s with 4, 5.7 to 8.1 s with 3, 4.3 to 4.6 s with 2, 26.6 s with 10.
/// With 2 a machine that is held up for four seconds loses its connections.
const HEARTBEAT: u16 = 3;
/// The same for a broker that is not Forebay's own, where nothing waits for it.
const FOREIGN_HEARTBEAT: u16 = 10;
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Short enough for the first accepted call within 3 seconds of the broker's return.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// A node of the broker.
#[derive(Clone)]
pub(crate) struct Address {
    /// The address and the credentials of a broker.
    pub(crate) uri: AMQPUri,
    /// Host and port, without credentials.
    pub(crate) shown: String,
}

/// The broker's nodes, at least one, with our heartbeat where the URL names none.
pub(crate) fn read_urls(urls: &str) -> Result<Vec<Address>, BrokerError> {
    let mut uris = forebay_contract::read_broker_urls(urls).map_err(BrokerError::Url)?;
    for uri in &mut uris {
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
    }
    Ok(uris.into_iter().map(Address::of).collect())
}

/// Somebody else's broker: one address.
pub(crate) fn read_url(url: &str) -> Result<Address, BrokerError> {
    let mut uris = forebay_contract::read_broker_urls(url).map_err(BrokerError::Url)?;
    match (uris.pop(), uris.pop()) {
        (Some(mut uri), None) => {
            uri.query.heartbeat.get_or_insert(FOREIGN_HEARTBEAT);
            Ok(Address::of(uri))
        }
        _ => Err(BrokerError::Url("write one address, not several".to_owned())),
    }
}

impl Address {
    fn of(uri: AMQPUri) -> Self {
        let (host, port) = (&uri.authority.host, uri.authority.port);
        let shown = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Self { uri, shown }
    }
}

/// TLS by the same trust as everything else, so that SSL_CERT_FILE may name a self-signed certificate.
pub(crate) fn trusting() -> RustlsConnector {
    RustlsConnector::from(Arc::new(forebay_tls::client_config()))
}

/// The host and port of the broker.
pub(crate) async fn addresses(uri: &AMQPUri) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?.collect())
}

/// Connects to one of the broker's nodes: a random one, and where that does not answer the next. `name` is shown by RabbitMQ's own tools.
pub(crate) async fn connect(urls: &str, name: &str) -> Result<(Connection, Address), BrokerError> {
    let addresses = read_urls(urls)?;
    let first = (Uuid::new_v4().as_u128() % addresses.len() as u128) as usize;
    let mut errors = Vec::new();
    for address in addresses[first..].iter().chain(&addresses[..first]) {
        match connect_to(address, name).await {
            Ok(connection) => return Ok((connection, address.clone())),
            Err(error) => errors.push(error),
        }
    }
    match (errors.pop(), errors.is_empty()) {
        (Some(error), true) => Err(error),
        (last, _) => {
            errors.extend(last);
            Err(BrokerError::NoAddress(errors))
        }
    }
}

async fn connect_to(Address { uri, shown }: &Address, name: &str) -> Result<Connection, BrokerError> {
    let (uri, address) = (uri.clone(), shown.clone());
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connected = async {
        if uri.scheme == AMQPScheme::AMQP {
            return Connection::connect_uri(uri, properties).await;
        }
        let tls = trusting();
        let runtime = lapin::runtime::default_runtime()?;
        let connect = async move |uri: AMQPUri, runtime| {
            let mut connected = Err(io::Error::other("the host has no address"));
            for address in addresses(&uri).await? {
                connected = AsyncTcpStream::connect(&runtime, address).await;
                if connected.is_ok() {
                    break;
                }
            }
            let stream = connected?;
            Ok(stream.into_rustls(&tls, &uri.authority.host).await?)
        };
        Connection::connector(uri, runtime, connect, properties).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connected).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(source)) => Err(BrokerError::Connect { address, source }),
        Err(_) => Err(BrokerError::Timeout { address, after: CONNECT_TIMEOUT }),
    }
}

/// Connects as soon as the broker is there. `None` when shutdown came first.
pub(crate) async fn connect_patiently(urls: &str, name: &str, shutdown: &CancellationToken) -> Option<(Connection, Address)> {
    let mut pause = FIRST_DELAY;
    loop {
        let error = tokio::select! {
            () = shutdown.cancelled() => return None,
            connected = connect(urls, name) => match connected {
                Ok(connected) => return Some(connected),
                Err(error) => error,
            },
        };
        tracing::warn!(connection.name = name, error = %chain(&error), "no connection to the broker; trying again");
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_DELAY),
        }
    }
}

/// An error with its causes, for one log line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    match TlsFailure::in_error(error) {
        Some(TlsFailure::Certificate(untrusted)) if untrusted.remedy() == Remedy::Trust => {
            return format!("{error}: {untrusted}; SSL_CERT_FILE names a PEM file with the certificate, or with that of its authority");
        }
        Some(failure) => return format!("{error}: {failure}"),
        None => {}
    }
    forebay_contract::with_causes(error)
}
