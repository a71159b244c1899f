//! What a queue's deliveries wait for before they run.

use super::backlog::{Backlog, Relief, Waits};
use super::places::{Claimant, Place, Places};
use crate::execution::{Delivered, SharedQueue};
use forebay_broker::{Destination, MessageKey, Publisher, Queue, encode_envelope};
use forebay_contract::Name;
use forebay_contract::unix_micros;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How the deliveries of one queue begin. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Admission {
    /// As many at once as the policy of an exclusive queue says.
    Exclusive(Arc<Semaphore>),
    /// A share of the worker's places.
    Shared(Arc<SharedAdmission>),
}

/// The way in of one shared queue.
pub(crate) struct SharedAdmission {
    pub(crate) places: Places,
    pub(crate) backlog: Backlog,
    pub(crate) queue: SharedQueue,
    pub(crate) window: Arc<Window>,
    /// For what is moved to a queue of its tenant.
    pub(crate) publisher: Publisher,
    pub(crate) key: MessageKey,
}

/// Deliveries of one shared queue that this worker has in hand.
pub(crate) struct Window {
    in_hand: AtomicUsize,
    /// Deliveries of the first subscription.
    first: usize,
    filled: Notify,
}

/// A delivery before it begins.
pub(crate) enum Waiting {
    Exclusive(Arc<Semaphore>),
    Shared { places: Places, waits: Waits },
}

/// The right to run, until this is dropped.
pub(crate) enum Admitted {
    Exclusive(#[allow(dead_code, reason = "held")] Option<OwnedSemaphorePermit>),
    Shared(#[allow(dead_code, reason = "held")] Place),
}

/// Counts a delivery as in hand.
pub(crate) struct InWindow(Arc<Window>);

impl Admission {
    /// Begins to wait. The last two are for shared queues only.
    pub(crate) fn wait(&self, delivered: &Delivered) -> (Waiting, Option<Relief>, Option<InWindow>) {
        match self {
            Self::Exclusive(places) => (Waiting::Exclusive(places.clone()), None, None),
            Self::Shared(shared) => {
                let (waits, relief) = shared.backlog.wait(&delivered.envelope.tenant);
                // What an earlier delivery may have begun stays what the broker calls redelivered.
                let relief = (!delivered.redelivered).then_some(relief);
                let waiting = Waiting::Shared { places: shared.places.clone(), waits };
                (waiting, relief, Some(shared.window.clone().enter()))
            }
        }
    }

    /// Resolves with the number of the shared queue to which the delivery is to be moved before it begins.
    pub(crate) async fn relief(&self, relief: Option<Relief>) -> u16 {
        match (self, relief) {
            (Self::Shared(shared), Some(relief)) => relief.moved_from(shared.queue.number).await,
            (Self::Shared(_) | Self::Exclusive(_), _) => std::future::pending().await,
        }
    }

    /// Moves a delivery that has not begun to this queue of its tenant. `false`: it was not moved.
    pub(crate) async fn relocate(&self, delivered: &Delivered, number: u16) -> bool {
        match self {
            Self::Exclusive(_) => false,
            Self::Shared(shared) => shared.relocate(delivered, number).await,
        }
    }
}

impl Waiting {
    /// Waits for a place. `connections`: those of the workflow.
    pub(crate) async fn admitted(self, delivered: &Delivered, connections: &[Name]) -> Admitted {
        match self {
            Self::Exclusive(places) => Admitted::Exclusive(places.acquire_owned().await.ok()),
            Self::Shared { places, waits } => {
                let (tenant, integration) = (delivered.envelope.tenant.clone(), delivered.envelope.integration_id);
                let place = places.take(Claimant { tenant, integration, connections: connections.to_vec() }).await;
                drop(waits);
                Admitted::Shared(place)
            }
        }
    }
}

impl SharedAdmission {
    async fn relocate(&self, delivered: &Delivered, number: u16) -> bool {
        let envelope = &delivered.envelope;
        let (queue, expires_in) = match (self.queue.is_awaited, envelope.deadline) {
            (false, _) => (Queue::Work(number), None),
            (true, None) => (Queue::Call(number), None),
            (true, Some(deadline)) => {
                let left = u64::try_from(deadline - unix_micros() / 1000).unwrap_or_default();
                (Queue::Call(number), Some(Duration::from_millis(left)))
            }
        };
        let moved = self.publisher.publish(None, Destination::Queue(queue), encode_envelope(envelope, expires_in, &self.key)).await;
        if let Err(error) = &moved {
            tracing::debug!(forebay.execution.id = %envelope.execution_id, %error, "an execution stays on the queue that its tenant shares");
        }
        moved.is_ok()
    }
}

impl Window {
    /// `first`: most deliveries of the first subscription.
    pub(crate) fn new(first: usize) -> Self {
        Self { in_hand: AtomicUsize::new(0), first, filled: Notify::new() }
    }

    /// Returns when the first subscription may be used up.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn enter(self: Arc<Self>) -> InWindow {
        if self.in_hand.fetch_add(1, Ordering::AcqRel) + 1 >= self.first {
            self.filled.notify_one();
        }
        InWindow(self)
    }

    /// Deliveries in hand.
    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Acquire)
    }
}

impl Drop for InWindow {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::AcqRel);
    }
}
