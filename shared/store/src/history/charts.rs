//! Charts of execution statistics, of any time and length, read from few rows.

use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use crate::history::durations::{DURATION_BUCKETS, Durations};
use crate::history::statistics::{Counts, HOUR, MINUTE, MINUTES_READ, begin_of};
use crate::history::stretches::stretches;
use forebay_contract::{Name, UnixMicros};
use std::sync::LazyLock;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The scope of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatisticsScope {
    /// All tenants.
    All,
    /// These tenants.
    Tenants(Vec<Name>),
    /// These integrations: one, or a page of a list. Whole tenants are read faster as such.
    Integrations(Vec<Uuid>),
}

/// The query of a chart.
#[derive(Debug, Clone)]
pub struct StatisticsQuery {
    /// The scope.
    pub of: StatisticsScope,
    /// From this time on; where it is older than two days, from the begin of its hour on.
    pub from: UnixMicros,
    /// Before this time.
    pub to: UnixMicros,
    /// The width of a point, in whole minutes. Statistics that are older than two days are known by the hour only.
    pub step: Duration,
    /// True if each integration has points of its own.
    pub each: bool,
}

/// One point of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsPoint {
    /// The integration; `None`: the point is the sum of all integrations of the scope.
    pub integration: Option<Uuid>,
    /// The time at which its time begins.
    pub at: UnixMicros,
    /// The executions that ended in it.
    pub counts: Counts,
}

/// The widths of rows of integrations: minutes, as workers write them, five minutes and hours.
const OF_INTEGRATIONS: [Duration; 3] = [MINUTE, Duration::from_secs(5 * 60), HOUR];
/// The widths of rows of tenants.
const OF_TENANTS: [Duration; 4] = [MINUTE, Duration::from_secs(5 * 60), HOUR, Duration::from_secs(6 * 3600)];
/// The narrowest width of which rows are kept as long as the history.
const KEPT: Duration = HOUR;

/// Maximum width of a point, as an `integer` of seconds: 68 years.
const MAX_STEP_MINUTES: u64 = i32::MAX as u64 / 60;

type Parameters = Vec<Box<dyn ToSql + Sync + Send>>;

impl Store {
    /// Returns the points of a chart, by integration and time. Where nothing ended there is no point.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn statistics(&self, query: &StatisticsQuery) -> Result<Vec<StatisticsPoint>, StoreError> {
        let operation = "read statistics";
        let Some((sql, parameters)) = statement(query, Timestamp::now()) else { return Ok(Vec::new()) };
        let references: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect();
        let client = self.client(operation).await?;
        // Prepared anew each time: a plan for any length of time would be a bad one for most.
        let rows = client.query(&sql, &references).await.map_err(StoreError::during(operation))?;
        let point = |row: &Row| StatisticsPoint { integration: row.get("integration_id"), at: row.time("begin"), counts: counts(row) };
        Ok(rows.iter().map(point).collect())
    }
}

/// Returns the statement of a query, one so that all points are of one moment. `None`: the query contains no time.
fn statement(query: &StatisticsQuery, now: Timestamp) -> Option<(String, Parameters)> {
    let step_minutes = (query.step.as_secs() / 60).clamp(1, MAX_STEP_MINUTES);
    let step = Duration::from_secs(step_minutes * 60);
    let mut parameters: Parameters = vec![Box::new(i32::try_from(step.as_secs()).unwrap_or(i32::MAX))];
    let of_tenants = !query.each && !matches!(query.of, StatisticsScope::Integrations(_));
    let only = match &query.of {
        StatisticsScope::All => "",
        StatisticsScope::Tenants(tenants) => {
            parameters.push(Box::new(tenants.iter().map(|tenant| tenant.as_str().to_owned()).collect::<Vec<_>>()));
            if of_tenants { "and tenant = any($2)" } else { "and integration_id in (select id from integrations where tenant = any($2))" }
        }
        StatisticsScope::Integrations(ids) => {
            parameters.push(Box::new(ids.clone()));
            "and integration_id = any($2)"
        }
    };
    let widths = if of_tenants { &OF_TENANTS[..] } else { &OF_INTEGRATIONS[..] };
    let key = if query.each { "integration_id" } else { "null::uuid as integration_id" };
    let mut parts = Vec::new();
    for stretch in stretches(widths, KEPT, step, query.from..query.to, begin_of(now.0 - MINUTES_READ, HOUR)) {
        let minutes = stretch.width.as_secs() / 60;
        let (rows, durations) = match of_tenants {
            true => (format!("traffic_of_tenants where minutes = {minutes} and"), &COLUMNS),
            false if minutes == 1 => ("traffic where".to_owned(), &ELEMENTS),
            false => (format!("traffic_of_integrations where minutes = {minutes} and"), &COLUMNS),
        };
        parameters.push(Box::new(Timestamp(stretch.from)));
        parameters.push(Box::new(Timestamp(stretch.to)));
        let (from, to) = (parameters.len() - 1, parameters.len());
        let durations = durations.as_str();
        parts.push(format!("select {key}, at, succeeded, failed, expired, {durations} from {rows} at >= ${from} and at < ${to} {only}"));
    }
    if parts.is_empty() {
        return None;
    }
    let sql = format!(
        "select t.integration_id, date_bin($1::integer * interval '1 second', t.at, 'epoch') as begin, {} from ({}) t group by 1, 2 order by 1, 2",
        SUMS.as_str(),
        parts.join(" union all ")
    );
    Some((sql, parameters))
}

/// The durations of a row of sums, and of one that a worker wrote.
static COLUMNS: LazyLock<String> = LazyLock::new(|| of_buckets(|bucket| format!("d{bucket}")));
static ELEMENTS: LazyLock<String> = LazyLock::new(|| of_buckets(|bucket| format!("durations[{bucket}] as d{bucket}")));
static SUMS: LazyLock<String> = LazyLock::new(|| {
    let statuses = ["succeeded", "failed", "expired"].map(|status| format!("sum(t.{status})::bigint as {status}"));
    format!("{}, array[{}] as durations", statuses.join(", "), of_buckets(|bucket| format!("sum(t.d{bucket})::bigint")))
});

fn of_buckets(term: impl Fn(usize) -> String) -> String {
    (1..=DURATION_BUCKETS).map(term).collect::<Vec<_>>().join(", ")
}

/// Reads [`SUMS`].
fn counts(row: &Row) -> Counts {
    let mut durations = Durations::default();
    for (count, sum) in durations.0.iter_mut().zip(row.get::<_, Vec<i64>>("durations")) {
        *count = u64::try_from(sum).unwrap_or_default();
    }
    Counts { succeeded: row.count("succeeded"), failed: row.count("failed"), expired: row.count("expired"), durations }
}
