//! The shared queues, which every worker consumes, and their dead-letter queue.

use super::admission::{Admission, SharedAdmission};
use super::backlog::Backlog;
use super::dispatcher::{Consumption, Keying, Stop, dispatch, put_aside};
use super::in_hand::QueueInHand;
use super::places::Places;
use crate::execution::{Disposition, SharedQueue};
use forebay_broker::{Delivery, Queue};
use forebay_store::SnapshotHandle;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(300);
const DEAD_PREFETCH: u16 = 50;
/// Deliveries that a worker draws of a queue of calls, and of work, before it is known that it can begin them: a worker that hangs keeps
/// as many from the others.
const FIRST_CALLS: u16 = 16;
const FIRST_WORK: u16 = 64;
/// Deliveries beyond the places of a worker that may wait in it: the next ones are at hand when a place becomes free.
const SPARE: usize = 64;
/// A second subscription ends once the first would have been enough for so long.
const QUIET: Duration = Duration::from_secs(10);
const QUIET_INTERVAL: Duration = Duration::from_secs(1);

/// One kind of shared queue: calls, or work. Calls have places of their own, so that a backlog of work never delays them.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) is_awaited: bool,
    pub(crate) places: Places,
    /// The number of places.
    pub(crate) count: usize,
    pub(crate) backlog: Backlog,
}

/// Consumes the shared queues of both kinds until stopped: those that tenants share, and those of single tenants as they are opened.
pub(crate) async fn serve_all(consumption: Consumption, kinds: [Kind; 2], shared: u16, mut snapshot: SnapshotHandle, stop: Stop) {
    let mut served: HashSet<u16> = HashSet::new();
    let mut serving = JoinSet::new();
    loop {
        let current = snapshot.current();
        for number in (0..shared).chain(current.tenant_queues()) {
            if served.insert(number) {
                for kind in kinds.clone() {
                    serving.spawn(serve(consumption.clone(), kind, number, stop.clone()));
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

/// Consumes one shared queue until stopped: by one subscription, and by a second one while the first is used up.
async fn serve(consumption: Consumption, kind: Kind, number: u16, stop: Stop) {
    let queue = SharedQueue { number, is_awaited: kind.is_awaited };
    let first = if kind.is_awaited { FIRST_CALLS } else { FIRST_WORK };
    let second = u16::try_from((kind.count + SPARE).saturating_sub(usize::from(first)).max(1)).unwrap_or(u16::MAX);
    let in_hand = consumption.in_hand.queue(&consumption.publisher.name_of(queue.at_broker()));
    let Kind { places, backlog, .. } = kind;
    let (publisher, key) = (consumption.publisher.clone(), consumption.key.clone());
    let admission = Arc::new(SharedAdmission { places, backlog, queue, publisher, key });
    let subscribed = |prefetch, stop| subscribe(consumption.clone(), admission.clone(), prefetch, stop);
    let more = async {
        while until_used_up(&in_hand, usize::from(first), &stop).await {
            let until = Stop { gently: stop.gently.child_token(), now: stop.now.clone() };
            let ended = until.gently.clone();
            tokio::join!(subscribed(second, until), async {
                until_quiet(&in_hand, usize::from(first), &ended).await;
                ended.cancel();
            });
        }
    };
    tokio::join!(subscribed(first, stop.clone()), more);
}

/// Returns when the first subscription, of so many deliveries, is used up; `false` when stopped meanwhile.
async fn until_used_up(in_hand: &QueueInHand, first: usize, stop: &Stop) -> bool {
    tokio::select! {
        () = stop.gently.cancelled() => false,
        () = in_hand.reaches(first) => true,
    }
}

/// Returns when the first subscription would have been enough for some time, or when stopped.
async fn until_quiet(in_hand: &QueueInHand, first: usize, stopped: &CancellationToken) {
    let mut quiet = Duration::ZERO;
    while quiet < QUIET {
        tokio::select! {
            () = stopped.cancelled() => return,
            () = tokio::time::sleep(QUIET_INTERVAL) => {}
        }
        quiet = if in_hand.count() > first / 2 { Duration::ZERO } else { quiet + QUIET_INTERVAL };
    }
}

/// Consumes by one subscription at a time until stopped.
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

/// Records what the broker took out of the shared queues: calls that expired before they started, and messages that were redelivered too often.
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

/// `false`: it has to come again.
async fn handle_dead_letter(consumption: &Consumption, delivery: Delivery) -> bool {
    let envelope = match delivery.envelope(&consumption.key) {
        Ok(envelope) => envelope,
        Err(error) => return put_aside(&consumption.publisher, delivery, &error.to_string()).await,
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
        () = tokio::time::sleep(PAUSE) => {}
    }
}
