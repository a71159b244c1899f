//! The way to the broker for what people start.

use crate::error::OperationError;
use forebay_broker::{Destination, Publisher, PublisherConfig, Topology, encode_envelope, order_of};
use forebay_contract::definition::Delivery;
use forebay_contract::envelope::Envelope;
use std::sync::OnceLock;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that is made when the first message is published, and kept.
pub(crate) struct Publishing {
    config: PublisherConfig,
    topology: Topology,
    publisher: OnceLock<Publisher>,
    shutdown: CancellationToken,
    _ends_with_this: DropGuard,
}

impl Publishing {
    pub(crate) fn new(config: PublisherConfig, topology: Topology) -> Self {
        let shutdown = CancellationToken::new();
        Self { config, topology, publisher: OnceLock::new(), _ends_with_this: shutdown.clone().drop_guard(), shutdown }
    }

    /// Publishes an envelope that nobody waits for; `Ok` means confirmed by the broker.
    pub(crate) async fn publish(&self, envelope: &Envelope, delivery: &Delivery) -> Result<(), OperationError> {
        let publisher = self.publisher.get_or_init(|| Publisher::start(self.config.clone(), self.topology.clone(), self.shutdown.clone()));
        // Not connected after that: publishing says so.
        let _ = tokio::time::timeout(PATIENCE, publisher.ready()).await;
        let queue = self.topology.queue_of(envelope, delivery, false);
        let destination = Destination::Queue(queue);
        Ok(publisher.publish(order_of(envelope, delivery), destination, encode_envelope(envelope, None)).await?)
    }
}
