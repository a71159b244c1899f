//! Execution statistics: counts and durations of executions that ended, by integration and minute.
//!
//! Workers write minutes. Triggers of the database update the sums from which charts are read (`migrations/0008_traffic.sql`).

use crate::database::pool::Store;
use crate::database::timestamp::Timestamp;
use crate::database::upkeep::{ROWS_AT_ONCE, delete_all};
use crate::error::StoreError;
use crate::history::durations::{DURATION_BUCKETS, Durations};
use deadpool_postgres::Object;
use forebay_contract::UnixMicros;
use forebay_contract::outcome::ExecutionStatus;
use std::time::Duration;
use uuid::Uuid;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// Age from which statistics are read by the hour.
pub(crate) const MINUTES_READ: Duration = Duration::from_secs(48 * 3600);
/// Retention of minutes: longer than they are read, so that a reader whose clock is late finds them.
const MINUTES_RETENTION: Duration = Duration::from_secs(50 * 3600);

/// Executions that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Executions that succeeded.
    pub succeeded: u64,
    /// Executions that failed.
    pub failed: u64,
    /// Executions that expired before they began.
    pub expired: u64,
    /// Durations of the executions that had begun.
    pub durations: Durations,
}

impl Counts {
    /// Counts one execution. `duration` is `None` if it had not begun. One that has not ended is not counted.
    pub fn add(&mut self, status: ExecutionStatus, duration: Option<Duration>) {
        let count = match status {
            ExecutionStatus::Succeeded => &mut self.succeeded,
            ExecutionStatus::Failed => &mut self.failed,
            ExecutionStatus::Expired => &mut self.expired,
            ExecutionStatus::Queued | ExecutionStatus::Running => return,
        };
        *count = count.saturating_add(1);
        if let Some(duration) = duration {
            self.durations.add(duration);
        }
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Self) {
        self.succeeded = self.succeeded.saturating_add(others.succeeded);
        self.failed = self.failed.saturating_add(others.failed);
        self.expired = self.expired.saturating_add(others.expired);
        self.durations.merge(&others.durations);
    }

    /// Returns the number of all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.succeeded.saturating_add(self.failed).saturating_add(self.expired)
    }
}

/// The counts of one worker for an integration in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteStatistics {
    /// The integration.
    pub integration: Uuid,
    /// The time at which the minute began.
    pub minute: UnixMicros,
    /// The counts of the whole minute so far, not the increase since the last write.
    pub counts: Counts,
}

impl MinuteStatistics {
    /// Returns the begin of the minute that contains a time.
    #[must_use]
    pub fn minute_of(time: UnixMicros) -> UnixMicros {
        begin_of(time, MINUTE)
    }
}

/// Returns the begin of the interval of this width that contains a time; intervals begin with Unix time.
pub(crate) fn begin_of(time: UnixMicros, width: Duration) -> UnixMicros {
    let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1);
    UnixMicros::new(time.get().saturating_sub(time.get().rem_euclid(width)))
}

impl Store {
    /// Writes the statistics of a worker, in rows of its own. For two days, a row that is written again replaces the earlier one; later its
    /// counts are added.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: write it again, with what has come meanwhile.
    pub async fn record_statistics(&self, worker: Uuid, counts: &[MinuteStatistics]) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let operation = "record statistics";
        let failed = StoreError::during(operation);
        let mut counts: Vec<&MinuteStatistics> = counts.iter().collect();
        counts.sort_unstable_by_key(|count| (count.integration, count.minute));
        let number = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
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
}

/// Deletes minutes that are no longer read, and rows older than `oldest`. `false`: another process has the lock.
pub(crate) async fn forget(client: &mut Object, now: Timestamp, oldest: Timestamp) -> Result<bool, StoreError> {
    let minutes = begin_of(now.0 - MINUTES_RETENTION, HOUR).max(oldest.0);
    let (hours, six_hours) = (begin_of(oldest.0, HOUR), begin_of(oldest.0, 6 * HOUR));
    let lists = [
        ("traffic", "true", minutes),
        ("traffic_of_integrations", "minutes < 60", minutes),
        ("traffic_of_tenants", "minutes < 60", minutes),
        ("traffic_of_integrations", "minutes = 60", hours),
        ("traffic_of_tenants", "minutes = 60", hours),
        ("traffic_of_tenants", "minutes > 60", six_hours),
    ];
    for (table, rows, before) in lists {
        let statement =
            format!("delete from {table} where ctid = any(array(select ctid from {table} where {rows} and at < $1 limit {ROWS_AT_ONCE}))");
        if delete_all(client, &statement, Timestamp(before)).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
