//! The shared queues, which every worker consumes, and their dead-letter queue.

use super::dispatcher::{Consumption, Keying, Stop, dispatch, put_aside};
use crate::execution::{Disposition, SharedQueue};
use forebay_broker::{Delivery, Queue};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const PAUSE: Duration = Duration::from_millis(300);
const DEAD_PREFETCH: u16 = 50;

/// Consumes one shared queue until stopped. `places` are shared by the queues of a kind.
pub(crate) async fn serve(consumption: Consumption, shared: SharedQueue, places: Arc<Semaphore>, prefetch: u16, stop: Stop) {
    let queue = if shared.is_awaited { Queue::Call(shared.number) } else { Queue::Work(shared.number) };
    while !stop.gently.is_cancelled() {
        match consumption.consumers.subscribe(queue, prefetch).await {
            Ok(subscription) => _ = dispatch(&consumption, subscription, Keying::EachShared(shared), &places, &stop).await,
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
    let envelope = match delivery.envelope() {
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
