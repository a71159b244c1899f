//! The shared lanes, which every worker consumes, and the queue of what died in them.

use crate::dispatch::{Keying, Lane, Stop, dispatch, put_aside};
use crate::execute::{Executed, Executor};
use forebay_broker::{Consumers, Delivery, Queue};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const PAUSE: Duration = Duration::from_millis(300);
const DEAD_PREFETCH: u16 = 50;

/// Consumes one lane until stopped. `places` are shared by the lanes of a kind.
pub(crate) async fn serve(executor: Arc<Executor>, consumers: Consumers, lane: Queue, places: Arc<Semaphore>, prefetch: u16, stop: Stop) {
    let keying = match lane {
        Queue::Work(number) => Keying::Each { lane: Some(Lane { number, is_awaited: false }) },
        Queue::Call(number) => Keying::Each { lane: Some(Lane { number, is_awaited: true }) },
        _ => Keying::Each { lane: None },
    };
    while !stop.gently.is_cancelled() {
        match consumers.subscribe(lane, prefetch).await {
            Ok(subscription) => _ = dispatch(&executor, subscription, keying, &places, &stop).await,
            Err(error) => tracing::debug!(?lane, %error, "the lane cannot be consumed; trying again"),
        }
        pause(&stop).await;
    }
}

/// Records what the broker took out of the lanes: calls that expired before they started, and messages that were redelivered too often.
pub(crate) async fn serve_dead(executor: Arc<Executor>, consumers: Consumers, stop: Stop) {
    while !stop.gently.is_cancelled() {
        if let Ok(mut subscription) = consumers.subscribe(Queue::Dead, DEAD_PREFETCH).await {
            loop {
                let delivery = tokio::select! {
                    () = stop.gently.cancelled() => None,
                    delivery = subscription.next() => delivery,
                };
                let Some(delivery) = delivery else { break };
                if !bury(&executor, delivery).await {
                    break;
                }
            }
            subscription.close().await;
        }
        pause(&stop).await;
    }
}

/// `false`: it has to come again.
async fn bury(executor: &Executor, delivery: Delivery) -> bool {
    let envelope = match delivery.envelope() {
        Ok(envelope) => envelope,
        Err(error) => return put_aside(executor, delivery, &error.to_string()).await,
    };
    let executed = match delivery.dead_because().as_deref() {
        Some("expired") => executor.expire(&envelope).await,
        reason => {
            let message = format!(
                "the broker gave the execution up ({}): its workers went away each time they had begun it",
                reason.unwrap_or("unknown")
            );
            let error = ExecutionError::permanent(ErrorCode::Crashed, message);
            executor.fail(&envelope, error, delivery.redeliveries()).await
        }
    };
    if executed == Executed::Recorded {
        delivery.ack();
    }
    executed == Executed::Recorded
}

async fn pause(stop: &Stop) {
    tokio::select! {
        () = stop.gently.cancelled() => {}
        () = tokio::time::sleep(PAUSE) => {}
    }
}
