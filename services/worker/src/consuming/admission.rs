//! Admission: a delivery waits for a place before its execution begins.

use super::activity::Activity;
use super::backlog::{Backlog, Relief, Waits};
use super::paused_queues::PausedQueues;
use super::places::{Claimant, Place, Places};
use crate::execution::{Delivered, Disposition, SharedQueue};
use forebay_broker::{PublishPolicy, Publisher};
use forebay_contract::{Name, SharedQueueNumber};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The admission of the deliveries of one queue. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Admission {
    /// The concurrency limit of an exclusive queue's policy.
    Exclusive { places: Arc<Semaphore>, activity: Activity },
    /// A share of the worker's places, for a shared queue.
    Shared(Arc<SharedAdmission>),
    /// The same, for the queue of an integration that was paused. Its deliveries move nowhere.
    Resumed(Arc<SharedAdmission>),
}

/// The admission of the deliveries of one shared queue.
pub(crate) struct SharedAdmission {
    pub(crate) places: Places,
    pub(crate) backlog: Backlog,
    pub(crate) queue: SharedQueue,
    /// Publishes a delivery that moves to a queue of its tenant.
    pub(crate) publisher: Publisher,
    pub(crate) paused: PausedQueues,
}

/// A delivery that waits for a place.
pub(crate) enum Waiting {
    Exclusive(Arc<Semaphore>),
    Shared { places: Places, waits: Waits },
}

/// A place; it is free again when this is dropped.
pub(crate) enum Admitted {
    Exclusive(#[allow(dead_code, reason = "held")] Option<OwnedSemaphorePermit>),
    Shared(#[allow(dead_code, reason = "held")] Place),
}

impl Admission {
    /// Begins to wait. Only a delivery of a shared queue may be moved before it begins.
    pub(crate) fn wait(&self, delivered: &Delivered) -> (Waiting, Option<Relief>) {
        match self {
            Self::Exclusive { places, activity } => {
                activity.delivered();
                (Waiting::Exclusive(places.clone()), None)
            }
            Self::Shared(shared) => {
                let (waits, relief) = shared.backlog.wait(&delivered.envelope.tenant);
                // An execution that may have begun must stay redelivered: a moved message would be a first delivery.
                let relief = (!delivered.redelivered).then_some(relief);
                (Waiting::Shared { places: shared.places.clone(), waits }, relief)
            }
            Self::Resumed(shared) => {
                let (waits, _) = shared.backlog.wait(&delivered.envelope.tenant);
                (Waiting::Shared { places: shared.places.clone(), waits }, None)
            }
        }
    }

    /// Resolves with the number of the shared queue to which the delivery is to be moved before it begins.
    pub(crate) async fn relief(&self, relief: Option<Relief>) -> SharedQueueNumber {
        match (self, relief) {
            (Self::Shared(shared), Some(relief)) => relief.moved_from(shared.queue.number).await,
            (Self::Shared(_) | Self::Resumed(_) | Self::Exclusive { .. }, _) => std::future::pending().await,
        }
    }

    /// Moves a delivery that has not begun to this queue of its tenant. Returns `false` if it was not moved.
    pub(crate) async fn relocate(&self, delivered: &Delivered, number: SharedQueueNumber) -> bool {
        match self {
            Self::Exclusive { .. } | Self::Resumed(_) => false,
            Self::Shared(shared) => shared.relocate(delivered, number).await,
        }
    }

    /// Returns the disposition of a delivery whose integration is paused. One of a shared queue is moved, so that it delays no others.
    /// `ending` is cancelled when the subscription ends.
    pub(crate) async fn pause(&self, delivered: &Delivered, ending: &CancellationToken) -> Disposition {
        match self {
            Self::Exclusive { .. } | Self::Resumed(_) => Disposition::Pause,
            Self::Shared(shared) => match shared.paused.take(delivered, shared.queue, ending).await {
                true => Disposition::Acknowledge,
                false => Disposition::Leave,
            },
        }
    }
}

impl Waiting {
    /// Waits for a place. `connections` are those of the workflow.
    pub(crate) async fn admitted(self, delivered: &Delivered, connections: Arc<[Name]>) -> Admitted {
        match self {
            Self::Exclusive(places) => Admitted::Exclusive(places.acquire_owned().await.ok()),
            Self::Shared { places, waits } => {
                let (tenant, integration) = (delivered.envelope.tenant.clone(), delivered.envelope.integration_id);
                let place = places.take(Claimant { tenant, integration, connections }).await;
                drop(waits);
                Admitted::Shared(place)
            }
        }
    }
}

impl SharedAdmission {
    async fn relocate(&self, delivered: &Delivered, number: SharedQueueNumber) -> bool {
        let envelope = &delivered.envelope;
        let queue = SharedQueue { number, ..self.queue }.at_broker();
        let moved = self.publisher.publish(envelope, PublishPolicy::on(queue)).await;
        if let Err(error) = &moved {
            tracing::debug!(forebay.execution.id = %envelope.execution_id, %error, "an execution stays on the queue that its tenant shares");
        }
        moved.is_ok()
    }
}
