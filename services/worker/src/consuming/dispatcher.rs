//! From a queue's deliveries to executions: one mechanism for shared queues and for the three policies of exclusive queues.
//!
//! Deliveries with the same key run one after another in the order of arrival. Deliveries with different keys run in parallel, as many as
//! there are places. An ordered queue uses one key, "ordered by key" uses the key of the mapping, and a parallel queue gives each delivery
//! its own key.

use super::admission::Admission;
use super::in_hand::{Held, InHand};
use crate::execution::{Delivered, Disposition, Executions, SharedQueue, Source};
use forebay_broker::{Consumers, Delivery, MessageKey, Publisher, Subscription};
use forebay_contract::outcome::ExecutionError;
use forebay_contract::{Name, SharedQueueNumber, UnixMicros};
use forebay_fairness::by_turns;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Minimum redeliveries from which an execution is suspected of ending its workers. It is not 1: a message that was only in hand of a
/// worker that ended for another reason is redelivered too.
const SUSPECT: u32 = 2;

/// The rule that gives a delivery its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keying {
    /// One key for all.
    Serial,
    /// The mapping `by` of the version that accepted the call.
    ByMapping,
    /// Each delivery has its own key, on an exclusive queue.
    Each,
    /// Each delivery has its own key, on a shared queue.
    EachShared(SharedQueue),
}

impl Keying {
    fn source(self) -> Source {
        match self {
            Self::Serial | Self::ByMapping => Source::ExclusiveQueue { is_ordered: true },
            Self::Each => Source::ExclusiveQueue { is_ordered: false },
            Self::EachShared(queue) => Source::SharedQueue(queue),
        }
    }
}

/// The parts of a worker that consuming needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Consumption {
    pub(crate) executions: Arc<Executions>,
    pub(crate) consumers: Consumers,
    /// Moves messages that cannot be executed.
    pub(crate) publisher: Publisher,
    /// Verifies that a message was written by this installation.
    pub(crate) key: MessageKey,
    pub(crate) in_hand: InHand,
}

/// The reason for which dispatching ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was stopped, and all running executions have ended.
    Stopped,
    /// The subscription is lost, or a delivery must be redelivered.
    Lost,
    /// An execution has halted the trigger.
    Halted,
    /// The integration of the queue is paused.
    Paused,
}

/// The signals to stop.
#[derive(Clone)]
pub(crate) struct Stop {
    /// When cancelled, no more executions begin.
    pub(crate) gently: CancellationToken,
    /// When cancelled, running executions are aborted.
    pub(crate) now: CancellationToken,
}

/// A delivery that waits for its turn.
struct Job {
    delivery: Delivery,
    delivered: Delivered,
    held: Held,
}

/// A delivery that was executed, or that was left before it began (`delivery` is absent).
struct Done {
    key: String,
    delivery: Option<Delivery>,
    disposition: Disposition,
}

/// Runs deliveries until it is stopped or halted, or the subscription is lost; then it closes the subscription.
pub(crate) async fn dispatch(
    consumption: &Consumption,
    mut subscription: Subscription,
    keying: Keying,
    admission: &Admission,
    stop: &Stop,
) -> End {
    let mut waiting: HashMap<String, VecDeque<Job>> = HashMap::new();
    let mut running: JoinSet<Done> = JoinSet::new();
    let lost = subscription.lost().clone();
    let in_hand = consumption.in_hand.queue(subscription.queue_name());
    let ending = CancellationToken::new();
    let executions = &consumption.executions;
    let starter = Starter { executions: executions.clone(), admission: admission.clone(), ending: ending.clone() };
    let mut number: u64 = 0;
    let mut end = End::Stopped;
    loop {
        tokio::select! {
            biased;
            () = stop.gently.cancelled() => break,
            Some(done) = running.join_next(), if !running.is_empty() => {
                match next_action(done) {
                    NextAction::Run(key) => {
                        let next = waiting.get_mut(&key).and_then(VecDeque::pop_front);
                        match next {
                            Some(job) => starter.start(&mut running, key, job),
                            None => _ = waiting.remove(&key),
                        }
                    }
                    NextAction::End(reason) => {
                        end = reason;
                        break;
                    }
                }
            }
            delivery = subscription.next() => {
                let Some(delivery) = delivery else {
                    end = End::Lost;
                    break;
                };
                let envelope = match delivery.envelope(&consumption.key) {
                    Ok(envelope) => envelope,
                    Err(error) => {
                        if !move_to_unreadable(&consumption.publisher, delivery, &error.to_string()).await {
                            end = End::Lost;
                            break;
                        }
                        continue;
                    }
                };
                number += 1;
                // The time of a `wait` is not a delay.
                let under_way_since = if envelope.resumes { UnixMicros::now() } else { envelope.received_at };
                let held = in_hand.hold(envelope.received_at, envelope.integration_id, under_way_since, envelope.body.len());
                // A message that was moved counts the deliveries of the one before it.
                let redeliveries = delivery.redeliveries() + envelope.redeliveries;
                let redelivered = delivery.redelivered() || envelope.redeliveries > 0;
                let delivered = Delivered { envelope, redelivered, redeliveries, source: keying.source(), lost: lost.clone(), nested: 0 };
                let Some(key) = key_of(executions, keying, number, &delivered).await else {
                    end = End::Lost;
                    break;
                };
                let key = match key {
                    Ok(key) => key,
                    Err(error) => {
                        if executions.fail(&delivered.envelope, error, redeliveries).await != Disposition::Acknowledge {
                            end = End::Lost;
                            break;
                        }
                        delivery.ack();
                        continue;
                    }
                };
                let job = Job { delivery, delivered, held };
                // If the key is present, an execution with it runs: this delivery waits behind it.
                match waiting.get_mut(&key) {
                    Some(queue) => queue.push_back(job),
                    None => {
                        waiting.insert(key.clone(), VecDeque::new());
                        starter.start(&mut running, key, job);
                    }
                }
            }
        }
    }
    ending.cancel();
    loop {
        tokio::select! {
            done = running.join_next() => match done {
                Some(done) => _ = next_action(done),
                None => break,
            },
            () = stop.now.cancelled(), if !lost.is_cancelled() => lost.cancel(),
        }
    }
    subscription.close().await;
    end
}

/// Starts the executions of one subscription.
struct Starter {
    executions: Arc<Executions>,
    admission: Admission,
    ending: CancellationToken,
}

impl Starter {
    fn start(&self, running: &mut JoinSet<Done>, key: String, job: Job) {
        let (executions, admission, ending) = (self.executions.clone(), self.admission.clone(), self.ending.clone());
        let (waiting, relief) = admission.wait(&job.delivered);
        running.spawn(async move {
            let Job { delivery, delivered, held } = job;
            let has_begun = AtomicBool::new(false);
            let (to_begin, begun) = (&delivered, &has_begun);
            let begin = |connections: Arc<[Name]>| async move {
                let admitted = waiting.admitted(to_begin, connections).await;
                begun.store(true, Ordering::Relaxed);
                admitted
            };
            let mut execution = std::pin::pin!(by_turns(
                &delivered.envelope.tenant,
                delivered.redeliveries >= SUSPECT,
                executions.execute(&delivered, begin)
            ));
            let next = tokio::select! {
                biased;
                disposition = &mut execution => Next::Ended(disposition),
                () = unless_begun(ending.cancelled(), &has_begun) => Next::Leave,
                number = unless_begun(admission.relief(relief), &has_begun) => Next::Move(number),
            };
            let (delivery, disposition) = match next {
                // The execution is over, so the delivery holds no place while it moves.
                Next::Ended(Disposition::Pause) => (Some(delivery), admission.pause(&delivered, &ending).await),
                Next::Ended(disposition) => (Some(delivery), disposition),
                Next::Leave => (None, Disposition::Leave),
                // The execution does not proceed during the move.
                Next::Move(number) => match admission.relocate(&delivered, number).await {
                    true => (Some(delivery), Disposition::Acknowledge),
                    false => (Some(delivery), execution.await),
                },
            };
            drop(held);
            Done { key, delivery, disposition }
        });
    }
}

/// The next action for a delivery.
enum Next {
    /// Its execution has ended.
    Ended(Disposition),
    /// The delivery has not begun, and must not begin.
    Leave,
    /// The delivery has not begun, and moves to the shared queue of this number.
    Move(SharedQueueNumber),
}

/// Resolves with the event if the execution has not begun by then; never resolves otherwise.
async fn unless_begun<T>(event: impl Future<Output = T>, has_begun: &AtomicBool) -> T {
    let event = event.await;
    if has_begun.load(Ordering::Relaxed) { std::future::pending().await } else { event }
}

/// The action that follows an execution.
enum NextAction {
    /// The next delivery with this key runs.
    Run(String),
    /// Dispatching ends.
    End(End),
}

fn next_action(done: Result<Done, tokio::task::JoinError>) -> NextAction {
    match done {
        Ok(Done { key, delivery: Some(delivery), disposition: Disposition::Acknowledge }) => {
            delivery.ack();
            NextAction::Run(key)
        }
        Ok(Done { disposition: Disposition::Halt, .. }) => NextAction::End(End::Halted),
        Ok(Done { disposition: Disposition::Pause, .. }) => NextAction::End(End::Paused),
        Ok(_) => NextAction::End(End::Lost),
        Err(error) => {
            tracing::error!(%error, "an execution's task failed; its delivery will come again");
            NextAction::End(End::Lost)
        }
    }
}

/// Returns the key of a delivery; `None` when the delivery was lost before its key was known.
async fn key_of(executions: &Executions, keying: Keying, number: u64, delivered: &Delivered) -> Option<Result<String, ExecutionError>> {
    match keying {
        Keying::Serial => Some(Ok(String::new())),
        Keying::Each | Keying::EachShared(_) => Some(Ok(number.to_string())),
        Keying::ByMapping => executions.ordering_key(delivered).await,
    }
}

/// Moves a message that can never be executed to the `unreadable` queue, so that it is neither lost nor blocks its queue. Returns `false`
/// if it was not moved.
pub(crate) async fn move_to_unreadable(publisher: &Publisher, delivery: Delivery, reason: &str) -> bool {
    tracing::error!(
        messaging.message.id = delivery.message_id(),
        reason,
        "a message cannot be executed; it is moved to the queue `unreadable`"
    );
    let is_moved = publisher.publish_unreadable(&delivery, reason).await.is_ok();
    if is_moved {
        delivery.ack();
    }
    is_moved
}
