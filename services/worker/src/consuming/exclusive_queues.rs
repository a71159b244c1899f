//! Consumes one exclusive queue while it is assigned to this worker, as its primary or its standby.

use super::activity::Activity;
use super::admission::Admission;
use super::dispatcher::{Consumption, End, Keying, Stop, dispatch};
use super::paused_queues::until_not_paused;
use forebay_broker::Queue;
use forebay_contract::definition::{DispatchPolicy, MAX_BODY_BYTES, Trigger};
use forebay_fairness::memory_budget;
use forebay_store::{Snapshot, SnapshotHandle};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Prefetch of a strictly ordered queue. More than 1 hides the latency of the broker while an execution waits for the record of the one
/// before. It is small, since the bodies are held in memory, and are redelivered when the worker goes away.
const SERIAL_PREFETCH: u16 = 4;
/// Divisor of the worker's memory: the deliveries of one queue may fill this part with the largest bodies that its trigger accepts.
const MEMORY_SHARE: usize = 2;
const RETRY_INTERVAL: Duration = Duration::from_millis(300);
/// Pause after a halt; longer than a snapshot takes to have the halt.
const INTERVAL_AFTER_HALT: Duration = Duration::from_secs(1);

/// Consumes until stopped. A standby subscribes after `delay`, behind the primary.
pub(crate) async fn serve(
    consumption: Consumption,
    snapshot: SnapshotHandle,
    integration: Uuid,
    policy: DispatchPolicy,
    delay: Duration,
    activity: Activity,
    stop: Stop,
) {
    let (keying, places, desired) = match policy {
        DispatchPolicy::Ordered => (Keying::Serial, 1, usize::from(SERIAL_PREFETCH)),
        // Deliveries whose key is running wait in the worker.
        DispatchPolicy::OrderedByKey { concurrency, .. } => (Keying::ByMapping, concurrency, concurrency * 4),
        DispatchPolicy::ConcurrencyLimit(concurrency) => (Keying::Each, concurrency, concurrency * 2),
        DispatchPolicy::Parallel => return,
    };
    let admission = Admission::Exclusive { places: Arc::new(Semaphore::new(places)), activity: activity.clone() };
    let mut pause = delay;
    while until(&stop, pause).await
        && until_not_halted(&snapshot, integration, &stop).await
        && until_not_paused(&snapshot, integration, &stop).await
    {
        pause = RETRY_INTERVAL;
        activity.begin();
        let prefetch = prefetch_of(desired, largest_body(&snapshot.current(), integration), memory_budget());
        let subscription = match consumption.consumers.subscribe(Queue::Trigger(integration), prefetch).await {
            Ok(subscription) => subscription,
            Err(error) => {
                tracing::debug!(forebay.integration.id = %integration, %error, "the exclusive queue cannot be consumed; trying again");
                continue;
            }
        };
        match dispatch(&consumption, subscription, keying, &admission, &stop).await {
            End::Stopped => return,
            // No pause: the snapshot has the reason already.
            End::Paused => pause = Duration::ZERO,
            End::Lost => {}
            End::Halted => pause = INTERVAL_AFTER_HALT,
        }
    }
}

/// Returns the prefetch: the desired one, or less where bodies of this size would fill too much of the memory.
fn prefetch_of(desired: usize, largest_body: usize, memory: usize) -> u16 {
    let fitting = memory / MEMORY_SHARE / largest_body.max(1);
    u16::try_from(desired.min(fitting)).unwrap_or(u16::MAX).max(SERIAL_PREFETCH)
}

/// Returns the maximum bytes of a body that the trigger accepts.
fn largest_body(snapshot: &Snapshot, integration: Uuid) -> usize {
    match snapshot.integration_by_id(integration).map(|integration| &integration.definition.trigger) {
        Some(Trigger::Webhook(webhook)) => webhook.max_bytes,
        Some(Trigger::Schedule(_)) | None => MAX_BODY_BYTES,
    }
}

/// Waits for the pause; returns `false` when stopped meanwhile.
async fn until(stop: &Stop, pause: Duration) -> bool {
    tokio::select! {
        () = stop.gently.cancelled() => false,
        () = tokio::time::sleep(pause) => true,
    }
}

/// Waits while the trigger is halted without a decision; returns `false` when stopped meanwhile.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_draws_what_is_wanted_as_far_as_the_largest_bodies_fit_into_memory() {
        let mebi = 1 << 20;
        assert_eq!(prefetch_of(64, mebi, 256 * mebi), 64);
        assert_eq!(prefetch_of(4096, mebi, 256 * mebi), 128, "half of the memory");
        assert_eq!(prefetch_of(4096, 8 * mebi, 256 * mebi), 16);
        assert_eq!(prefetch_of(4096, 8 * mebi, mebi), SERIAL_PREFETCH, "bodies that do not fit wait in the worker");
        assert_eq!(prefetch_of(1, mebi, 256 * mebi), SERIAL_PREFETCH);
        assert_eq!(prefetch_of(4096, 0, usize::MAX), 4096, "a trigger that takes no body");
    }
}
