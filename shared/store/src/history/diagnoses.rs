//! Diagnostics that a person switches on for a time, in which every payload of an integration's executions is recorded.

use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::text::bounded;
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::UnixMicros;
use serde_json::json;
use std::collections::HashMap;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

const MAX_NAME_LENGTH: usize = 200;
const OPERATION: &str = "switch diagnostics";

/// An integration whose diagnostics are switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagnosisRow {
    /// The tenant.
    pub tenant: String,
    /// The integration's name.
    pub integration: String,
    /// The integration's id.
    pub integration_id: Uuid,
    /// The time at which they end.
    pub until: UnixMicros,
    /// The time at which they were switched on.
    pub since: UnixMicros,
    /// The principal that did it last.
    pub by: String,
}

impl Store {
    /// Switches diagnostics of an integration on until a time, effective on every worker within a second; where they are on, the time
    /// becomes the new one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is no such integration.
    pub async fn diagnose(&self, integration: Uuid, until: UnixMicros, by: impl Into<Principal>) -> Result<(), StoreError> {
        let by = by.into();
        let failed = StoreError::during(OPERATION);
        let mut client = self.client(OPERATION).await?;
        let transaction = ChangeTransaction::begin(&mut client, OPERATION, &[Part::Diagnostics]).await?;
        let before = until_of(&transaction, integration).await?;
        let sql = "insert into diagnostics_windows (integration_id, until_at, switched_by) values ($1, $2, $3)
                   on conflict (integration_id) do update set until_at = excluded.until_at, switched_by = excluded.switched_by,
                       since = case when diagnostics_windows.until_at > now() then diagnostics_windows.since else now() end";
        let written = transaction.execute(sql, &[&integration, &Timestamp(until), &bounded(&by.name, MAX_NAME_LENGTH)]).await;
        if let Err(error) = written {
            return Err(match error.code() {
                Some(code) if *code == SqlState::FOREIGN_KEY_VIOLATION => {
                    StoreError::NotFound { what: format!("the integration {integration}") }
                }
                _ => failed(error),
            });
        }
        let event = audit_event(&transaction, integration, before, Some(until)).await?;
        transaction.commit(&by, &[event]).await
    }

    /// Switches diagnostics of an integration off before their time; `false`: they were not on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_diagnosis(&self, integration: Uuid, by: impl Into<Principal>) -> Result<bool, StoreError> {
        let by = by.into();
        let failed = StoreError::during(OPERATION);
        let mut client = self.client(OPERATION).await?;
        let transaction = ChangeTransaction::begin(&mut client, OPERATION, &[Part::Diagnostics]).await?;
        let Some(before) = until_of(&transaction, integration).await? else { return Ok(false) };
        let sql = "delete from diagnostics_windows where integration_id = $1";
        transaction.execute(sql, &[&integration]).await.map_err(failed)?;
        let event = audit_event(&transaction, integration, Some(before), None).await?;
        transaction.commit(&by, &[event]).await?;
        Ok(true)
    }

    /// Returns every integration whose diagnostics are on, by tenant and name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_diagnoses(&self) -> Result<Vec<DiagnosisRow>, StoreError> {
        let operation = "list diagnostics";
        let client = self.client(operation).await?;
        let sql = "select i.tenant, i.name, i.id, d.until_at, d.since, d.switched_by
                   from diagnostics_windows d join integrations i on i.id = d.integration_id where d.until_at > now()
                   order by i.tenant, i.name";
        let rows = client.query(sql, &[]).await.map_err(StoreError::during(operation))?;
        let row = |row: &tokio_postgres::Row| DiagnosisRow {
            tenant: row.get("tenant"),
            integration: row.get("name"),
            integration_id: row.get("id"),
            until: row.time("until_at"),
            since: row.time("since"),
            by: row.get("switched_by"),
        };
        Ok(rows.iter().map(row).collect())
    }
}

/// Returns the time until which an integration is diagnosed; `None`: it is not diagnosed.
async fn until_of(transaction: &Transaction<'_>, integration: Uuid) -> Result<Option<UnixMicros>, StoreError> {
    let sql = "select until_at from diagnostics_windows where integration_id = $1 and until_at > now()";
    let row = transaction.query_opt(sql, &[&integration]).await.map_err(StoreError::during(OPERATION))?;
    Ok(row.map(|row| row.time("until_at")))
}

async fn audit_event(
    transaction: &Transaction<'_>,
    integration: Uuid,
    before: Option<UnixMicros>,
    after: Option<UnixMicros>,
) -> Result<AuditEvent, StoreError> {
    let sql = "select tenant, name from integrations where id = $1";
    let row = transaction.query_one(sql, &[&integration]).await.map_err(StoreError::during(OPERATION))?;
    let tenant = row.name("tenant")?;
    let target = format!("{tenant}/{}", row.get::<_, &str>("name"));
    let until = |time: UnixMicros| json!({ "until": time.rfc3339() });
    let action = if after.is_some() { AuditAction::DiagnosticsOn } else { AuditAction::DiagnosticsOff };
    Ok(AuditEvent { tenant: Some(tenant), action, target, before: before.map(until), after: after.map(until) })
}

/// Returns the time until which each integration is diagnosed; the reader compares it with the clock.
pub(crate) async fn load(transaction: &Transaction<'_>) -> Result<HashMap<Uuid, UnixMicros>, StoreError> {
    let sql = "select integration_id, until_at from diagnostics_windows where until_at > now()";
    let rows = transaction.query(sql, &[]).await.map_err(StoreError::during("load diagnostics"))?;
    Ok(rows.iter().map(|row| (row.get("integration_id"), row.time("until_at"))).collect())
}
