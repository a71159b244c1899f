//! Writes outcomes to the store in batches, before their deliveries are acknowledged.
//!
//! While the database is away, outcomes are spooled to a durable queue of the broker and written when it is back. So executions continue,
//! are answered and acknowledged, and memory does not grow.

use super::announcer::Announcer;
use crate::execution::ports::{NotRecorded, Recorded, Urgency};
use crate::measure;
use crate::store_health::StoreHealth;
use forebay_broker::{Consumers, Delivery, MessageKey, Publisher, Queue};
use forebay_contract::Name;
use forebay_fairness::Line;
use forebay_store::{Record, Store, StoreError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Maximum records of a batch. Larger batches gain little, and records that arrive meanwhile wait longer.
const MAX_BATCH: usize = 100;
const WAITING: usize = 4096;
/// Time for which a batch of shared queues may grow. Only the acknowledgement waits for such a record; the caller has its response.
const LINGER: Duration = Duration::from_millis(3);
/// Interval at which the spool is read.
const SPOOL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time for a batch while the database is not known to be away.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);
const SPOOL_PREFETCH: u16 = 200;
const SPOOL_GATHER: Duration = Duration::from_millis(20);

/// Hands records to the recording tasks: urgent records do not queue behind the others.
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

    /// Writes a record. Returns once it is durable.
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

/// Writes batches; each may grow for `linger`.
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
        // Confirms arrive together: the batch is sent as a whole, not one by one.
        let spooled = records.iter().zip(done).map(|(record, done)| {
            let (publisher, id, body) = (publisher.clone(), record.execution_id, written_out(record));
            async move {
                let result = publisher.publish_record(&id, body).await;
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

/// Waiting records. Tenants take turns in batches, so that a tenant with many outcomes does not delay those of the others.
struct Batches {
    waiting: mpsc::Receiver<Waiting>,
    line: Line<Waiting>,
}

impl Batches {
    /// Returns the next batch, which grows for `linger`; `None`: no more records will come.
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
    /// Publishes records that wait for the store, and those that it refuses.
    pub(crate) publisher: Publisher,
    pub(crate) key: MessageKey,
}

impl RecordDestination {
    /// Writes a batch. Returns for each record whether it is stored or superseded; a record that the database refuses is moved to the
    /// `unreadable` queue and counts as stored. Returns `None` if the database is away, or if it refuses a record that the broker does not
    /// accept either.
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
                // A record that the database refuses must not delay the others.
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

    async fn ask(&self, records: &[Record]) -> Result<Vec<bool>, StoreError> {
        self.health.ask(&self.store, STORE_TIMEOUT, self.store.record(records)).await
    }
}

/// Returns the record as the body of a message.
fn written_out(record: &Record) -> Vec<u8> {
    // Strings and JSON values always serialize; an empty body is unreadable, visibly.
    serde_json::to_vec(record).unwrap_or_default()
}

/// Moves a record that the database refuses to the `unreadable` queue. Returns `false` if the broker did not accept it.
async fn move_to_unreadable(destination: &RecordDestination, record: &Record, error: &StoreError) -> bool {
    let publisher = &destination.publisher;
    tracing::error!(forebay.execution.id = %record.execution_id, %error, "the database refuses an outcome; it is moved to the queue `unreadable`");
    let published = publisher.publish_unreadable_record(&record.execution_id, written_out(record), &error.to_string()).await;
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
                if destination.publisher.publish_unreadable(delivery, &error).await.is_err() {
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

    /// Returns a waiting record with this number as the time of its end.
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
