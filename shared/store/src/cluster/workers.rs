//! The live workers and their queues.

use crate::database::pool::Store;
use crate::database::row::ReadRow;
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
    /// Its id, new at each start.
    pub id: Uuid,
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The time of its start.
    pub started_at: UnixMicros,
    /// Maximum executions at once.
    pub concurrency: i32,
    /// Executions now.
    pub running: i32,
    /// The integrations whose exclusive queue it is the active consumer of.
    pub queues: Vec<Uuid>,
    /// The receipt of the oldest message in hand of each queue, by the name of the queue at the broker. Queues are first in, first out: the
    /// oldest message in the hands of live workers is the oldest of the queue.
    pub oldest: Vec<(String, UnixMicros)>,
    /// The time since which the oldest message in hand of each integration is under way: its receipt, or the end of its `wait`.
    pub oldest_of: Vec<(Uuid, UnixMicros)>,
    /// Its last sign of life by the database's clock; [`Store::heartbeat`] does not read it.
    pub last_seen: UnixMicros,
}

impl Store {
    /// Writes the heartbeat of a worker. A worker that is new, was silent for long, or holds other queues than before wakes every
    /// [`WorkerWatch`](crate::WorkerWatch).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn heartbeat(&self, worker: &WorkerRow) -> Result<(), StoreError> {
        let operation = "heartbeat";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        // `before` is the row at the begin of the statement, since all parts of one statement see the same moment.
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

    /// Returns the workers that gave a sign of life within `ttl`, by the database's clock, in the order of their ids: the same in every
    /// process.
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
            let times = |column: &str| row.get::<_, Vec<Timestamp>>(column).into_iter().map(|since| since.0);
            let oldest_queues: Vec<String> = row.get("oldest_queues");
            let integrations: Vec<Uuid> = row.get("oldest_integrations");
            let (oldest_since, oldest_of_since) = (times("oldest_since"), times("oldest_of_since"));
            workers.push(WorkerRow {
                id: row.get("id"),
                name: row.get("name"),
                version: row.get("version"),
                started_at: row.time("started_at"),
                concurrency: row.get("concurrency"),
                running: row.get("running"),
                queues: row.get("queues"),
                oldest: oldest_queues.into_iter().zip(oldest_since).collect(),
                oldest_of: integrations.into_iter().zip(oldest_of_since).collect(),
                last_seen: row.time("last_seen"),
            });
        }
        Ok(workers)
    }

    /// Removes a worker that leaves, and wakes every [`WorkerWatch`](crate::WorkerWatch). One that is not there is no error.
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
