//! Queues of paused integrations. While an integration is paused, its deliveries of shared queues move to a queue of their own, so that
//! they delay no others and survive a restart. Once it is resumed, every worker consumes that queue as a shared one.

use super::dispatcher::Stop;
use crate::execution::{Delivered, SharedQueue};
use forebay_broker::{PublishPolicy, Publisher, Queue};
use forebay_contract::envelope::Envelope;
use forebay_contract::{UnixMicros, with_causes};
use forebay_store::{PausedQueueOpener, SnapshotHandle, Store};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Pause before a delivery that could not be moved is moved again: the database or the broker is away, or the queue is full.
const MOVE_AGAIN_INTERVAL: Duration = Duration::from_secs(1);

/// Moves deliveries of paused integrations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PausedQueues {
    publisher: Publisher,
    opener: PausedQueueOpener,
    snapshot: SnapshotHandle,
}

impl PausedQueues {
    pub(crate) fn new(store: Store, publisher: Publisher, snapshot: SnapshotHandle) -> Self {
        let declaring = publisher.clone();
        let opener = PausedQueueOpener::new(store, move |integration| declaring.clone().declare_paused(integration));
        Self { publisher, opener, snapshot }
    }

    /// Moves a delivery of this shared queue. Returns `false` if it could not be moved before the integration was resumed or the
    /// subscription ended: the delivery is then to be delivered again.
    pub(crate) async fn take(&self, delivered: &Delivered, from: SharedQueue, ending: &CancellationToken) -> bool {
        let integration = delivered.envelope.integration_id;
        while self.snapshot.current().paused(integration).is_some() {
            // An attempt is never broken off: the message may be on its way.
            match self.try_to_take(delivered, from).await {
                Ok(()) => return true,
                Err(cause) => {
                    tracing::warn!(forebay.execution.id = %delivered.envelope.execution_id, cause, "a call of a paused integration stays in hand: it cannot be moved to the queue for paused calls; trying again");
                }
            }
            tokio::select! {
                () = ending.cancelled() => return false,
                () = tokio::time::sleep(MOVE_AGAIN_INTERVAL) => {}
            }
        }
        false
    }

    async fn try_to_take(&self, delivered: &Delivered, from: SharedQueue) -> Result<(), String> {
        let integration = delivered.envelope.integration_id;
        if !self.snapshot.current().has_paused_queues(integration) {
            self.opener.open(integration).await.map_err(|error| with_causes(&error))?;
        }
        // If an earlier attempt went through without its confirm, there are two messages: each looks for a recorded end before it runs.
        let redeliveries = delivered.redeliveries.max(1);
        let envelope = Envelope { redeliveries, ..delivered.envelope.clone() };
        let queue = Queue::Paused { integration, is_awaited: from.is_awaited };
        self.publisher.publish(&envelope, PublishPolicy::on(queue)).await.map_err(|error| with_causes(&error))
    }
}

/// Waits while the integration is paused; returns `false` when stopped meanwhile.
pub(super) async fn until_not_paused(snapshot: &SnapshotHandle, integration: Uuid, stop: &Stop) -> bool {
    let mut snapshot = snapshot.clone();
    loop {
        let Some(paused) = snapshot.current().paused(integration) else { return !stop.gently.is_cancelled() };
        let end = async {
            match paused.until() {
                Some(until) => tokio::time::sleep(until.since(UnixMicros::now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.gently.cancelled() => return false,
            () = snapshot.changed() => {}
            () = end => {}
        }
    }
}
