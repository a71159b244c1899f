//! The way to the broker for what people start. Whatever changes something there goes by [`BrokerAccess::checked`]: the compiler has no
//! other way to it, so that no verb says yes to what no worker will see.

use crate::error::OperationError;
use crate::installation::InstallationCheck;
use forebay_broker::{Destination, Inspector, Publisher, PublisherConfig, Settle, Topology, encode_envelope, order_of};
use forebay_contract::definition::Delivery;
use forebay_contract::envelope::Envelope;
use std::sync::OnceLock;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// For looking at depths, which are unknown where the broker is another one.
    pub(crate) async fn inspector(&self) -> &Inspector {
        if let Err(error) = self.check.compare().await {
            tracing::debug!(%error, "queues are not looked at");
        }
        &self.inspector
    }
}

impl CheckedBroker<'_> {
    /// Publishes an envelope that nobody waits for; `Ok` means confirmed by the broker.
    pub(crate) async fn publish(&self, envelope: &Envelope, delivery: &Delivery) -> Result<(), OperationError> {
        let Self(access) = self;
        let start = || Publisher::start(access.config.clone(), access.topology.clone(), access.shutdown.clone());
        let publisher = access.publisher.get_or_init(start);
        // Not connected after that: publishing says so.
        let _ = tokio::time::timeout(PATIENCE, publisher.ready()).await;
        let queue = access.topology.queue_of(envelope, delivery, false);
        let destination = Destination::Queue(queue);
        Ok(publisher.publish(order_of(envelope, delivery), destination, encode_envelope(envelope, None)).await?)
    }

    /// Returns an unreadable message to its queue, or discards it.
    pub(crate) async fn settle_unreadable(&self, id: &str, settle: Settle) -> Result<(), OperationError> {
        Ok(self.0.inspector.settle_unreadable(id, settle).await?)
    }

    /// The queues, to look at.
    pub(crate) fn inspector(&self) -> &Inspector {
        &self.0.inspector
    }
}
