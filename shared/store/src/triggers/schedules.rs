//! The claims of due schedules: one scheduler at a time publishes the runs of a schedule.
//!
//! A due run is claimed by locking its row, published while the lock is held, and then the row is advanced. So any number of schedulers
//! share the work; one that dies loses its lock at once, and the next one publishes the same due time again, under the same execution id.
//! The clock is the database's, so that schedulers whose clocks differ agree.

use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::timestamp::Timestamp;
use crate::definitions::integrations::Integration;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::UnixMicros;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Publishing takes longer than other work within a transaction: the broker's confirm is waited for.
const CLAIM_TIMEOUT: &str = "set local idle_in_transaction_session_timeout = '30s'";
/// Interval at which a schedule whose definition cannot be read is checked.
const UNREADABLE_INTERVAL: Duration = Duration::from_secs(60);

/// A schedule that is due for a plan.
#[derive(Debug, Clone)]
pub struct DueSchedule {
    /// The integration with its current definition, whose trigger is a schedule.
    pub integration: Arc<Integration>,
    /// The earliest due time that has not been handled.
    pub next_due_at: UnixMicros,
    /// The database's clock.
    pub now: UnixMicros,
}

/// The state of a schedule after its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleStep {
    /// The integration's id.
    pub integration_id: Uuid,
    /// The earliest due time that has not been handled; `None`: there is none any more.
    pub next_due_at: Option<UnixMicros>,
    /// The time of its next plan.
    pub wake_at: Option<UnixMicros>,
    /// The latest run that was published now, by its due time and its execution id's unique part; `None`: none was.
    pub published: Option<(UnixMicros, Uuid)>,
}

impl Store {
    /// Locks up to `max` schedules of enabled integrations that are due for a plan, gives them to `publish`, and stores the steps that it
    /// returns. Schedules that another process has locked are skipped. Returns the number of schedules.
    ///
    /// # Errors
    /// Those of the database; then nothing is stored, and what `publish` has published will be published again.
    pub async fn claim_schedules<P, F>(&self, max: u32, publish: P) -> Result<usize, StoreError>
    where
        P: FnOnce(Vec<DueSchedule>) -> F,
        F: Future<Output = Vec<ScheduleStep>>,
    {
        let operation = "claim due schedules";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let (due, mut steps) = lock_due(&transaction, max).await?;
        let locked = due.len() + steps.len();
        if locked == 0 {
            return Ok(0);
        }
        transaction.batch_execute(CLAIM_TIMEOUT).await.map_err(failed)?;
        steps.extend(publish(due).await);
        let sql = "update schedules set next_due_at = $2, wake_at = $3, last_due_at = coalesce($4, last_due_at),
                       last_execution_id = coalesce($5, last_execution_id)
                   where integration_id = $1";
        let statement = transaction.prepare_cached(sql).await.map_err(failed)?;
        for step in steps {
            let (next, wake) = (step.next_due_at.map(Timestamp), step.wake_at.map(Timestamp));
            let (last, execution) = (step.published.map(|(due, _)| Timestamp(due)), step.published.map(|(_, id)| id));
            transaction.execute(&statement, &[&step.integration_id, &next, &wake, &last, &execution]).await.map_err(failed)?;
        }
        transaction.commit_unaudited().await?;
        Ok(locked)
    }

    /// Returns the time until the next plan of a schedule; zero: a plan is due. `None`: there is no schedule.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn until_next_schedule(&self) -> Result<Option<Duration>, StoreError> {
        let operation = "find the next due schedule";
        let failed = StoreError::during(operation);
        let client = self.client(operation).await?;
        let sql = "select s.wake_at, clock_timestamp() as now from schedules s join integrations i on i.id = s.integration_id
                   where i.enabled and s.wake_at is not null order by s.wake_at limit 1";
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        let row = client.query_opt(&statement, &[]).await.map_err(failed)?;
        Ok(row.map(|row| row.time("wake_at").since(row.time("now"))))
    }
}

/// Locks the schedules that are due; the second list has those whose definition cannot be read.
async fn lock_due(transaction: &Transaction<'_>, max: u32) -> Result<(Vec<DueSchedule>, Vec<ScheduleStep>), StoreError> {
    let failed = StoreError::during("claim due schedules");
    let sql = format!(
        "select s.next_due_at, now() as now, i.tenant, i.name, {}
               from schedules s join integrations i on i.id = s.integration_id
               join integration_versions v on v.integration_id = i.id and v.version = i.current_version
               where i.enabled and s.wake_at <= now() and s.next_due_at is not null
               order by s.wake_at limit $1 for update of s skip locked",
        Integration::COLUMNS
    );
    let statement = transaction.prepare_cached(&sql).await.map_err(failed)?;
    let (mut due, mut unreadable) = (Vec::new(), Vec::new());
    for row in transaction.query(&statement, &[&i64::from(max)]).await.map_err(failed)? {
        let (next_due_at, now) = (row.time("next_due_at"), row.time("now"));
        match Integration::of_row(&row) {
            Ok(integration) if integration.definition.trigger.schedule().is_some() => {
                due.push(DueSchedule { integration: Arc::new(integration), next_due_at, now });
            }
            _ => {
                let (tenant, name): (&str, &str) = (row.get("tenant"), row.get("name"));
                tracing::error!(
                    integration.tenant = tenant,
                    integration.name = name,
                    "a due run waits: this version cannot read the definition"
                );
                let wake_at = Some(now + UNREADABLE_INTERVAL);
                unreadable.push(ScheduleStep { integration_id: row.get("id"), next_due_at: Some(next_due_at), wake_at, published: None });
            }
        }
    }
    Ok((due, unreadable))
}
