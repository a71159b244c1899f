//! From a queue's deliveries to executions: one mechanism for shared lanes and for the three policies of exclusive queues.
//!
//! Deliveries with the same key run one after another in the order in which they came; different keys run at once, as
//! many as there are places. Serial is one key, by-key is the mapping's, parallel gives each delivery a key of its own.

use crate::execute::{Claimed, Executed, Executor};
use crate::in_hand::Held;
use forebay_broker::{Delivery, Destination, Queue, Subscription};
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionError;
use forebay_contract::unix_micros;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What gives a delivery its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keying {
    /// One key for all.
    Serial,
    /// The mapping `by` of the version that accepted the call.
    ByMapping,
    /// Each its own, on an exclusive queue (`lane` is absent) or on the lane of this number.
    Each { lane: Option<Lane> },
}

/// A shared lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) number: u16,
    /// Whether its callers wait for outcomes: retries are made in process then.
    pub(crate) is_awaited: bool,
}

/// Why dispatching ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As asked: what was running has ended.
    Stopped,
    /// The subscription is gone, or a delivery has to come again.
    Lost,
    /// An execution has halted the trigger.
    Halted,
}

/// When to stop, and how long what runs may go on.
#[derive(Clone)]
pub(crate) struct Stop {
    /// Cancelled: start nothing more.
    pub(crate) gently: CancellationToken,
    /// Cancelled: end what runs.
    pub(crate) now: CancellationToken,
}

type Job = (Delivery, Envelope, Held);
type Done = (String, Option<Delivery>, Executed);

/// Runs deliveries until stopped, lost or halted; the subscription is closed then.
pub(crate) async fn dispatch(
    executor: &Arc<Executor>,
    mut subscription: Subscription,
    keying: Keying,
    places: &Arc<Semaphore>,
    stop: &Stop,
) -> End {
    let mut waiting: HashMap<String, VecDeque<Job>> = HashMap::new();
    let mut running: JoinSet<Done> = JoinSet::new();
    let lost = subscription.lost().clone();
    let in_hand = executor.in_hand.queue(subscription.queue_name());
    let ending = CancellationToken::new();
    let (ordered, lane) = match keying {
        Keying::Each { lane } => (false, lane),
        Keying::Serial | Keying::ByMapping => (true, None),
    };
    let (executor, places) = (executor.clone(), places.clone());
    let starter = Starter { executor, places, lost: lost.clone(), ending: ending.clone(), lane, ordered };
    let mut number: u64 = 0;
    let mut end = End::Stopped;
    loop {
        tokio::select! {
            biased;
            () = stop.gently.cancelled() => break,
            Some(done) = running.join_next(), if !running.is_empty() => {
                match settle(done) {
                    Settled::Next(key) => {
                        let next = waiting.get_mut(&key).and_then(VecDeque::pop_front);
                        match next {
                            Some(job) => starter.start(&mut running, key, job),
                            None => _ = waiting.remove(&key),
                        }
                    }
                    Settled::End(why) => {
                        end = why;
                        break;
                    }
                }
            }
            delivery = subscription.next() => {
                let Some(delivery) = delivery else {
                    end = End::Lost;
                    break;
                };
                let envelope = match delivery.envelope() {
                    Ok(envelope) => envelope,
                    Err(error) => {
                        if !put_aside(&starter.executor, delivery, &error.to_string()).await {
                            end = End::Lost;
                            break;
                        }
                        continue;
                    }
                };
                number += 1;
                // A `wait` is no delay.
                let under_way_since = if envelope.resumes { unix_micros() } else { envelope.received_at };
                let held = in_hand.hold(envelope.received_at, number, envelope.integration_id, under_way_since);
                let Some(key) = key_of(&starter.executor, keying, number, &envelope, &lost).await else {
                    end = End::Lost;
                    break;
                };
                let key = match key {
                    Ok(key) => key,
                    Err(error) => {
                        if starter.executor.fail(&envelope, error, delivery.redeliveries()).await != Executed::Recorded {
                            end = End::Lost;
                            break;
                        }
                        delivery.ack();
                        continue;
                    }
                };
                // A key that is present runs: its deliveries wait behind.
                match waiting.get_mut(&key) {
                    Some(queue) => queue.push_back((delivery, envelope, held)),
                    None => {
                        waiting.insert(key.clone(), VecDeque::new());
                        starter.start(&mut running, key, (delivery, envelope, held));
                    }
                }
            }
        }
    }
    ending.cancel();
    loop {
        tokio::select! {
            done = running.join_next() => match done {
                Some(done) => _ = settle(done),
                None => break,
            },
            () = stop.now.cancelled(), if !lost.is_cancelled() => lost.cancel(),
        }
    }
    subscription.close().await;
    end
}

/// What every execution of one subscription is started with.
struct Starter {
    executor: Arc<Executor>,
    places: Arc<Semaphore>,
    lost: CancellationToken,
    ending: CancellationToken,
    lane: Option<Lane>,
    ordered: bool,
}

impl Starter {
    fn start(&self, running: &mut JoinSet<Done>, key: String, (delivery, envelope, held): Job) {
        let (executor, places, lost, ending) = (self.executor.clone(), self.places.clone(), self.lost.clone(), self.ending.clone());
        let (lane, ordered) = (self.lane, self.ordered);
        running.spawn(async move {
            let place = tokio::select! {
                biased;
                () = ending.cancelled() => return (key, None, Executed::Left),
                place = places.acquire_owned() => place,
            };
            let (redelivered, redeliveries) = (delivery.redelivered(), delivery.redeliveries());
            let claimed = Claimed { envelope: &envelope, redelivered, redeliveries, lost: &lost, lane, ordered, depth: 0 };
            let executed = executor.execute(claimed, move || drop(place)).await;
            drop(held);
            (key, Some(delivery), executed)
        });
    }
}

enum Settled {
    Next(String),
    End(End),
}

fn settle(done: Result<Done, tokio::task::JoinError>) -> Settled {
    match done {
        Ok((key, Some(delivery), Executed::Recorded)) => {
            delivery.ack();
            Settled::Next(key)
        }
        Ok((_, _, Executed::Halted)) => Settled::End(End::Halted),
        Ok(_) => Settled::End(End::Lost),
        Err(error) => {
            tracing::error!(%error, "an execution's task failed; its delivery will come again");
            Settled::End(End::Lost)
        }
    }
}

/// `None` when the delivery was lost before the key could be known.
async fn key_of(
    executor: &Executor,
    keying: Keying,
    number: u64,
    envelope: &Envelope,
    lost: &CancellationToken,
) -> Option<Result<String, ExecutionError>> {
    match keying {
        Keying::Serial => Some(Ok(String::new())),
        Keying::Each { .. } => Some(Ok(number.to_string())),
        Keying::ByMapping => match executor.program(envelope, lost).await? {
            Ok(program) => Some(program.ordering_key(envelope).await),
            Err(error) => Some(Err(error)),
        },
    }
}

/// A message that can never be executed goes to the `unreadable` queue, so that it neither is lost nor blocks.
pub(crate) async fn put_aside(executor: &Executor, delivery: Delivery, reason: &str) -> bool {
    tracing::error!(
        messaging.message.id = delivery.message_id(),
        reason,
        "a message cannot be executed; it is put aside on the 'unreadable' queue"
    );
    let aside = delivery.as_unreadable(reason);
    let put_aside = executor.publisher.publish(None, Destination::Queue(Queue::Unreadable), aside).await.is_ok();
    if put_aside {
        delivery.ack();
    }
    put_aside
}
