//! The broker of an installation, as the settings of a process name it. Publishers, consumers, inspectors and replies are built from it,
//! each in its own module.

use crate::connection::Node;
use crate::error::BrokerError;
use crate::installation::Installation;
use crate::signature::MessageKey;
use crate::topology::{Limits, Topology};
use forebay_contract::BrokerUrls;
use forebay_runtime::settings::Settings;
use lapin::Connection;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The addresses, names and limits by which a process uses RabbitMQ. Cheap to clone; clones share what is known of the installation.
#[derive(Clone)]
pub struct Broker(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    urls: BrokerUrls,
    nodes: Vec<Node>,
    /// The name of this process among the others, for RabbitMQ's own tools.
    process: String,
    confirm_timeout: Duration,
    accepts_unsigned: bool,
    topology: Topology,
    installation: Installation,
}

impl From<&Settings> for Broker {
    /// Connects to nothing. Connections wait until the installation is known: [`Installation::set_mark`].
    fn from(settings: &Settings) -> Self {
        let limits = Limits { max_length: settings.queue_max_length, max_bytes: settings.queue_max_bytes };
        Self(Arc::new(Parts {
            urls: settings.amqp_url.clone(),
            nodes: settings.amqp_url.nodes().iter().cloned().map(Node::own).collect(),
            process: settings.worker_name.clone(),
            confirm_timeout: settings.confirm_timeout,
            accepts_unsigned: settings.unsigned_messages,
            topology: Topology::new(&settings.queue_prefix, settings.shared_queue_count, limits),
            installation: Installation::unknown(),
        }))
    }
}

impl Broker {
    /// Returns the same broker with the queues of another prefix and number of shared queues. Every broker is accepted as the
    /// installation's: for tools that only look at queues.
    #[must_use]
    pub fn unchecked(&self, queue_prefix: &str, shared_queue_count: NonZeroU16) -> Self {
        let topology = Topology::new(queue_prefix, shared_queue_count, self.0.topology.limits());
        Self(Arc::new(Parts { topology, installation: Installation::unchecked(), ..Parts::clone(&self.0) }))
    }

    /// Returns the names and arguments of the queues.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.0.topology
    }

    /// Returns the installation that the connections are compared with.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.0.installation
    }

    /// Returns the broker for people, without credentials: `host:port` of each node, and the virtual host if it is not the default one.
    #[must_use]
    pub fn place(&self) -> String {
        self.0.urls.to_string()
    }

    /// Returns the key that signs and verifies messages. `installation_key`: the installation's key.
    #[must_use]
    pub fn message_key(&self, installation_key: &[u8]) -> MessageKey {
        MessageKey::new(installation_key, self.0.accepts_unsigned)
    }

    /// Returns the maximum wait for a confirm.
    pub(crate) fn confirm_timeout(&self) -> Duration {
        self.0.confirm_timeout
    }

    /// Returns the name of a connection for RabbitMQ's own tools.
    pub(crate) fn connection_name(&self, purpose: &str) -> String {
        format!("{} {purpose}", self.0.process)
    }

    /// Returns a new name for a reply queue of this process.
    pub(crate) fn reply_name(&self) -> String {
        self.0.topology.reply_name(&self.0.process)
    }

    /// Connects to one of the nodes. `name` is the connection's.
    pub(crate) async fn connect(&self, name: &str) -> Result<(Connection, Node), BrokerError> {
        crate::connection::connect(&self.0.nodes, name).await
    }

    /// Connects as soon as the broker is there. `None`: shutdown came first.
    pub(crate) async fn connect_patiently(&self, name: &str, shutdown: &CancellationToken) -> Option<(Connection, Node)> {
        crate::connection::connect_patiently(&self.0.nodes, name, shutdown).await
    }
}
