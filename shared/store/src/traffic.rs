//! Figures of traffic: how many executions ended, and how long they took, by integration and minute.

use crate::connection::Store;
use crate::durations::{DURATION_BUCKETS, Durations};
use crate::error::StoreError;
use crate::executions::{COLUMNS, ExecutionRow, execution_row};
use crate::retention::{begin, commit};
use crate::timestamp::Timestamp;
use deadpool_postgres::Object;
use forebay_contract::outcome::ExecutionStatus;
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Minutes older than this are summed up to hours.
const MINUTES_KEPT: i64 = 48 * HOUR;

/// Executions that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Well.
    pub succeeded: u32,
    /// With an error.
    pub failed: u32,
    /// Without having begun.
    pub expired: u32,
    /// How long those took that had begun.
    pub durations: Durations,
}

impl Counts {
    /// Counts one; `took`: `None` where it had not begun. One that has not ended counts nothing.
    pub fn add(&mut self, status: ExecutionStatus, took: Option<Duration>) {
        let count = match status {
            ExecutionStatus::Succeeded => &mut self.succeeded,
            ExecutionStatus::Failed => &mut self.failed,
            ExecutionStatus::Expired => &mut self.expired,
            ExecutionStatus::Queued | ExecutionStatus::Running => return,
        };
        *count = count.saturating_add(1);
        if let Some(took) = took {
            self.durations.add(took);
        }
    }

    /// Adds others.
    pub fn merge(&mut self, others: &Self) {
        self.succeeded = self.succeeded.saturating_add(others.succeeded);
        self.failed = self.failed.saturating_add(others.failed);
        self.expired = self.expired.saturating_add(others.expired);
        self.durations.merge(&others.durations);
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        u64::from(self.succeeded) + u64::from(self.failed) + u64::from(self.expired)
    }
}

/// What one worker counted of an integration in a minute, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficCount {
    /// The integration.
    pub integration: Uuid,
    /// When the minute began, in microseconds of Unix time.
    pub minute: i64,
    /// The counts of the whole minute so far, not what has come since the last time.
    pub counts: Counts,
}

impl TrafficCount {
    /// When the minute of a time began.
    #[must_use]
    pub fn minute_of(micros: i64) -> i64 {
        micros - micros.rem_euclid(MINUTE)
    }
}

/// Which figures a chart shows.
#[derive(Debug, Clone)]
pub struct TrafficQuery {
    /// Of these integrations; `None`: of all.
    pub integrations: Option<Vec<Uuid>>,
    /// From this time on, in microseconds of Unix time.
    pub from: i64,
    /// Before this time, in microseconds of Unix time.
    pub to: i64,
    /// How much time a point stands for: whole minutes. What is older than two days is known by the hour only.
    pub step: Duration,
    /// Whether each integration has points of its own.
    pub each: bool,
}

/// One point of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficPoint {
    /// The integration; `None`: the sum of all that were asked for.
    pub integration: Option<Uuid>,
    /// When its time begins, in microseconds of Unix time.
    pub at: i64,
    /// What ended in it.
    pub counts: Counts,
}

/// How an integration does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// What ended since the time that was asked for.
    pub counts: Counts,
    /// The execution that was accepted last.
    pub last: Option<ExecutionRow>,
    /// Of those that did not end well, the one that was accepted last.
    pub last_unsuccessful: Option<ExecutionRow>,
}

impl Store {
    /// Writes what a worker counted. Its rows are its own, and what is written again replaces what was written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: write it again, with what has come meanwhile.
    pub async fn record_traffic(&self, worker: Uuid, counts: &[TrafficCount]) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let operation = "record traffic";
        let failed = StoreError::during(operation);
        let mut counts: Vec<&TrafficCount> = counts.iter().collect();
        counts.sort_unstable_by_key(|count| (count.integration, count.minute));
        let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let integrations: Vec<Uuid> = counts.iter().map(|count| count.integration).collect();
        let minutes: Vec<Timestamp> = counts.iter().map(|count| Timestamp(count.minute)).collect();
        let succeeded: Vec<i32> = counts.iter().map(|count| number(count.counts.succeeded)).collect();
        let failures: Vec<i32> = counts.iter().map(|count| number(count.counts.failed)).collect();
        let expired: Vec<i32> = counts.iter().map(|count| number(count.counts.expired)).collect();
        // One after the other: the driver knows no lists of lists.
        let durations: Vec<i32> = counts.iter().flat_map(|count| count.counts.durations.0.map(number)).collect();
        let sql = format!(
            "insert into traffic (integration_id, at, worker, succeeded, failed, expired, durations)
             select new.integration_id, new.at, $1, new.succeeded, new.failed, new.expired,
                 ($7::integer[])[(new.place - 1) * {DURATION_BUCKETS} + 1 : new.place * {DURATION_BUCKETS}]
             from unnest($2::uuid[], $3::timestamptz[], $4::integer[], $5::integer[], $6::integer[])
                 with ordinality as new (integration_id, at, succeeded, failed, expired, place)
             on conflict (integration_id, at, worker) do update set succeeded = excluded.succeeded, failed = excluded.failed,
                 expired = excluded.expired, durations = excluded.durations"
        );
        let client = self.client(operation).await?;
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        client
            .execute(&statement, &[&worker, &integrations, &minutes, &succeeded, &failures, &expired, &durations])
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The points of a chart, by integration and time. Where nothing ended there is no point.
    ///
    /// # Errors
    /// What the server says.
    pub async fn traffic(&self, query: &TrafficQuery) -> Result<Vec<TrafficPoint>, StoreError> {
        let operation = "read traffic";
        let failed = StoreError::during(operation);
        let step = (Timestamp::micros(query.step) / MINUTE).max(1) * MINUTE;
        let client = self.client(operation).await?;
        let group = if query.each { "t.integration_id" } else { "null::uuid" };
        let only = if query.integrations.is_some() { "and t.integration_id = any($4)" } else { "and $4::uuid[] is null" };
        let columns = SUMS.join(", ");
        let sql = format!(
            "select {group}, to_timestamp(floor(extract(epoch from t.at) / $1::integer) * $1::integer), {columns}
             from traffic t where t.at >= $2 and t.at < $3 {only} group by 1, 2 order by 1, 2"
        );
        let seconds = i32::try_from(step / 1_000_000).unwrap_or(i32::MAX);
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        let (from, to) = (Timestamp(TrafficCount::minute_of(query.from)), Timestamp(query.to));
        let rows = client.query(&statement, &[&seconds, &from, &to, &query.integrations]).await.map_err(failed)?;
        let point = |row: &Row| TrafficPoint { integration: row.get(0), at: row.get::<_, Timestamp>(1).0, counts: counts(row, 2) };
        Ok(rows.iter().map(point).collect())
    }

    /// How each of these integrations does: what ended since a time, and its last executions. Meant for the integrations of one page.
    ///
    /// # Errors
    /// What the server says.
    pub async fn activity(&self, integrations: &[Uuid], since: i64) -> Result<HashMap<Uuid, Activity>, StoreError> {
        let operation = "read the activity of integrations";
        let failed = StoreError::during(operation);
        let query = TrafficQuery {
            integrations: Some(integrations.to_vec()),
            from: since,
            to: i64::MAX,
            step: Duration::from_secs(365 * 24 * 3600),
            each: true,
        };
        let mut activity: HashMap<Uuid, Activity> = integrations.iter().map(|id| (*id, Activity::default())).collect();
        for point in self.traffic(&query).await? {
            if let Some(known) = point.integration.and_then(|id| activity.get_mut(&id)) {
                known.counts.merge(&point.counts);
            }
        }
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        for (condition, is_unsuccessful) in [("true", false), ("e.status <> 'succeeded'", true)] {
            let sql = format!(
                "select {COLUMNS}, i.tenant, i.name from unnest($1::uuid[]) as wanted (integration_id) cross join lateral (
                     select * from executions e where e.integration_id = wanted.integration_id and {condition} order by e.id desc limit 1) e
                 join integrations i on i.id = e.integration_id"
            );
            let statement = client.prepare_cached(&sql).await.map_err(failed)?;
            for row in client.query(&statement, &[&integrations]).await.map_err(failed)? {
                let row = execution_row(&row, issuer)?;
                let Some(known) = activity.get_mut(&row.integration_id) else { continue };
                let place = if is_unsuccessful { &mut known.last_unsuccessful } else { &mut known.last };
                *place = Some(row);
            }
        }
        Ok(activity)
    }
}

/// Sums minutes that are over two days old up to hours, and forgets what is older than `oldest`. `false`: another process has the lock.
pub(crate) async fn sum_up(client: &mut Object, now: Timestamp, oldest: Timestamp) -> Result<bool, StoreError> {
    let failed = StoreError::during("sum up traffic");
    let cut = now.0.saturating_sub(MINUTES_KEPT);
    let cut = Timestamp(cut - cut.rem_euclid(HOUR));
    let Some(transaction) = begin(client).await? else { return Ok(false) };
    transaction.execute("delete from traffic where at < $1", &[&oldest]).await.map_err(failed)?;
    let sql = format!(
        "with minutes as (delete from traffic where at < $1 and worker <> $2 returning *)
         insert into traffic (integration_id, at, worker, succeeded, failed, expired, durations)
         select t.integration_id, date_trunc('hour', t.at, 'UTC'), $2, sum(t.succeeded)::integer, sum(t.failed)::integer,
             sum(t.expired)::integer, array[{}]
         from minutes t group by 1, 2
         on conflict (integration_id, at, worker) do update set succeeded = traffic.succeeded + excluded.succeeded,
             failed = traffic.failed + excluded.failed, expired = traffic.expired + excluded.expired,
             durations = array(select a + b from unnest(traffic.durations, excluded.durations) with ordinality as sums (a, b, place)
                 order by place)",
        bucket_sums("::integer").join(", ")
    );
    transaction.execute(&sql, &[&cut, &Uuid::nil()]).await.map_err(failed)?;
    commit(transaction).await?;
    Ok(true)
}

/// The sum of each bucket.
fn bucket_sums(cast: &str) -> Vec<String> {
    (1..=DURATION_BUCKETS).map(|bucket| format!("sum(t.durations[{bucket}]){cast}")).collect()
}

static SUMS: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
    let statuses = ["succeeded", "failed", "expired"].map(|status| format!("sum(t.{status})::bigint"));
    statuses.into_iter().chain(bucket_sums("::bigint")).collect()
});

/// Reads [`SUMS`].
fn counts(row: &Row, first: usize) -> Counts {
    let number = |place: usize| u32::try_from(row.get::<_, i64>(first + place)).unwrap_or(u32::MAX);
    let mut counts = Counts { succeeded: number(0), failed: number(1), expired: number(2), durations: Durations::default() };
    for (bucket, count) in counts.durations.0.iter_mut().enumerate() {
        *count = number(3 + bucket);
    }
    counts
}
