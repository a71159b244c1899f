//! One exclusive queue for as long as it is assigned to this worker, as its primary or its standby.

use super::admission::Admission;
use super::dispatcher::{Consumption, End, Keying, Stop, dispatch};
use forebay_broker::Queue;
use forebay_contract::definition::Delivery;
use forebay_store::SnapshotHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Each ordered execution waits for the record of the one before; some prefetched deliveries hide the broker's latency. They are few, since
/// their bodies are held in memory, and come again when the worker goes away.
const SERIAL_PREFETCH: u16 = 4;
const PAUSE: Duration = Duration::from_millis(300);
/// Longer than a snapshot takes to bring a halt.
const PAUSE_AFTER_HALT: Duration = Duration::from_secs(1);

/// Consumes until stopped. A standby subscribes after `delay`, behind the primary.
pub(crate) async fn serve(
    consumption: Consumption,
    snapshot: SnapshotHandle,
    integration: Uuid,
    policy: Delivery,
    delay: Duration,
    stop: Stop,
) {
    let (keying, places, prefetch) = match policy {
        Delivery::Serial => (Keying::Serial, 1, SERIAL_PREFETCH),
        Delivery::ByKey { concurrency, .. } => (Keying::ByMapping, concurrency, prefetch_of(concurrency, 4)),
        Delivery::Parallel(concurrency) => (Keying::Each, concurrency, prefetch_of(concurrency, 2)),
        Delivery::Lane => return,
    };
    let admission = Admission::Exclusive(Arc::new(Semaphore::new(places)));
    let mut pause = delay;
    while until(&stop, pause).await && until_not_halted(&snapshot, integration, &stop).await {
        pause = PAUSE;
        let subscription = match consumption.consumers.subscribe(Queue::Trigger(integration), prefetch).await {
            Ok(subscription) => subscription,
            Err(error) => {
                tracing::debug!(forebay.integration.id = %integration, %error, "the exclusive queue cannot be consumed; trying again");
                continue;
            }
        };
        match dispatch(&consumption, subscription, keying, &admission, &stop).await {
            End::Stopped => return,
            End::Lost => {}
            End::Halted => pause = PAUSE_AFTER_HALT,
        }
    }
}

fn prefetch_of(concurrency: usize, times: usize) -> u16 {
    u16::try_from((concurrency * times).max(usize::from(SERIAL_PREFETCH))).unwrap_or(u16::MAX)
}

/// `false` when stopped meanwhile.
async fn until(stop: &Stop, pause: Duration) -> bool {
    tokio::select! {
        () = stop.gently.cancelled() => false,
        () = tokio::time::sleep(pause) => true,
    }
}

/// Waits while the trigger is halted and nobody has decided; `false` when stopped meanwhile.
async fn until_not_halted(snapshot: &SnapshotHandle, integration: Uuid, stop: &Stop) -> bool {
    let mut snapshot = snapshot.clone();
    loop {
        let undecided = snapshot.current().trigger_state(integration).is_some_and(|state| state.decision.is_none());
        if !undecided {
            return !stop.gently.is_cancelled();
        }
        tokio::select! {
            () = stop.gently.cancelled() => return false,
            () = snapshot.changed() => {}
        }
    }
}
