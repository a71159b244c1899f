//! Outcomes on their way to the store: written in batches, before the delivery is acknowledged.
//!
//! While the database is away outcomes are spooled onto a durable queue of the broker and written when it is back, so
//! that executions go on, are answered and acknowledged, and memory stays flat.

use super::announcer::Announcer;
use crate::execution::ports::Urgency;
use crate::measure;
use crate::store_health::StoreHealth;
use forebay_broker::{Consumers, Delivery, Destination, Message, MessageKey, Publisher, Queue, encode_record, stable_hash};
use forebay_contract::Name;
use forebay_fairness::Line;
use forebay_store::{Record, Store, StoreError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Maximum records of a batch. Larger batches carry little more, and records that come meanwhile wait longer.
const MAX_BATCH: usize = 100;
const WAITING: usize = 4096;
/// Only the acknowledgement waits for the record of an execution from a shared queue; the caller has its answer.
const LINGER: Duration = Duration::from_millis(3);
/// Interval at which the spool is read.
const SPOOL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time for a batch while the database still seems to be there.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);
const SPOOL_PREFETCH: u16 = 200;
const SPOOL_GATHER: Duration = Duration::from_millis(20);

/// Neither the store nor the broker took the outcome: the delivery stays unacknowledged and comes again.
#[derive(Debug, thiserror::Error)]
#[error("the outcome could be written neither to the store nor to the broker")]
pub(crate) struct NotRecorded;

/// The place of a record.
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
    tenant: Name,
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
    pub(crate) async fn record(&self, tenant: &Name, record: Record, urgency: Urgency) -> Result<Recorded, NotRecorded> {
        let (done, written) = oneshot::channel();
        let records = match urgency {
            Urgency::Now => &self.urgent,
            Urgency::Batched => &self.batched,
        };
        records.send(Waiting { tenant: tenant.clone(), record, done }).await.map_err(|_| NotRecorded)?;
        written.await.map_err(|_| NotRecorded)?
    }
}

/// `linger`: how long a batch may grow.
async fn write_batches(destination: RecordDestination, announcer: Announcer, waiting: mpsc::Receiver<Waiting>, linger: Duration) {
    let publisher = &destination.publisher;
    let mut batches = Batches { waiting, line: Line::default() };
    while let Some(batch) = batches.next(linger).await {
        let (records, done): (Vec<_>, Vec<_>) = batch.into_iter().map(|waiting| (waiting.record, waiting.done)).unzip();
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

/// Records that wait. Tenants take turns in batches, so that one with many outcomes does not delay those of the others.
struct Batches {
    waiting: mpsc::Receiver<Waiting>,
    line: Line<Waiting>,
}

impl Batches {
    /// The next batch, which grows for `linger`; `None`: there will be none.
    async fn next(&mut self, linger: Duration) -> Option<Vec<Waiting>> {
        if self.line.is_empty() {
            let first = self.waiting.recv().await?;
            self.push(first);
        }
        while self.line.len() < WAITING
            && let Ok(waiting) = self.waiting.try_recv()
        {
            self.push(waiting);
        }
        let until = Instant::now() + linger;
        while self.line.len() < MAX_BATCH
            && let Ok(Some(waiting)) = tokio::time::timeout_at(until, self.waiting.recv()).await
        {
            self.push(waiting);
        }
        Some(std::iter::from_fn(|| self.line.next(|_, _| true)).map(|(_, waiting)| waiting).take(MAX_BATCH).collect())
    }

    fn push(&mut self, waiting: Waiting) {
        let tenant = waiting.tenant.clone();
        self.line.push(&tenant, waiting);
    }
}

/// The destination of records. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RecordDestination {
    pub(crate) store: Store,
    pub(crate) health: StoreHealth,
    /// For records that wait for the store, and for those that it refuses.
    pub(crate) publisher: Publisher,
    pub(crate) key: MessageKey,
}

impl RecordDestination {
    /// Writes a batch, and returns for each record whether it is stored or superseded. A record that the database refuses is moved to the
    /// `unreadable` queue and counts as stored. `None`: the database is away, or it refuses a record that the broker does not take either.
    async fn write(&self, records: &[Record]) -> Option<Vec<Recorded>> {
        let recorded = |is_stored| if is_stored { Recorded::Stored } else { Recorded::Superseded };
        match self.ask(records).await {
            Ok(stored) => {
                measure::recorded(records.len());
                Some(stored.into_iter().map(recorded).collect())
            }
            Err(error) if error.is_unavailable() => {
                tracing::debug!(%error, outcomes = records.len(), "the database is away; outcomes wait on the broker");
                None
            }
            Err(_) => {
                // One record that the database refuses must not delay the others.
                let mut written = Vec::with_capacity(records.len());
                for record in records {
                    match self.ask(std::slice::from_ref(record)).await {
                        Ok(stored) => {
                            measure::recorded(1);
                            written.extend(stored.into_iter().map(recorded));
                        }
                        Err(error) if !error.is_unavailable() && move_to_unreadable(self, record, &error).await => {
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

/// Moves a record that the database refuses to the `unreadable` queue. `false`: the broker did not take it.
async fn move_to_unreadable(destination: &RecordDestination, record: &Record, error: &StoreError) -> bool {
    let publisher = &destination.publisher;
    tracing::error!(forebay.execution.id = %record.execution_id, %error, "the database refuses an outcome; it is moved to the queue `unreadable`");
    let unreadable = destination.message(record).as_unreadable(&publisher.name_of(Queue::Outcomes), &error.to_string());
    let published = publisher.publish(None, Destination::Queue(Queue::Unreadable), unreadable).await;
    if let Err(error) = &published {
        tracing::error!(forebay.execution.id = %record.execution_id, %error, "the refused outcome could not be moved to the queue `unreadable`");
    }
    published.is_ok()
}

/// Writes spooled outcomes to the store while it answers.
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
                tracing::error!(messaging.message.id = delivery.message_id(), %error, "a spooled outcome cannot be read; it is moved to the queue `unreadable`");
                let unreadable = delivery.as_unreadable(&error);
                if destination.publisher.publish(None, Destination::Queue(Queue::Unreadable), unreadable).await.is_err() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::{IdIssuer, UnixMicros};
    use forebay_store::TriggerKind;
    use uuid::Uuid;

    /// A record that waits, known by the time of its end.
    fn waiting(tenant: &str, number: i64) -> Waiting {
        let id = IdIssuer::new(b"key").issue(Uuid::nil()).unwrap();
        let record = Record::new(id, Uuid::nil(), 1, TriggerKind::Webhook, "worker".to_owned(), UnixMicros::new(number));
        Waiting { tenant: tenant.parse().unwrap(), record, done: oneshot::channel().0 }
    }

    fn of(batch: &[Waiting]) -> Vec<(&str, i64)> {
        batch.iter().map(|waiting| (waiting.tenant.as_str(), waiting.record.ended_at.get())).collect()
    }

    #[tokio::test]
    async fn the_record_of_a_quiet_tenant_is_in_the_next_batch_whatever_another_tenant_has_before_it() {
        let (records, receiver) = mpsc::channel(WAITING);
        let mut batches = Batches { waiting: receiver, line: Line::default() };
        let count = MAX_BATCH as i64 * 3;
        for number in 0..count {
            records.try_send(waiting("busy", number)).unwrap();
        }
        records.try_send(waiting("quiet", 1)).unwrap();
        records.try_send(waiting("quiet", 2)).unwrap();
        let first = batches.next(Duration::ZERO).await.unwrap();
        assert_eq!(first.len(), MAX_BATCH);
        assert_eq!(of(&first)[..5], [("busy", 0), ("quiet", 1), ("busy", 1), ("quiet", 2), ("busy", 2)]);
        drop(records);
        let mut rest = Vec::new();
        while let Some(batch) = batches.next(LINGER).await {
            assert!(batch.len() <= MAX_BATCH);
            rest.extend(batch);
        }
        let numbers: Vec<i64> = rest.iter().map(|waiting| waiting.record.ended_at.get()).collect();
        assert_eq!(numbers, (MAX_BATCH as i64 - 2..count).collect::<Vec<_>>(), "none is lost, and each tenant keeps its order");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_grows_for_a_moment_and_not_for_longer() {
        let (records, receiver) = mpsc::channel(WAITING);
        let mut batches = Batches { waiting: receiver, line: Line::default() };
        let sender = records.clone();
        tokio::spawn(async move {
            for number in 0..5 {
                sender.send(waiting("t", number)).await.unwrap();
                tokio::time::sleep(LINGER * 2 / 3).await;
            }
        });
        assert_eq!(of(&batches.next(LINGER).await.unwrap()), [("t", 0), ("t", 1)]);
        assert_eq!(of(&batches.next(Duration::ZERO).await.unwrap()), [("t", 2)]);
        drop(records);
    }
}
