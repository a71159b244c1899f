//! One connection to the broker, and the wait until there is one.

use crate::error::{BrokerError, chain};
use forebay_contract::{BrokerUrls, broker_address};
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
/// Seconds. RabbitMQ considers a client lost after two to three times as long without a heartbeat, and delivers its messages to others:
/// measured from the stop of a worker to another's run, 8.2 to 9.0 s with 4, 5.7 to 8.1 s with 3, 4.3 to 4.6 s with 2, 26.6 s with 10.
/// With 2 a machine that is held up for four seconds loses its connections.
const HEARTBEAT: u16 = 3;
/// Seconds, for a broker that is not Forebay's own: no delivery waits for its detection.
const FOREIGN_HEARTBEAT: u16 = 10;
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Short enough for the first accepted call within 3 seconds of the broker's return.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// A node of a broker.
#[derive(Clone)]
pub(crate) struct Node {
    /// The address and the credentials.
    pub(crate) uri: AMQPUri,
    /// Host and port, without credentials.
    pub(crate) shown: String,
}

impl Node {
    /// A node of Forebay's own broker, with its heartbeat unless the URL names one.
    pub(crate) fn own(uri: AMQPUri) -> Self {
        Self::of(uri, HEARTBEAT)
    }

    /// The only node of a broker that is not Forebay's own.
    pub(crate) fn foreign(url: &str) -> Result<Self, BrokerError> {
        let urls: BrokerUrls = url.parse().map_err(BrokerError::Url)?;
        match urls.nodes() {
            [uri] => Ok(Self::of(uri.clone(), FOREIGN_HEARTBEAT)),
            _ => Err(BrokerError::Url("write one address, not several".to_owned())),
        }
    }

    fn of(mut uri: AMQPUri, heartbeat: u16) -> Self {
        uri.query.heartbeat.get_or_insert(heartbeat);
        Self { shown: broker_address(&uri), uri }
    }
}

/// Returns the TLS of connections to the broker. Its certificate must be trusted as that of every other server, so that SSL_CERT_FILE may
/// name a self-signed one.
pub(crate) fn tls_connector() -> RustlsConnector {
    RustlsConnector::from(Arc::new(forebay_tls::client_config()))
}

/// Resolves the host of a node.
pub(crate) async fn addresses(uri: &AMQPUri) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?.collect())
}

/// Connects to a random node, and to the next one if it does not answer. RabbitMQ's own tools show `name`.
pub(crate) async fn connect(nodes: &[Node], name: &str) -> Result<(Connection, Node), BrokerError> {
    let first = (Uuid::new_v4().as_u128() % nodes.len() as u128) as usize;
    let mut errors = Vec::new();
    for node in nodes[first..].iter().chain(&nodes[..first]) {
        match connect_to(node, name).await {
            Ok(connection) => return Ok((connection, node.clone())),
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

async fn connect_to(Node { uri, shown }: &Node, name: &str) -> Result<Connection, BrokerError> {
    let (uri, address) = (uri.clone(), shown.clone());
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connected = async {
        if uri.scheme == AMQPScheme::AMQP {
            return Connection::connect_uri(uri, properties).await;
        }
        let runtime = lapin::runtime::default_runtime()?;
        let tls = tls_connector();
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

/// Connects, and tries again until it succeeds. `None`: shutdown came first.
pub(crate) async fn connect_patiently(nodes: &[Node], name: &str, shutdown: &CancellationToken) -> Option<(Connection, Node)> {
    let mut pause = FIRST_DELAY;
    loop {
        let error = tokio::select! {
            () = shutdown.cancelled() => return None,
            connected = connect(nodes, name) => match connected {
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
