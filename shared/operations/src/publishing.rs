//! Access to the broker for operations of people. Every change there uses [`BrokerAccess::checked`], which the type system enforces, so
//! that no operation succeeds with messages that no worker will receive.

use crate::error::OperationError;
use crate::installation::InstallationCheck;
use forebay_broker::{Broker, BrokerError, Depth, Inspector, Publisher, Queue, Topology, UnreadableAction, UnreadableMessage};
use forebay_contract::definition::DispatchPolicy;
use forebay_contract::envelope::Envelope;
use forebay_store::Store;
use std::num::NonZeroU8;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The purpose of its connections, for the broker's own tools.
const PURPOSE: &str = "console";
/// Maximum wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The broker, before it is compared with the installation.
pub(crate) struct BrokerAccess {
    check: InstallationCheck,
    broker: Broker,
    /// The connection is opened at the first message, and kept open.
    publisher: OnceCell<Publisher>,
    inspector: Inspector,
    shutdown: CancellationToken,
    _ends_with_this: DropGuard,
}

/// The broker of the installation, by the database and the broker as of now. Its connections are verified again when they are opened.
pub(crate) struct CheckedBroker<'a>(&'a BrokerAccess);

impl BrokerAccess {
    pub(crate) fn new(broker: Broker, store: Store) -> Self {
        let check = InstallationCheck::new(broker.clone(), store);
        let (publisher, inspector, shutdown) = (OnceCell::new(), broker.inspector(PURPOSE), CancellationToken::new());
        Self { check, broker, publisher, inspector, _ends_with_this: shutdown.clone().drop_guard(), shutdown }
    }

    /// Returns the names of the queues.
    pub(crate) fn topology(&self) -> &Topology {
        self.broker.topology()
    }

    /// Checks that the settings and the broker are those of the installation.
    ///
    /// # Errors
    /// [`OperationError::OtherBroker`] if they are not; those of the store and the broker.
    pub(crate) async fn checked(&self) -> Result<CheckedBroker<'_>, OperationError> {
        self.check.compare().await?;
        self.inspector.verify().await?;
        Ok(CheckedBroker(self))
    }

    /// Returns the access for reading depths.
    pub(crate) fn depth_reader(&self) -> DepthReader {
        DepthReader { check: self.check.clone(), inspector: self.inspector.clone() }
    }
}

/// Reads depths of queues, at the broker of the installation only.
pub(crate) struct DepthReader {
    check: InstallationCheck,
    inspector: Inspector,
}

impl DepthReader {
    /// Compares the settings and the broker with the installation. While the database is away, the last known mark counts.
    ///
    /// # Errors
    /// [`BrokerError::NotOfInstallation`]; the broker does not answer.
    pub(crate) async fn verify(&self) -> Result<(), BrokerError> {
        // Gives the inspector the mark of the broker; in a command nothing else does.
        if let Err(error) = self.check.compare().await {
            tracing::debug!(%error, "the settings could not be compared with the installation's");
        }
        self.inspector.verify().await
    }

    /// Returns the depths in the order of `queues`; `None`: the queue does not exist.
    ///
    /// # Errors
    /// The broker does not answer.
    pub(crate) async fn depths(&self, queues: &[Queue]) -> Result<Vec<Option<Depth>>, BrokerError> {
        self.inspector.depths(queues).await
    }
}

impl CheckedBroker<'_> {
    /// Publishes an envelope without a waiting caller; `Ok` means confirmed by the broker.
    pub(crate) async fn publish(&self, envelope: &Envelope, policy: &DispatchPolicy) -> Result<(), OperationError> {
        let Self(access) = self;
        let start = async || {
            let key = access.broker.message_key(&access.check.store.id_key().await?);
            // People publish few messages; one channel also keeps their order.
            Ok::<_, OperationError>(access.broker.publisher(PURPOSE, NonZeroU8::MIN, key, access.shutdown.clone()))
        };
        let publisher = access.publisher.get_or_try_init(start).await?;
        // If it is not connected by then, publishing fails with the reason.
        let _ = tokio::time::timeout(TIMEOUT, publisher.ready()).await;
        Ok(publisher.publish(envelope, access.topology().policy_of(envelope, policy, None)).await?)
    }

    /// Returns an unreadable message to its queue, or discards it.
    pub(crate) async fn resolve_unreadable(&self, id: &str, action: UnreadableAction) -> Result<(), OperationError> {
        Ok(self.0.inspector.resolve_unreadable(id, action).await?)
    }

    /// Returns the oldest unreadable messages, at most `limit`.
    pub(crate) async fn unreadable(&self, limit: usize) -> Result<Vec<UnreadableMessage>, OperationError> {
        Ok(self.0.inspector.unreadable(limit).await?)
    }
}
