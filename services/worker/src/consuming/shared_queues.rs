//! The shared queues, which every worker consumes, and their dead-letter queue.

use super::admission::{Admission, SharedAdmission};
use super::backlog::Backlog;
use super::dispatcher::{Consumption, Keying, Stop, dispatch, move_to_unreadable};
use super::in_hand::QueueInHand;
use super::paused_queues::{PausedQueues, until_not_paused};
use super::places::Places;
use crate::execution::{Disposition, SharedQueue};
use forebay_broker::{Delivery, Queue, Topology};
use forebay_contract::SharedQueueNumber;
use forebay_fairness::free_memory;
use forebay_store::SnapshotHandle;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const RETRY_INTERVAL: Duration = Duration::from_millis(300);
const DEAD_PREFETCH: u16 = 50;
/// Prefetch of the queue of an integration that was paused: few, since its bodies may be large and all workers consume it.
const RESUMED_PREFETCH: u16 = 16;
/// Prefetch of each subscription of a worker to one queue; the last one takes the rest of the worker's places. The next subscription begins
/// when the prefetch of those before it is used up and the bodies that it may bring fit into memory. So a worker that hangs withholds few
/// deliveries from the others, and a worker that gets large bodies holds few of them.
const WINDOWS: [u16; 4] = [4, 16, 64, u16::MAX];
/// Divisor of the free memory: a subscription may fill this part with bodies as large as those in hand.
const MEMORY_SHARE: isize = 4;
/// Deliveries beyond its places that a worker holds, so that one is available as soon as a place becomes free.
const SPARE: usize = 64;
/// A subscription ends when those before it would have been enough for this time.
const QUIET: Duration = Duration::from_secs(10);
/// Interval at which the deliveries in hand and the memory are checked while further subscriptions are open, or wanted.
const REVIEW_INTERVAL: Duration = Duration::from_millis(100);

/// One kind of shared queue: calls, or work. Calls have their own places, so that a backlog of work never delays them.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) is_awaited: bool,
    pub(crate) places: Places,
    /// The number of places.
    pub(crate) count: usize,
    pub(crate) backlog: Backlog,
    pub(crate) paused: PausedQueues,
}

impl Kind {
    fn admission(self, queue: SharedQueue, consumption: &Consumption) -> SharedAdmission {
        let Self { places, backlog, paused, .. } = self;
        SharedAdmission { places, backlog, queue, publisher: consumption.publisher.clone(), paused }
    }
}

/// Consumes the shared queues of both kinds until stopped: those that tenants share, and those of single tenants and of integrations that
/// were paused as they are opened.
pub(crate) async fn serve_all(consumption: Consumption, kinds: [Kind; 2], topology: Topology, mut snapshot: SnapshotHandle, stop: Stop) {
    let mut served: HashSet<SharedQueueNumber> = HashSet::new();
    let mut resumed: HashSet<Uuid> = HashSet::new();
    let mut serving = JoinSet::new();
    loop {
        let current = snapshot.current();
        for number in topology.shared_queue_numbers().chain(current.tenant_queues()) {
            if served.insert(number) {
                for kind in kinds.clone() {
                    serving.spawn(serve(consumption.clone(), kind, number, stop.clone()));
                }
            }
        }
        for integration in current.paused_queues() {
            let tenant = current.integration_by_id(integration).map(|integration| integration.definition.tenant.clone());
            if let Some(tenant) = tenant
                && resumed.insert(integration)
            {
                let number = current.tenant_queue(tenant.as_str()).unwrap_or_else(|| topology.shared_queue_of(tenant.as_str()));
                for kind in kinds.clone() {
                    let (consumption, snapshot, stop) = (consumption.clone(), snapshot.clone(), stop.clone());
                    serving.spawn(serve_resumed(consumption, kind, number, integration, snapshot, stop));
                }
            }
        }
        drop(current);
        tokio::select! {
            () = stop.gently.cancelled() => break,
            () = snapshot.changed() => {}
        }
    }
    serving.join_all().await;
}

/// Consumes one shared queue until stopped: by one subscription, and by further ones while those before them are used up.
async fn serve(consumption: Consumption, kind: Kind, number: SharedQueueNumber, stop: Stop) {
    let queue = SharedQueue { number, is_awaited: kind.is_awaited };
    let in_hand = consumption.in_hand.queue(&consumption.publisher.name_of(queue.at_broker()));
    let count = kind.count;
    let admission = Arc::new(kind.admission(queue, &consumption));
    let mut subscriptions = JoinSet::new();
    let mut before = 0;
    for prefetch in windows(count + SPARE) {
        let (consumption, admission, in_hand, stop) = (consumption.clone(), admission.clone(), in_hand.clone(), stop.clone());
        subscriptions.spawn(async move {
            if before == 0 {
                return subscribe(consumption, admission, prefetch, stop).await;
            }
            let window = Window { in_hand, before, prefetch };
            while window.until_needed(&stop).await {
                let until = Stop { gently: stop.gently.child_token(), now: stop.now.clone() };
                let ended = until.gently.clone();
                tokio::join!(subscribe(consumption.clone(), admission.clone(), prefetch, until), async {
                    window.until_not_needed(&ended).await;
                    ended.cancel();
                });
            }
        });
        before += usize::from(prefetch);
    }
    subscriptions.join_all().await;
}

/// Returns the prefetch of each subscription of a queue, with this sum.
fn windows(total: usize) -> Vec<u16> {
    let mut left = u16::try_from(total.max(1)).unwrap_or(u16::MAX);
    let take = |max: u16| {
        let window = max.min(left);
        left -= window;
        window
    };
    WINDOWS.into_iter().map(take).filter(|window| *window > 0).collect()
}

/// A subscription that is open while the prefetch of those before it is used up.
struct Window {
    in_hand: QueueInHand,
    /// The sum of the prefetch of the subscriptions before it.
    before: usize,
    prefetch: u16,
}

impl Window {
    /// Returns when the prefetch of the subscriptions before it is used up and memory is free; `false` when stopped meanwhile.
    async fn until_needed(&self, stop: &Stop) -> bool {
        let needed = async {
            loop {
                self.in_hand.reaches(self.before).await;
                if self.fits() {
                    return;
                }
                tokio::time::sleep(REVIEW_INTERVAL).await;
            }
        };
        tokio::select! {
            () = stop.gently.cancelled() => false,
            () = needed => true,
        }
    }

    /// Returns when the subscriptions before it would have been enough for some time, when no memory is free, or when stopped.
    async fn until_not_needed(&self, stopped: &CancellationToken) {
        let mut quiet = Duration::ZERO;
        while quiet < QUIET && free_memory() > 0 {
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(REVIEW_INTERVAL) => {}
            }
            quiet = if self.in_hand.count() > self.before / 2 { Duration::ZERO } else { quiet + REVIEW_INTERVAL };
        }
    }

    /// Returns true if its prefetch, with bodies as large as those in hand, fits into a part of the free memory.
    fn fits(&self) -> bool {
        let bytes = self.in_hand.average_bytes().saturating_mul(usize::from(self.prefetch));
        isize::try_from(bytes).is_ok_and(|bytes| bytes <= free_memory() / MEMORY_SHARE)
    }
}

/// Consumes with one subscription at a time until stopped.
async fn subscribe(consumption: Consumption, shared: Arc<SharedAdmission>, prefetch: u16, stop: Stop) {
    let queue = shared.queue.at_broker();
    let keying = Keying::EachShared(shared.queue);
    let admission = Admission::Shared(shared);
    while !stop.gently.is_cancelled() {
        match consumption.consumers.subscribe(queue, prefetch).await {
            Ok(subscription) => _ = dispatch(&consumption, subscription, keying, &admission, &stop).await,
            Err(error) => tracing::debug!(?queue, %error, "the shared queue cannot be consumed; trying again"),
        }
        pause(&stop).await;
    }
}

/// Consumes the queue for calls of an integration while it was paused, whenever it is not paused, until stopped. A retry or a `wait`
/// continues on the shared queue of this number.
async fn serve_resumed(
    consumption: Consumption,
    kind: Kind,
    number: SharedQueueNumber,
    integration: Uuid,
    snapshot: SnapshotHandle,
    stop: Stop,
) {
    let shared = SharedQueue { number, is_awaited: kind.is_awaited };
    let queue = Queue::Paused { integration, is_awaited: kind.is_awaited };
    let admission = Admission::Resumed(Arc::new(kind.admission(shared, &consumption)));
    while until_not_paused(&snapshot, integration, &stop).await {
        match consumption.consumers.subscribe(queue, RESUMED_PREFETCH).await {
            Ok(subscription) => _ = dispatch(&consumption, subscription, Keying::EachShared(shared), &admission, &stop).await,
            Err(error) => tracing::debug!(?queue, %error, "the queue of a paused integration cannot be consumed; trying again"),
        }
        pause(&stop).await;
    }
}

/// Records executions whose messages the broker removed from the shared queues: calls that expired before they started, and messages that
/// were redelivered too often.
pub(crate) async fn serve_dead(consumption: Consumption, stop: Stop) {
    while !stop.gently.is_cancelled() {
        if let Ok(mut subscription) = consumption.consumers.subscribe(Queue::Dead, DEAD_PREFETCH).await {
            loop {
                let delivery = tokio::select! {
                    () = stop.gently.cancelled() => None,
                    delivery = subscription.next() => delivery,
                };
                let Some(delivery) = delivery else { break };
                if !handle_dead_letter(&consumption, delivery).await {
                    break;
                }
            }
            subscription.close().await;
        }
        pause(&stop).await;
    }
}

/// Records the end of a dead-lettered message's execution. Returns `false` if the message must be redelivered.
async fn handle_dead_letter(consumption: &Consumption, delivery: Delivery) -> bool {
    let envelope = match delivery.envelope(&consumption.key) {
        Ok(envelope) => envelope,
        Err(error) => return move_to_unreadable(&consumption.publisher, delivery, &error.to_string()).await,
    };
    let reason = delivery.death_reason();
    let disposition = consumption.executions.dead_letter(&envelope, reason.as_deref(), delivery.redeliveries()).await;
    let is_recorded = disposition == Disposition::Acknowledge;
    if is_recorded {
        delivery.ack();
    }
    is_recorded
}

async fn pause(stop: &Stop) {
    tokio::select! {
        () = stop.gently.cancelled() => {}
        () = tokio::time::sleep(RETRY_INTERVAL) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_of_a_queue_hold_what_it_may_draw_together() {
        for (total, expected) in [(0, vec![1]), (1, vec![1]), (4, vec![4]), (65, vec![4, 16, 45]), (320, vec![4, 16, 64, 236])] {
            assert_eq!(windows(total), expected, "{total}");
        }
    }
}
