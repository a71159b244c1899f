//! The listing of schedules: the next due time and the last run of each.

use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::timestamp::Timestamp;
use crate::definitions::integrations::read_definition;
use crate::error::StoreError;
use crate::history::record::accepted_at_of;
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::schedule::Timing;
use forebay_contract::{ExecutionId, Name, UnixMicros};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// One schedule in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Its tenant.
    pub tenant: String,
    /// Its integration's name.
    pub name: String,
    /// The integration's id.
    pub integration_id: Uuid,
    /// True if it has runs.
    pub enabled: bool,
    /// The times at which runs are due.
    pub timing: Timing,
    /// The earliest due time that has not been handled; of a disabled one, it may have passed.
    pub next_due_at: Option<UnixMicros>,
    /// The due time of its last run.
    pub last_due_at: Option<UnixMicros>,
    /// Its last run.
    pub last_execution: Option<ExecutionId>,
    /// The status of the last run; a run that has not started has no row and counts as queued.
    pub last_status: Option<ExecutionStatus>,
}

impl Store {
    /// Returns all schedules, or those of a tenant, by tenant and name. Integrations whose definition this program can't read are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_schedules(&self, tenant: Option<&Name>) -> Result<Vec<ScheduleRow>, StoreError> {
        let operation = "list schedules";
        let failed = StoreError::during(operation);
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        let sql =
            "select i.id, i.tenant, i.name, i.enabled, s.next_due_at, s.last_due_at, s.last_execution_id, v.document::text as document
                   from schedules s join integrations i on i.id = s.integration_id
                   join integration_versions v on v.integration_id = i.id and v.version = i.current_version
                   where $1::text is null or i.tenant = $1 order by i.tenant, i.name";
        let rows = client.query(sql, &[&tenant.map(Name::as_str)]).await.map_err(failed)?;
        let last: Vec<Uuid> = rows.iter().filter_map(|row| row.get("last_execution_id")).collect();
        let accepted: Vec<Timestamp> = last.iter().map(|id| Timestamp(accepted_at_of(*id))).collect();
        // The join has both columns, so that each execution is looked up in its own partition.
        let sql = "select e.id, e.status from unnest($1::uuid[], $2::timestamptz[]) as requested (id, accepted_at)
                   join executions e on e.id = requested.id and e.accepted_at = requested.accepted_at";
        let ended = client.query(sql, &[&last, &accepted]).await.map_err(failed)?;
        let status = |row: &Row| Ok((row.get("id"), row.word("executions", "status")?));
        let statuses: HashMap<Uuid, ExecutionStatus> = ended.iter().map(status).collect::<Result<_, StoreError>>()?;
        let mut schedules = Vec::with_capacity(rows.len());
        for row in &rows {
            let Ok(definition) = read_definition(row.get("document")) else { continue };
            let Some(schedule) = definition.trigger.schedule() else { continue };
            let (id, last): (Uuid, Option<Uuid>) = (row.get("id"), row.get("last_execution_id"));
            schedules.push(ScheduleRow {
                tenant: row.get("tenant"),
                name: row.get("name"),
                integration_id: id,
                enabled: row.get("enabled"),
                timing: schedule.timing.clone(),
                next_due_at: row.optional_time("next_due_at"),
                last_due_at: row.optional_time("last_due_at"),
                last_execution: last.map(|unique| issuer.restore(unique, id)),
                last_status: last.map(|unique| statuses.get(&unique).copied().unwrap_or(ExecutionStatus::Queued)),
            });
        }
        Ok(schedules)
    }
}
