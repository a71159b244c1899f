//! Outcomes on their way to the store: written in batches, before the delivery is acknowledged.
//!
//! While the database is away outcomes are spooled onto a durable queue of the broker and written when it is back, so
//! that executions go on, are answered and acknowledged, and memory stays flat.

use super::announcer::Announcer;
use crate::execution::ports::Urgency;
use crate::measure;
use crate::store_health::StoreHealth;
use forebay_broker::{Consumers, Delivery, Destination, Message, MessageKey, Publisher, Queue, encode_record, stable_hash};
use forebay_store::{Record, Store, StoreError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const MAX_BATCH: usize = 500;
const WAITING: usize = 4096;
/// Only the acknowledgement waits for the record of an execution from a shared queue; the caller has its answer.
const LINGER: Duration = Duration::from_millis(3);
/// How often the spool is looked at.
const SPOOL_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time for a batch while the database still seems to be there.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);
const SPOOL_PREFETCH: u16 = 200;
const SPOOL_GATHER: Duration = Duration::from_millis(20);

/// Neither the store nor the broker took the outcome: the delivery stays unacknowledged and comes again.
#[derive(Debug, thiserror::Error)]
#[error("the outcome could be written neither to the store nor to the broker")]
pub(crate) struct NotRecorded;

/// Where a record is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// In the store.
    Stored,
    /// Nowhere: the store has a record that stays, such as a success of another worker.
    Superseded,
    /// On a queue of the broker, until the database is back.
    Spooled,
}

/// Hands outcomes to the recording tasks: what somebody waits for is not behind what may wait.
#[derive(Clone)]
pub(crate) struct Recorder {
    urgent: mpsc::Sender<Waiting>,
    batched: mpsc::Sender<Waiting>,
}

struct Waiting {
    record: Record,
    done: oneshot::Sender<Result<Recorded, NotRecorded>>,
}

impl Recorder {
    /// Starts the recording tasks; they end when the last handle is dropped.
    pub(crate) fn start(destination: RecordDestination, announcer: Announcer) -> Self {
        let [urgent, batched] = [Duration::ZERO, LINGER].map(|linger| {
            let (records, waiting) = mpsc::channel(WAITING);
            tokio::spawn(write_batches(destination.clone(), announcer.clone(), waiting, linger));
            records
        });
        Self { urgent, batched }
    }

    /// Returns once the outcome is durable.
    pub(crate) async fn record(&self, record: Record, urgency: Urgency) -> Result<Recorded, NotRecorded> {
        let (done, written) = oneshot::channel();
        let records = match urgency {
            Urgency::Now => &self.urgent,
            Urgency::Batched => &self.batched,
        };
        records.send(Waiting { record, done }).await.map_err(|_| NotRecorded)?;
        written.await.map_err(|_| NotRecorded)?
    }
}

/// `linger`: how long a batch may grow.
async fn write_batches(destination: RecordDestination, announcer: Announcer, mut waiting: mpsc::Receiver<Waiting>, linger: Duration) {
    let publisher = &destination.publisher;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        gather(&mut waiting, &mut batch, linger).await;
        let (records, done): (Vec<_>, Vec<_>) = batch.drain(..).map(|waiting: Waiting| (waiting.record, waiting.done)).unzip();
        if let Some(written) = destination.write(&records).await {
            announcer.add(&records);
            for (done, recorded) in done.into_iter().zip(written) {
                let _ = done.send(Ok(recorded));
            }
            continue;
        }
        // Confirms come back together: the batch is sent as a whole, not one by one.
        let spooled = records.iter().zip(done).map(|(record, done)| {
            let publisher = publisher.clone();
            let message = destination.message(record);
            let order = stable_hash(record.execution_id.unique().as_bytes());
            async move {
                let result = publisher.publish(Some(order), Destination::Queue(Queue::Outcomes), message).await;
                if result.is_ok() {
                    measure::spooled();
                }
                let _ = done.send(result.map(|()| Recorded::Spooled).map_err(|_| NotRecorded));
            }
        });
        let tasks: Vec<_> = spooled.map(tokio::spawn).collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}

/// Lets a batch grow for a moment.
async fn gather(waiting: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>, linger: Duration) {
    let until = Instant::now() + linger;
    while batch.len() < MAX_BATCH && !linger.is_zero() {
        let room = MAX_BATCH - batch.len();
        if !matches!(tokio::time::timeout_at(until, waiting.recv_many(batch, room)).await, Ok(received) if received > 0) {
            return;
        }
    }
}

/// Where records go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RecordDestination {
    pub(crate) store: Store,
    pub(crate) health: StoreHealth,
    /// For records that wait for the store, and for those that it refuses.
    pub(crate) publisher: Publisher,
    pub(crate) key: MessageKey,
}

impl RecordDestination {
    /// Where each record of the batch is now: in the store, superseded, or put aside since it never will be in the store. `None`: the
    /// database is away, or refuses a record that the broker does not take either.
    async fn write(&self, records: &[Record]) -> Option<Vec<Recorded>> {
        let recorded = |is_stored| if is_stored { Recorded::Stored } else { Recorded::Superseded };
        match self.ask(records).await {
            Ok(stored) => {
                measure::recorded(records.len());
                Some(stored.into_iter().map(recorded).collect())
            }
            Err(error) if error.is_unavailable() => {
                tracing::debug!(%error, outcomes = records.len(), "the database is away; outcomes are kept on the broker");
                None
            }
            Err(_) => {
                // One record that the database refuses must not hold back the others.
                let mut written = Vec::with_capacity(records.len());
                for record in records {
                    match self.ask(std::slice::from_ref(record)).await {
                        Ok(stored) => {
                            measure::recorded(1);
                            written.extend(stored.into_iter().map(recorded));
                        }
                        Err(error) if !error.is_unavailable() && put_aside(self, record, &error).await => {
                            written.push(Recorded::Stored);
                        }
                        Err(_) => return None,
                    }
                }
                Some(written)
            }
        }
    }

    fn message(&self, record: &Record) -> Message {
        encode_record(&record.execution_id, serde_json::to_vec(record).unwrap_or_default(), &self.key)
    }

    async fn ask(&self, records: &[Record]) -> Result<Vec<bool>, StoreError> {
        self.health.ask(&self.store, STORE_TIMEOUT, self.store.record(records)).await
    }
}

/// Whether the broker took it.
async fn put_aside(destination: &RecordDestination, record: &Record, error: &StoreError) -> bool {
    let publisher = &destination.publisher;
    tracing::error!(forebay.execution.id = %record.execution_id, %error, "the database refuses an outcome; it is put aside on the 'unreadable' queue");
    let aside = destination.message(record).as_unreadable(&publisher.name_of(Queue::Outcomes), &error.to_string());
    let published = publisher.publish(None, Destination::Queue(Queue::Unreadable), aside).await;
    if let Err(error) = &published {
        tracing::error!(forebay.execution.id = %record.execution_id, %error, "the refused outcome could not be put aside");
    }
    published.is_ok()
}

/// Writes spooled outcomes to the store whenever it is there.
pub(crate) async fn drain_spool(destination: RecordDestination, consumers: Consumers, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if destination.health.ask(&destination.store, STORE_TIMEOUT, destination.store.ping()).await.is_ok()
            && let Ok(mut subscription) = consumers.subscribe(Queue::Outcomes, SPOOL_PREFETCH).await
        {
            loop {
                let first = tokio::select! {
                    () = shutdown.cancelled() => None,
                    delivery = subscription.next() => delivery,
                };
                let Some(first) = first else { break };
                let mut deliveries = vec![first];
                let until = Instant::now() + SPOOL_GATHER;
                while let Ok(Some(delivery)) = tokio::time::timeout_at(until, subscription.next()).await {
                    deliveries.push(delivery);
                }
                if !write_spooled(&destination, deliveries).await {
                    break;
                }
            }
            subscription.close().await;
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(SPOOL_INTERVAL) => {}
        }
    }
}

async fn write_spooled(destination: &RecordDestination, deliveries: Vec<Delivery>) -> bool {
    let mut records = Vec::with_capacity(deliveries.len());
    for delivery in &deliveries {
        let record = delivery.record(&destination.key).map_err(|error| error.to_string());
        match record.and_then(|body| serde_json::from_slice::<Record>(body).map_err(|error| error.to_string())) {
            Ok(record) => records.push(record),
            Err(error) => {
                tracing::error!(messaging.message.id = delivery.message_id(), %error, "a spooled outcome cannot be read; it is put aside");
                let aside = delivery.as_unreadable(&error);
                if destination.publisher.publish(None, Destination::Queue(Queue::Unreadable), aside).await.is_err() {
                    return false;
                }
            }
        }
    }
    if destination.write(&records).await.is_none() {
        return false;
    }
    deliveries.into_iter().for_each(Delivery::ack);
    true
}
