//! The marks of a broker: an exchange for each, to which nothing is published.

use crate::broker::Broker;
use crate::connection::CONNECT_TIMEOUT;
use crate::error::BrokerError;
use crate::installation::Standing;
use lapin::options::ExchangeDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Connection, ErrorKind, ExchangeKind};

impl Broker {
    /// Checks that a connection leads to the installation's broker.
    ///
    /// # Errors
    /// [`BrokerError::NotOfInstallation`]; [`BrokerError::Lost`].
    pub(crate) async fn check(&self, connection: &Connection) -> Result<(), BrokerError> {
        let standing = self.installation().standing();
        let mark = match standing {
            Standing::Unchecked => return Ok(()),
            Standing::Unknown => {
                return Err(BrokerError::NotOfInstallation("it is not known yet which broker is this installation's".to_owned()));
            }
            Standing::Refused(reason) => return Err(BrokerError::NotOfInstallation(reason.to_string())),
            Standing::Marked(mark) => mark,
        };
        match has_mark(connection, &mark).await? {
            true => Ok(()),
            false => Err(BrokerError::NotOfInstallation(foreign(&self.place(), &mark))),
        }
    }

    /// Connects and checks that the broker is the installation's. `name` is the connection's.
    pub(crate) async fn connect_checked(&self, name: &str) -> Result<Connection, BrokerError> {
        let (connection, _) = self.connect(name).await?;
        self.check(&connection).await?;
        Ok(connection)
    }

    /// Connects once and checks that the broker is the installation's.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn verify(&self) -> Result<(), BrokerError> {
        self.once(async |connection| self.check(connection).await).await
    }

    /// Marks the broker with an exchange of this name.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn add_mark(&self, mark: &str) -> Result<(), BrokerError> {
        let lost = |source| BrokerError::Lost { doing: "marking the broker as this installation's", source };
        self.once(async |connection| declare(connection, mark, options()).await.map_err(lost)).await
    }

    /// Returns whether the broker has an exchange of this name.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn is_marked(&self, mark: &str) -> Result<bool, BrokerError> {
        self.once(async |connection| has_mark(connection, mark).await).await
    }

    /// Removes a mark from the broker, or does nothing where there is no such mark. Connections that are made for it later are refused.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn remove_mark(&self, mark: &str) -> Result<(), BrokerError> {
        let lost = |source| BrokerError::Lost { doing: "removing an earlier mark of this installation", source };
        self.once(async |connection| {
            let channel = connection.create_channel().await.map_err(lost)?;
            channel.exchange_delete(mark.into(), lapin::options::ExchangeDeleteOptions::default()).await.map_err(lost)
        })
        .await
    }

    /// Makes a connection for one request.
    async fn once<T>(&self, ask: impl AsyncFnOnce(&Connection) -> Result<T, BrokerError>) -> Result<T, BrokerError> {
        let (connection, _) = self.connect(&self.connection_name("installation")).await?;
        let result = tokio::time::timeout(CONNECT_TIMEOUT, ask(&connection)).await;
        // Its answer is known; when closing fails, the connection is gone already.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, connection.close(200, "done".into())).await;
        result.unwrap_or_else(|_| Err(BrokerError::Timeout { address: self.place(), after: CONNECT_TIMEOUT }))
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

async fn has_mark(connection: &Connection, mark: &str) -> Result<bool, BrokerError> {
    let passive = ExchangeDeclareOptions { passive: true, ..options() };
    match declare(connection, mark, passive).await {
        Ok(()) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(source) => Err(BrokerError::Lost { doing: "looking for the installation's mark", source }),
    }
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
