//! Alert rules: conditions of integrations and the receivers of notifications.

use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::error::StoreError;
use deadpool_postgres::GenericClient;
use forebay_contract::alert::Alert;
use forebay_contract::json::read_json;
use forebay_contract::{Name, UnixMicros};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// A stored alert rule with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRow {
    /// Its id.
    pub id: Uuid,
    /// The rule.
    pub alert: Alert,
    /// The document of the rule.
    pub document: Value,
    /// Counts changes.
    pub revision: i32,
    /// Time of its creation.
    pub created_at: UnixMicros,
    /// Time of its last change.
    pub updated_at: UnixMicros,
    /// The integrations for which it is raised, by name.
    pub raised: Vec<RaisedRow>,
    /// Notifications that were written so far.
    pub messages: u64,
    /// The time at which a notification was sent on every channel last.
    pub sent_at: Option<UnixMicros>,
    /// True if a notification has not been sent on every channel yet.
    pub is_pending: bool,
    /// Attempts to send it.
    pub attempts: i32,
    /// The time of the next attempt.
    pub try_at: Option<UnixMicros>,
    /// The error of the last attempt; `None`: it succeeded.
    pub error: Option<String>,
    /// The time of that error.
    pub error_at: Option<UnixMicros>,
}

/// An integration for which an alert is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedRow {
    /// The integration.
    pub integration: Name,
    /// The time at which it was raised.
    pub since: UnixMicros,
    /// The time of the last notification about it; `None`: there was none.
    pub notified_at: Option<UnixMicros>,
    /// The measured values, as a sentence.
    pub detail: String,
}

impl Store {
    /// Creates or replaces an alert rule. `document`: the document of `alert`. `expected`: the revision from which the change was made; 0:
    /// there must be no rule yet. A new condition, and enabling the rule again, delete its states.
    ///
    /// # Errors
    /// [`StoreError::Changed`], and those of the database.
    pub async fn put_alert(&self, alert: &Alert, document: &Value, expected: Option<i32>, by: &Principal) -> Result<Uuid, StoreError> {
        let operation = "write an alert";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let (tenant, name) = (&alert.tenant, &alert.name);
        let before = read(&*transaction, tenant, name, true).await?;
        let changed = || StoreError::Changed { what: format!("the alert {tenant}/{name}") };
        if expected.is_some_and(|expected| expected != before.as_ref().map_or(0, |before| before.revision)) {
            return Err(changed());
        }
        let id = before.as_ref().map_or_else(Uuid::new_v4, |before| before.id);
        // The change ends a claim of the rule: the scheduler that has it stores nothing more.
        let sql = "insert into alert_rules (id, tenant, name, document, enabled) values ($1, $2, $3, $4::text::json, $5)
                   on conflict (tenant, name) do update set document = excluded.document, enabled = excluded.enabled,
                       revision = alert_rules.revision + 1, updated_at = now(), look_at = now(), try_at = null, claimed_until = null
                   where alert_rules.id = excluded.id";
        let written = transaction
            .execute(sql, &[&id, &tenant.as_str(), &name.as_str(), &document.to_string(), &alert.enabled])
            .await
            .map_err(failed)?;
        // Another caller created it meanwhile.
        if written == 0 {
            return Err(changed());
        }
        if before.as_ref().is_some_and(|before| before.alert.when != alert.when || before.alert.enabled != alert.enabled) {
            transaction.execute("delete from alert_states where rule_id = $1", &[&id]).await.map_err(failed)?;
            let sql = "update alert_rules set pending = null, attempts = 0, error = null, error_at = null where id = $1";
            transaction.execute(sql, &[&id]).await.map_err(failed)?;
        }
        let action = if before.is_some() { AuditAction::AlertUpdate } else { AuditAction::AlertCreate };
        let event = AuditEvent::of_tenant(action, tenant, name, before.map(|before| shown(&before.alert)), Some(shown(alert)));
        transaction.commit(by, &[event]).await?;
        Ok(id)
    }

    /// Returns all alert rules, or those of some tenants, by tenant and name. Rules that this version cannot read are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_alerts(&self, tenants: Option<&[Name]>) -> Result<Vec<AlertRow>, StoreError> {
        let operation = "list alerts";
        let client = self.client(operation).await?;
        let tenants = tenants.map(|tenants| tenants.iter().map(Name::as_str).collect::<Vec<_>>());
        let sql = format!("select {COLUMNS} from alert_rules where $1::text[] is null or tenant = any($1) order by tenant, name");
        let rows = client.query(&sql, &[&tenants]).await.map_err(StoreError::during(operation))?;
        let mut alerts = Vec::with_capacity(rows.len());
        for row in &rows {
            match alert_row(row) {
                Ok(alert) => alerts.push(alert),
                Err(error) => tracing::error!(%error, "an alert is left out of a listing: a newer Forebay may have written it"),
            }
        }
        add_raised(&client, &mut alerts).await?;
        Ok(alerts)
    }

    /// Returns one alert rule.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::UnreadableDefinition`], and those of the database.
    pub async fn alert(&self, tenant: &Name, name: &Name) -> Result<AlertRow, StoreError> {
        let client = self.client("read an alert").await?;
        let mut found: Vec<AlertRow> = read(&client, tenant, name, false).await?.into_iter().collect();
        add_raised(&client, &mut found).await?;
        found.pop().ok_or_else(|| not_found(tenant, name))
    }

    /// Deletes an alert rule. `expected`: the revision of which the caller knows.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], and those of the database.
    pub async fn delete_alert(&self, tenant: &Name, name: &Name, expected: Option<i32>, by: &Principal) -> Result<(), StoreError> {
        let operation = "delete an alert";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let before = read(&*transaction, tenant, name, true).await?.ok_or_else(|| not_found(tenant, name))?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(StoreError::Changed { what: format!("the alert {tenant}/{name}") });
        }
        transaction.execute("delete from alert_rules where id = $1", &[&before.id]).await.map_err(failed)?;
        transaction.commit(by, &[AuditEvent::of_tenant(AuditAction::AlertDelete, tenant, name, Some(shown(&before.alert)), None)]).await
    }
}

const COLUMNS: &str =
    "id, document::text as document, revision, created_at, updated_at, number, sent_at, pending is not null as is_pending,
    attempts, try_at, error, error_at";

/// Reads [`COLUMNS`], without the raised integrations.
fn alert_row(row: &Row) -> Result<AlertRow, StoreError> {
    let (alert, document) = read_alert(row.get("document"))?;
    Ok(AlertRow {
        id: row.get("id"),
        alert,
        document,
        revision: row.get("revision"),
        created_at: row.time("created_at"),
        updated_at: row.time("updated_at"),
        raised: Vec::new(),
        messages: row.count("number"),
        sent_at: row.optional_time("sent_at"),
        is_pending: row.get("is_pending"),
        attempts: row.get("attempts"),
        try_at: row.optional_time("try_at"),
        error: row.get("error"),
        error_at: row.optional_time("error_at"),
    })
}

/// Returns the rule of a stored document.
pub(crate) fn read_alert(text: &str) -> Result<(Alert, Value), StoreError> {
    let document = read_json(text.as_bytes()).map_err(|_| StoreError::damaged("alert"))?;
    let alert = Alert::from_stored(&document).map_err(|source| StoreError::UnreadableDefinition { source })?;
    Ok((alert, document))
}

async fn read(client: &impl GenericClient, tenant: &Name, name: &Name, locked: bool) -> Result<Option<AlertRow>, StoreError> {
    let lock = if locked { "for update" } else { "" };
    let sql = format!("select {COLUMNS} from alert_rules where tenant = $1 and name = $2 {lock}");
    let row = client.query_opt(&sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(StoreError::during("read an alert"))?;
    row.as_ref().map(alert_row).transpose()
}

async fn add_raised(client: &impl GenericClient, alerts: &mut [AlertRow]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = alerts.iter().map(|alert| alert.id).collect();
    let sql =
        "select s.rule_id, i.name, s.raised_at, s.told_at, s.detail from alert_states s join integrations i on i.id = s.integration_id
               where s.rule_id = any($1) and s.phase = 'raised' and s.raised_at is not null order by i.name";
    let rows = client.query(sql, &[&ids]).await.map_err(StoreError::during("read raised alerts"))?;
    let mut raised: HashMap<Uuid, Vec<RaisedRow>> = HashMap::new();
    for row in rows {
        raised.entry(row.get("rule_id")).or_default().push(RaisedRow {
            integration: row.name("name")?,
            since: row.time("raised_at"),
            notified_at: row.optional_time("told_at"),
            detail: row.get("detail"),
        });
    }
    for alert in alerts {
        alert.raised = raised.remove(&alert.id).unwrap_or_default();
    }
    Ok(())
}

fn not_found(tenant: &Name, name: &Name) -> StoreError {
    StoreError::NotFound { what: format!("the alert {tenant}/{name}") }
}

/// Returns the rule as the audit log shows it, without addresses: those of chat systems hold a secret.
fn shown(alert: &Alert) -> Value {
    let send = [("webhook", alert.send.webhook.is_some()), ("email", alert.send.email.is_some())];
    let send: Vec<&str> = send.into_iter().filter(|(_, is_there)| *is_there).map(|(way, _)| way).collect();
    let integrations = alert.integrations.as_ref().map(|names| names.iter().map(Name::as_str).collect::<Vec<_>>());
    json!({ "when": alert.when.as_str(), "enabled": alert.enabled, "integrations": integrations, "send": send })
}
