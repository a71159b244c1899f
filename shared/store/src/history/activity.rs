//! The recent activity of integrations: executions that ended, and the last ones.

use crate::database::pool::Store;
use crate::error::StoreError;
use crate::history::charts::{StatisticsQuery, StatisticsScope};
use crate::history::outcomes::{COLUMNS, ExecutionRow, execution_row};
use crate::history::statistics::Counts;
use forebay_contract::UnixMicros;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// The recent activity of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Executions that ended since the given time.
    pub counts: Counts,
    /// The execution that was received last.
    pub last: Option<ExecutionRow>,
    /// The execution among those that failed or expired that was received last.
    pub last_unsuccessful: Option<ExecutionRow>,
}

impl Store {
    /// Returns, for each of these integrations, counts of the executions that ended since a time, and its last executions. Meant for the
    /// integrations of one page.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn activity(&self, integrations: &[Uuid], since: UnixMicros) -> Result<HashMap<Uuid, Activity>, StoreError> {
        let operation = "read the activity of integrations";
        let failed = StoreError::during(operation);
        let query = StatisticsQuery {
            of: StatisticsScope::Integrations(integrations.to_vec()),
            from: since,
            to: UnixMicros::MAX,
            step: Duration::from_secs(365 * 24 * 3600),
            each: true,
        };
        let mut activity: HashMap<Uuid, Activity> = integrations.iter().map(|id| (*id, Activity::default())).collect();
        for point in self.statistics(&query).await? {
            if let Some(activity) = point.integration.and_then(|id| activity.get_mut(&id)) {
                activity.counts.merge(&point.counts);
            }
        }
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        for (condition, is_unsuccessful) in [("true", false), ("e.status <> 'succeeded'", true)] {
            let sql = format!(
                "select {COLUMNS} from unnest($1::uuid[]) as requested (integration_id) cross join lateral (
                     select * from executions e where e.integration_id = requested.integration_id and {condition} order by e.id desc limit 1) e
                 join integrations i on i.id = e.integration_id"
            );
            let statement = client.prepare_cached(&sql).await.map_err(failed)?;
            for row in client.query(&statement, &[&integrations]).await.map_err(failed)? {
                let row = execution_row(&row, issuer)?;
                let Some(activity) = activity.get_mut(&row.integration_id) else { continue };
                let place = if is_unsuccessful { &mut activity.last_unsuccessful } else { &mut activity.last };
                *place = Some(row);
            }
        }
        Ok(activity)
    }
}
