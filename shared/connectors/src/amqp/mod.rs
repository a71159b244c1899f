//! Messages to brokers of other systems.

use crate::concealment::Concealment;
use crate::connector::{Connector, Test, TlsAdvice};
use crate::target::host_and_port;
use crate::tls::{self, Server};
use crate::{Bounds, Connectors, Reach, Target, dial};
use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use forebay_broker::{RemoteError, RemoteMessage, RemotePublisher, endpoint};
use forebay_contract::connection::{AmqpConnection, Connection, ConnectionKind};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum connections of one process to one broker: each publishes one message after another.
const MAX_CONNECTIONS: usize = 4;

/// The default ports of the schemes.
const PORTS: [(&str, u16); 2] = [("amqp", 5672), ("amqps", 5671)];

impl Connector for AmqpConnection {
    fn address(&self) -> String {
        host_and_port(self.url.expose(), &PORTS)
    }

    fn conceal(&self, concealment: &mut Concealment) {
        concealment.add_url(self.url.expose());
    }

    fn tls_advice(&self) -> TlsAdvice {
        TlsAdvice { takes_certificate: true, in_clear: "`amqp://`" }
    }

    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>> {
        Box::pin(async move {
            AmqpSessions::new(test.connection, self, test.connectors.reach()).create().await?;
            Ok("message broker, signed in".to_owned())
        })
    }
}

/// Creates sessions of one connection.
#[derive(Clone)]
pub(crate) struct AmqpSessions {
    connection: Arc<Connection>,
    amqp: AmqpConnection,
    reach: Reach,
}

impl AmqpSessions {
    pub(super) fn new(connection: &Arc<Connection>, amqp: &AmqpConnection, reach: &Reach) -> Self {
        Self { connection: Arc::clone(connection), amqp: amqp.clone(), reach: reach.clone() }
    }
}

impl Manager for AmqpSessions {
    type Type = RemotePublisher;
    type Error = ExecutionError;

    async fn create(&self) -> Result<RemotePublisher, ExecutionError> {
        let target = Target(&self.connection);
        let url = self.amqp.url.expose();
        // The text of the parser may contain the password.
        let (host, port) =
            endpoint(url).map_err(|_| ExecutionError::permanent(ErrorCode::Connection, format!("{target}: its url cannot be read")))?;
        let addresses = self.reach.resolve(&host, port).await.map_err(|error| target.at(error))?;
        let config = Arc::new(tls::client_config(&target, &self.amqp.trust)?);
        let mut last = None;
        for address in addresses {
            match RemotePublisher::connect(url, address, Arc::clone(&config)).await {
                Ok(publisher) => return Ok(publisher),
                Err(error) if error.is_refused_login() => {
                    let message =
                        format!("{target} does not accept the login: {}; check user, password and virtual host", dial::cause(&error));
                    return Err(ExecutionError::permanent(ErrorCode::Connection, message));
                }
                Err(error) => match tls::refused(&target, Server::Of(&self.connection), &error) {
                    Some(refused) => return Err(refused),
                    None => last = Some(dial::cause(&error)),
                },
            }
        }
        let why = last.unwrap_or_default();
        Err(ExecutionError::transient(ErrorCode::Unreachable, format!("{target} could not be reached: {why}")))
    }

    async fn recycle(&self, publisher: &mut RemotePublisher, _: &Metrics) -> RecycleResult<ExecutionError> {
        if publisher.is_connected() { Ok(()) } else { Err(RecycleError::message("the connection has ended")) }
    }
}

impl Connectors {
    /// Publishes a message and waits until the broker has it in a queue. Returns `{ messageId }`.
    ///
    /// # Errors
    /// `Remote` if the broker refuses it, `Connection` for a login that is not accepted, `Unreachable` and `Timeout`. If it is unknown
    /// whether the message was published, the text says so.
    pub async fn amqp(&self, connection: &Arc<Connection>, message: RemoteMessage, bounds: Bounds) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let ConnectionKind::Amqp(amqp) = &connection.kind else { return Err(target.is_no("message broker (amqp)")) };
        let is_sent = AtomicBool::new(false);
        let publish = async {
            let make = || AmqpSessions::new(connection, amqp, self.reach());
            let mut publisher = self.amqp_pools().lease(connection, MAX_CONNECTIONS, make).await?;
            is_sent.store(true, Ordering::Relaxed);
            publisher.publish(&message).await.map_err(|error| refused(&target, &message, &error))?;
            publisher.done();
            Ok(())
        };
        tokio::time::timeout(bounds.timeout, publish).await.unwrap_or_else(|_| {
            let effect = if is_sent.load(Ordering::Relaxed) { "it may have been published" } else { "nothing was sent" };
            let within = format_duration(bounds.timeout);
            Err(ExecutionError::transient(ErrorCode::Timeout, format!("{target} did not confirm the message within {within}; {effect}")))
        })?;
        Ok(Value::object([("messageId", Value::string(message.id))]))
    }
}

fn refused(target: &Target<'_>, message: &RemoteMessage, error: &RemoteError) -> ExecutionError {
    let RemoteMessage { exchange, routing_key, .. } = message;
    match error {
        RemoteError::TooLong(_) => ExecutionError::permanent(ErrorCode::Mapping, error.to_string()),
        RemoteError::Unroutable => {
            let where_to = if exchange.is_empty() { "the default exchange".to_owned() } else { format!("the exchange '{exchange}'") };
            let message = format!("{target}: no queue takes messages of {where_to} with the routing key '{routing_key}'; bind one");
            ExecutionError::permanent(ErrorCode::Remote, message)
        }
        RemoteError::Refused => ExecutionError::transient(ErrorCode::Remote, format!("{target}: {error}")),
        RemoteError::Forbidden(why) => ExecutionError::permanent(ErrorCode::Remote, format!("{target} refused the message: {why}")),
        RemoteError::Lost(why) => {
            ExecutionError::transient(ErrorCode::Unreachable, format!("{target} broke off; the message may have been published: {why}"))
        }
    }
}
