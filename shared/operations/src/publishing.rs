//! The way to the broker for what people start. Whatever changes something there goes by [`BrokerAccess::checked`]: the compiler has no
//! other way to it, so that no verb says yes to what no worker will see.

use crate::error::OperationError;
use crate::installation::InstallationCheck;
use forebay_broker::{
    BrokerError, Depth, Destination, Inspector, MessageKey, Publisher, PublisherConfig, Queue, Topology, UnreadableAction,
    UnreadableMessage, encode_envelope, order_of,
};
use forebay_contract::definition::DispatchPolicy;
use forebay_contract::envelope::Envelope;
use std::sync::OnceLock;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Maximum wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The broker, not compared with the installation yet.
pub(crate) struct BrokerAccess {
    check: InstallationCheck,
    config: PublisherConfig,
    topology: Topology,
    /// Its connection is made when the first message is published, and kept.
    publisher: OnceLock<Publisher>,
    inspector: Inspector,
    shutdown: CancellationToken,
    _ends_with_this: DropGuard,
}

/// The installation's own broker, as far as the database and the broker said a moment ago. Its connections are compared again when they
/// are made.
pub(crate) struct CheckedBroker<'a>(&'a BrokerAccess);

impl BrokerAccess {
    pub(crate) fn new(check: InstallationCheck, config: PublisherConfig, topology: Topology, inspector: Inspector) -> Self {
        let shutdown = CancellationToken::new();
        let publisher = OnceLock::new();
        Self { check, config, topology, publisher, inspector, _ends_with_this: shutdown.clone().drop_guard(), shutdown }
    }

    /// Sees whether the settings and the broker are the installation's.
    ///
    /// # Errors
    /// [`OperationError::OtherBroker`] where they are not; what the store and the broker say.
    pub(crate) async fn checked(&self) -> Result<CheckedBroker<'_>, OperationError> {
        self.check.compare().await?;
        self.inspector.verify().await?;
        Ok(CheckedBroker(self))
    }

    /// For looking at depths.
    pub(crate) fn look(&self) -> Look {
        Look { check: self.check.clone(), inspector: self.inspector.clone() }
    }
}

/// Looks at depths, at the installation's own broker only.
pub(crate) struct Look {
    check: InstallationCheck,
    inspector: Inspector,
}

impl Look {
    /// Compares the settings and the broker with the installation. While the database is away, the mark that was known before counts.
    ///
    /// # Errors
    /// [`BrokerError::NotOfInstallation`]; when the broker cannot be asked.
    pub(crate) async fn verify(&self) -> Result<(), BrokerError> {
        // Tells the inspector which mark the broker must have: a command has nothing else that does.
        if let Err(error) = self.check.compare().await {
            tracing::debug!(%error, "the settings could not be compared with the installation's");
        }
        self.inspector.verify().await
    }

    /// The depths in the order of `queues`; `None`: there is no such queue.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    pub(crate) async fn depths(&self, queues: &[Queue]) -> Result<Vec<Option<Depth>>, BrokerError> {
        self.inspector.depths(queues).await
    }
}

impl CheckedBroker<'_> {
    /// Publishes an envelope that nobody waits for; `Ok` means confirmed by the broker.
    pub(crate) async fn publish(&self, envelope: &Envelope, policy: &DispatchPolicy) -> Result<(), OperationError> {
        let Self(access) = self;
        let start = || Publisher::start(access.config.clone(), access.topology.clone(), access.shutdown.clone());
        let publisher = access.publisher.get_or_init(start);
        // Not connected after that: publishing says so.
        let _ = tokio::time::timeout(TIMEOUT, publisher.ready()).await;
        let queue = access.topology.queue_of(envelope, policy, None);
        let key = MessageKey::new(&access.check.store.id_key().await?, false);
        let destination = Destination::Queue(queue);
        Ok(publisher.publish(order_of(envelope, policy), destination, encode_envelope(envelope, None, &key)).await?)
    }

    /// Returns an unreadable message to its queue, or discards it.
    pub(crate) async fn resolve_unreadable(&self, id: &str, action: UnreadableAction) -> Result<(), OperationError> {
        Ok(self.0.inspector.resolve_unreadable(id, action).await?)
    }

    /// The oldest unreadable messages, at most `limit`.
    pub(crate) async fn unreadable(&self, limit: usize) -> Result<Vec<UnreadableMessage>, OperationError> {
        Ok(self.0.inspector.unreadable(limit).await?)
    }
}
