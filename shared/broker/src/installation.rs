//! The mark of the installation's broker: an exchange whose name is its id.
//!
//! A URL does not identify a broker: `localhost` and a container's name may be the same one, and the same name another one tomorrow. So a
//! random name is stored in the database, and an exchange of that name at the broker. A connection is used only where the exchange exists:
//! what is published anywhere else would reach no worker. Nothing is published to the exchange, and it is asked for once a connection.

use crate::connection::{CONNECT_TIMEOUT, connect, read_urls};
use crate::error::BrokerError;
use lapin::options::ExchangeDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Connection, ErrorKind, ExchangeKind};
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// The installation, as the process knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nothing yet: no connection is used.
    Unknown,
    /// Its broker has the exchange of this name.
    Marked(Arc<str>),
    /// The settings of this process are not the installation's: no connection is used.
    Refused(Arc<str>),
    /// Every broker will do.
    Unchecked,
}

/// The installation that a process belongs to, as far as the broker is concerned. Clones share what is known of it.
#[derive(Debug, Clone)]
pub struct Installation {
    standing: Arc<watch::Sender<Standing>>,
}

impl Installation {
    /// Nothing is known of it yet: connections wait for [`Self::set_mark`].
    #[must_use]
    pub fn unknown() -> Self {
        Self { standing: Arc::new(watch::Sender::new(Standing::Unknown)) }
    }

    /// Every broker is taken for its own: for tools that look at queues without a database.
    #[must_use]
    pub fn unchecked() -> Self {
        Self { standing: Arc::new(watch::Sender::new(Standing::Unchecked)) }
    }

    /// The exchange that marks a broker.
    #[must_use]
    pub fn mark_name(queue_prefix: &str, mark: Uuid) -> String {
        format!("{queue_prefix}installation.{mark}")
    }

    /// The exchange at a broker that the installation is about to leave. It has the mark's id, and is no mark: no service uses the broker.
    #[must_use]
    pub fn closed_name(queue_prefix: &str, mark: Uuid) -> String {
        format!("{queue_prefix}installation.closed.{mark}")
    }

    /// The broker of a URL for people, without credentials: `host:port` of each node, and the virtual host where it is not the default one.
    ///
    /// # Errors
    /// [`BrokerError::Url`].
    pub fn place_of(url: &str) -> Result<String, BrokerError> {
        let nodes = read_urls(url)?;
        let place = nodes.iter().map(|node| node.shown.as_str()).collect::<Vec<_>>().join(", ");
        let vhost = nodes.first().map_or("/", |node| node.uri.vhost.as_str());
        Ok(if vhost == "/" { place } else { format!("{place} (virtual host {vhost})") })
    }

    /// Says which exchange the broker must have. Publishing connections that were opened for another one are opened again.
    pub fn set_mark(&self, name: &str) {
        self.set(Standing::Marked(name.into()));
    }

    /// Says that this process must not use the broker, and why. Publishing connections are closed.
    pub fn refuse(&self, why: &str) {
        self.set(Standing::Refused(why.into()));
    }

    /// Returns the reason for which this process must not use the broker; `None`: it may, or nothing is known yet.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::Refused(why) => Some(why.to_string()),
            Standing::Unknown | Standing::Marked(_) | Standing::Unchecked => None,
        }
    }

    fn set(&self, standing: Standing) {
        self.standing.send_if_modified(|known| {
            let is_news = *known != standing;
            *known = standing;
            is_news
        });
    }

    /// Waits until it is known which broker may be used.
    pub(crate) async fn known(&self) {
        let may_be_used = |standing: &Standing| match standing {
            Standing::Marked(_) | Standing::Unchecked => true,
            Standing::Unknown | Standing::Refused(_) => false,
        };
        // The sender lives as long as `self`.
        let _ = self.standing.subscribe().wait_for(may_be_used).await;
    }

    /// Tells of each change from now on.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.standing.subscribe())
    }

    /// Checks that a connection leads to the installation's broker.
    ///
    /// # Errors
    /// [`BrokerError::NotOfInstallation`]; [`BrokerError::Lost`].
    pub(crate) async fn verify(&self, connection: &Connection, url: &str) -> Result<(), BrokerError> {
        let standing = self.standing.borrow().clone();
        let mark = match standing {
            Standing::Unchecked => return Ok(()),
            Standing::Unknown => {
                return Err(BrokerError::NotOfInstallation("it is not known yet which broker is this installation's".to_owned()));
            }
            Standing::Refused(why) => return Err(BrokerError::NotOfInstallation(why.to_string())),
            Standing::Marked(mark) => mark,
        };
        let passive = ExchangeDeclareOptions { passive: true, ..options() };
        match declare(connection, &mark, passive).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Err(BrokerError::NotOfInstallation(foreign(&Self::place_of(url)?, &mark))),
            Err(source) => Err(BrokerError::Lost { doing: "looking for the installation's mark", source }),
        }
    }

    /// Connects once, to see whether the broker is the installation's. `name` is the connection's.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn verify_broker(&self, url: &str, name: &str) -> Result<(), BrokerError> {
        once(url, name, async |connection| self.verify(connection, url).await).await
    }

    /// Marks the broker with an exchange of this name.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn mark_broker(url: &str, name: &str, mark: &str) -> Result<(), BrokerError> {
        let lost = |source| BrokerError::Lost { doing: "marking the broker as this installation's", source };
        once(url, name, async |connection| declare(connection, mark, options()).await.map_err(lost)).await
    }

    /// Returns whether the broker has an exchange of this name.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn is_marked(url: &str, name: &str, mark: &str) -> Result<bool, BrokerError> {
        let installation = Self::unknown();
        installation.set_mark(mark);
        match installation.verify_broker(url, name).await {
            Ok(()) => Ok(true),
            Err(BrokerError::NotOfInstallation(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a mark from the broker, or does nothing where there is no such mark. Connections that are made for it later are refused.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn remove_mark(url: &str, name: &str, mark: &str) -> Result<(), BrokerError> {
        let lost = |source| BrokerError::Lost { doing: "removing an earlier mark of this installation", source };
        once(url, name, async |connection| {
            let channel = connection.create_channel().await.map_err(lost)?;
            channel.exchange_delete(mark.into(), lapin::options::ExchangeDeleteOptions::default()).await.map_err(lost)
        })
        .await
    }
}

/// Changes of what is known of an installation.
pub(crate) struct Changes(watch::Receiver<Standing>);

impl Changes {
    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A connection for one question.
async fn once<T>(url: &str, name: &str, ask: impl AsyncFnOnce(&Connection) -> Result<T, BrokerError>) -> Result<T, BrokerError> {
    let (connection, _) = connect(url, name).await?;
    let asked = tokio::time::timeout(CONNECT_TIMEOUT, ask(&connection)).await;
    // Its answer is known; when closing fails, the connection is gone already.
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, connection.close(200, "done".into())).await;
    match asked {
        Ok(answer) => answer,
        Err(_) => Err(BrokerError::Timeout { address: Installation::place_of(url)?, after: CONNECT_TIMEOUT }),
    }
}

/// Survives the broker's restart; no client publishes to it.
fn options() -> ExchangeDeclareOptions {
    ExchangeDeclareOptions { durable: true, internal: true, ..ExchangeDeclareOptions::default() }
}

async fn declare(connection: &Connection, mark: &str, options: ExchangeDeclareOptions) -> Result<(), lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.exchange_declare(mark.into(), ExchangeKind::Fanout, options, FieldTable::default()).await?;
    crate::topology::close(&channel).await;
    Ok(())
}

fn foreign(place: &str, mark: &str) -> String {
    format!(
        "the broker at {place} is not this installation's: it has no exchange {mark}, which marks the one that the database names. Set \
         FOREBAY_AMQP_URL as the running services have it. If this broker has replaced theirs or was emptied, run `forebay installation \
         adopt` with the services' settings"
    )
}

fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_named_without_credentials_and_with_its_virtual_host() {
        assert_eq!(Installation::place_of("amqp://me:secret@rabbit:5672/%2f").unwrap(), "rabbit:5672");
        assert_eq!(Installation::place_of("amqp://me:secret@rabbit:5673/other").unwrap(), "rabbit:5673 (virtual host other)");
        assert_eq!(Installation::place_of("amqp://me:secret@a,b:1,[::1]/other").unwrap(), "a:5672, b:1, [::1]:5672 (virtual host other)");
    }

    #[tokio::test]
    async fn a_connection_waits_until_the_installation_is_known() {
        let installation = Installation::unknown();
        installation.refuse("another prefix");
        let waiting = installation.clone();
        let waiting = tokio::spawn(async move { waiting.known().await });
        installation.set_mark("a.installation.x");
        waiting.await.unwrap();
    }
}
