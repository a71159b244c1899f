//! The live workers and their queues.

use crate::database::pool::Store;
use crate::database::text::bounded;
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use forebay_contract::UnixMicros;
use std::time::Duration;
use uuid::Uuid;

/// Time after which a silent worker no longer counts as live, in listings and in the assignment of exclusive queues: three heartbeats.
pub const WORKER_TTL: Duration = Duration::from_secs(6);
const MAX_WORD_CHARS: usize = 200;

/// One worker, as it reports itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// New at each start.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Microseconds of Unix time.
    pub started_at: UnixMicros,
    /// Maximum executions at once.
    pub concurrency: i32,
    /// Executions now.
    pub running: i32,
    /// The integrations whose exclusive queue it is the active consumer of.
    pub queues: Vec<Uuid>,
    /// Of each queue of which it has messages in hand, by its name at the broker, the acceptance of the oldest in microseconds of Unix time.
    /// Queues are first in, first out: the oldest message in the hands of live workers is the oldest of the queue.
    pub oldest: Vec<(String, UnixMicros)>,
    /// Of each integration of which it has messages in hand, since when the oldest of them is under way:
    /// its acceptance, or the end of its `wait`.
    pub oldest_of: Vec<(Uuid, UnixMicros)>,
    /// Its last sign of life by the database's clock; [`Store::heartbeat`] does not read it.
    pub last_seen: UnixMicros,
}

impl Store {
    /// Says that a worker lives. When it is new, was silent for long, or holds other queues than before, every [`WorkerWatch`](crate::WorkerWatch) wakes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn heartbeat(&self, worker: &WorkerRow) -> Result<(), StoreError> {
        let operation = "heartbeat";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        // `before` is what was there when the statement began, since all parts of one statement see the same moment.
        let sql = "with before as (select queues, last_seen from workers where id = $1),
                   written as (
                       insert into workers (id, name, version, started_at, concurrency, running, queues, oldest_queues, oldest_since,
                           oldest_integrations, oldest_of_since, last_seen)
                       values ($1, $2, $3, $4, $5, $6, $7, $9, $10, $11, $12, now())
                       on conflict (id) do update set name = excluded.name, version = excluded.version, started_at = excluded.started_at,
                           concurrency = excluded.concurrency, running = excluded.running, queues = excluded.queues, oldest_queues = excluded.oldest_queues,
                           oldest_since = excluded.oldest_since, oldest_integrations = excluded.oldest_integrations,
                           oldest_of_since = excluded.oldest_of_since, last_seen = now()
                       returning queues)
                   select case when before.queues is distinct from written.queues or before.last_seen < now() - $8 * interval '1 second'
                       then pg_notify('forebay_workers', '') end
                   from written left join before on true";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let mut queues = worker.queues.clone();
        queues.sort_unstable();
        let oldest_queues: Vec<&str> = worker.oldest.iter().map(|(queue, _)| queue.as_str()).collect();
        let oldest_since: Vec<Timestamp> = worker.oldest.iter().map(|(_, since)| Timestamp(*since)).collect();
        let integrations: Vec<Uuid> = worker.oldest_of.iter().map(|(integration, _)| *integration).collect();
        let oldest_of_since: Vec<Timestamp> = worker.oldest_of.iter().map(|(_, since)| Timestamp(*since)).collect();
        client
            .query(
                &statement,
                &[
                    &worker.id,
                    &bounded(&worker.name, MAX_WORD_CHARS),
                    &bounded(&worker.version, MAX_WORD_CHARS),
                    &Timestamp(worker.started_at),
                    &worker.concurrency,
                    &worker.running,
                    &queues,
                    &WORKER_TTL.as_secs_f64(),
                    &oldest_queues,
                    &oldest_since,
                    &integrations,
                    &oldest_of_since,
                ],
            )
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The workers that gave a sign of life within `ttl`, by the database's clock, in the order of their ids: the same in every process.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn live_workers(&self, ttl: Duration) -> Result<Vec<WorkerRow>, StoreError> {
        let operation = "list live workers";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select id, name, version, started_at, concurrency, running, queues, last_seen, oldest_queues, oldest_since, oldest_integrations,
                       oldest_of_since
                   from workers
                   where last_seen > now() - $1 * interval '1 second' order by id";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&ttl.as_secs_f64()]).await.map_err(failed)?;
        let mut workers = Vec::with_capacity(rows.len());
        for row in rows {
            let oldest_queues: Vec<String> = row.get(8);
            let oldest_since = row.get::<_, Vec<Timestamp>>(9).into_iter().map(|since| since.0);
            let integrations: Vec<Uuid> = row.get(10);
            let oldest_of_since = row.get::<_, Vec<Timestamp>>(11).into_iter().map(|since| since.0);
            workers.push(WorkerRow {
                id: row.get(0),
                name: row.get(1),
                version: row.get(2),
                started_at: row.get::<_, Timestamp>(3).0,
                concurrency: row.get(4),
                running: row.get(5),
                queues: row.get(6),
                oldest: oldest_queues.into_iter().zip(oldest_since).collect(),
                oldest_of: integrations.into_iter().zip(oldest_of_since).collect(),
                last_seen: row.get::<_, Timestamp>(7).0,
            });
        }
        Ok(workers)
    }

    /// Says that a worker has left; wakes every [`WorkerWatch`](crate::WorkerWatch). One that is not there is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn remove_worker(&self, id: Uuid) -> Result<(), StoreError> {
        let operation = "remove a worker";
        let client = self.client(operation).await?;
        let sql = "with removed as (delete from workers where id = $1 returning id)
                   select pg_notify('forebay_workers', '') from removed";
        client.query(sql, &[&id]).await.map_err(StoreError::during(operation))?;
        Ok(())
    }
}
