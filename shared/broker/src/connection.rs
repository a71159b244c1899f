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

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds; half of it without a sign of life and the broker is taken as gone (AMQP 0-9-1, section 4.2.7).
const HEARTBEAT: u16 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Short enough for the first accepted call within 3 seconds of the broker's return.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where the broker is and how to sign in, with our heartbeat; and the address to show, without credentials.
pub(crate) fn read_url(url: &str) -> Result<(AMQPUri, String), BrokerError> {
    let mut uri: AMQPUri = url.parse().map_err(|error: String| BrokerError::Url(error))?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    let address = format!("{}:{}", uri.authority.host, uri.authority.port);
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    uri.authority.host = uri.authority.host.trim_matches(['[', ']']).to_owned();
    Ok((uri, address))
}

/// TLS by the same trust as everything else, so that SSL_CERT_FILE may name a self-signed certificate.
pub(crate) fn trusting() -> RustlsConnector {
    RustlsConnector::from(Arc::new(forebay_tls::client_config()))
}

/// Where the broker's host is.
pub(crate) async fn addresses(uri: &AMQPUri) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?.collect())
}

/// Connects once. `name` is shown by RabbitMQ's own tools.
pub(crate) async fn connect(url: &str, name: &str) -> Result<Connection, BrokerError> {
    let (uri, address) = read_url(url)?;
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
pub(crate) async fn connect_patiently(url: &str, name: &str, shutdown: &CancellationToken) -> Option<Connection> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = tokio::select! {
            () = shutdown.cancelled() => return None,
            connected = connect(url, name) => match connected {
                Ok(connection) => return Some(connection),
                Err(error) => error,
            },
        };
        tracing::warn!(connection.name = name, error = %crate::connection::chain(&error), "no connection to the broker; trying again");
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
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
