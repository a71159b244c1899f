//! One message from a process that has nothing else to do with the broker.

use crate::codec::encode_envelope;
use crate::error::PublishError;
use crate::publisher::{Destination, Publisher, PublisherConfig};
use crate::topology::{Topology, order_of};
use forebay_contract::definition::Delivery;
use forebay_contract::envelope::Envelope;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects, publishes an envelope that nobody waits for, and disconnects; `Ok` means confirmed by the broker.
///
/// # Errors
/// As [`Publisher::publish`]; no connection within 10 s is [`PublishError::Unavailable`].
pub async fn publish_once(
    config: PublisherConfig,
    topology: &Topology,
    envelope: &Envelope,
    delivery: &Delivery,
) -> Result<(), PublishError> {
    let shutdown = CancellationToken::new();
    let publisher = Publisher::start(config, topology.clone(), shutdown.clone());
    let _ends_with_this = shutdown.drop_guard();
    // Not connected after that: publishing says so.
    let _ = tokio::time::timeout(PATIENCE, publisher.ready()).await;
    let queue = topology.queue_of(envelope, delivery, false);
    publisher.publish(order_of(envelope, delivery), Destination::Queue(queue), encode_envelope(envelope, None)).await
}
