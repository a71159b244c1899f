//! The audit log. An entry is written in the transaction of its change (`database/change_transaction.rs`).

use crate::database::audit_event::{self, AuditAction, AuditEvent, Principal, PrincipalKind};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::row::read_name;
use crate::database::text::storable;
use crate::database::timestamp::Timestamp;
use crate::database::upkeep::{self, ROWS_AT_ONCE};
use crate::error::StoreError;
use forebay_contract::json::read_json;
use forebay_contract::{Name, UnixMicros};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::Row;

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Increases with each entry; there are gaps.
    pub id: i64,
    /// Microseconds of Unix time.
    pub at: UnixMicros,
    /// The principal that made the change.
    pub principal: Principal,
    /// The tenant; `None`: the whole installation.
    pub tenant: Option<Name>,
    /// The action, such as `key.create`; one of another version may be none of [`AuditAction`].
    pub action: String,
    /// The changed thing, such as `t37ed/CreateWorkOrder`.
    pub target: String,
    /// The state before.
    pub before: Option<Value>,
    /// The state after.
    pub after: Option<Value>,
}

/// A filter of the audit log.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Entries of these tenants; `None`: of all, and of no tenant.
    pub tenants: Option<Vec<Name>>,
    /// Entries of the principal of this name.
    pub by: Option<String>,
    /// An action, or its first word: `key` finds `key.create`.
    pub action: Option<String>,
    /// Entries of exactly this target.
    pub target: Option<String>,
    /// At this time or later.
    pub since: Option<UnixMicros>,
    /// Before this time.
    pub until: Option<UnixMicros>,
    /// Before the entry of this id: the last one of the page before.
    pub before: Option<i64>,
    /// Maximum entries.
    pub limit: u32,
}

impl Store {
    /// Writes an event that changes nothing in the database, such as a retry.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record_audit_event(&self, principal: &Principal, event: &AuditEvent) -> Result<(), StoreError> {
        let client = self.client("write the audit log").await?;
        audit_event::write(&client, principal, event).await
    }

    /// Deletes entries that are older than `retention` and returns their number. It deletes 5,000 at once, with an entry about each such
    /// part. Several processes may call it at the same time: one of them deletes.
    ///
    /// # Errors
    /// Those of the database. Deleted entries stay deleted.
    pub async fn delete_old_audit_entries(&self, now: UnixMicros, retention: Duration) -> Result<u64, StoreError> {
        let operation = "delete old entries of the audit log";
        let mut client = self.client(operation).await?;
        let before = Timestamp(now - retention);
        let sql = format!("delete from audit where id = any(array(select id from audit where at < $1 order by id limit {ROWS_AT_ONCE}))");
        let principal = Principal { kind: PrincipalKind::System, name: "retention".to_owned(), user: None, address: None };
        let mut deleted = 0;
        loop {
            let Some(transaction) = upkeep::begin(&mut client).await? else { return Ok(deleted) };
            let rows = transaction.execute(&sql, &[&before]).await.map_err(StoreError::during(operation))?;
            if rows == 0 {
                return Ok(deleted);
            }
            let after = json!({ "lines": rows, "before": before.0.rfc3339() });
            let event =
                AuditEvent { tenant: None, action: AuditAction::AuditForget, target: "*".to_owned(), before: None, after: Some(after) };
            transaction.commit(&principal, &[event]).await?;
            deleted += rows;
        }
    }

    /// Returns entries of the audit log, the newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let operation = "list the audit log";
        let client = self.client(operation).await?;
        let sql = "select id, at, by_kind, by_name, by_user, tenant, action, target, before::text as before, after::text as after,
                       client_address
                   from audit
                   where ($1::text[] is null or tenant = any($1)) and ($2::text is null or by_name = $2)
                       and ($3::text is null or action = $3 or starts_with(action, $3 || '.')) and ($4::text is null or target = $4)
                       and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
                       and ($7::bigint is null or id < $7)
                   order by id desc limit $8";
        let tenants = filter.tenants.as_ref().map(|tenants| tenants.iter().map(Name::as_str).collect::<Vec<_>>());
        // The stored form: the server would refuse a NUL.
        let [by, action, target] = [&filter.by, &filter.action, &filter.target].map(|text| text.as_deref().map(storable));
        let (since, until) = (filter.since.map(Timestamp), filter.until.map(Timestamp));
        let rows = client
            .query(sql, &[&tenants, &by, &action, &target, &since, &until, &filter.before, &i64::from(filter.limit)])
            .await
            .map_err(StoreError::during(operation))?;
        rows.iter().map(audit_entry).collect()
    }
}

fn audit_entry(row: &Row) -> Result<AuditEntry, StoreError> {
    let value = |column: &str| row.get::<_, Option<&str>>(column).map(|text| read_json(text.as_bytes())).transpose();
    let damaged = |_| StoreError::damaged("entry of the audit log");
    Ok(AuditEntry {
        id: row.get("id"),
        at: row.time("at"),
        principal: Principal {
            kind: row.word("audit", "by_kind")?,
            name: row.get("by_name"),
            user: row.get("by_user"),
            address: row.get::<_, Option<&str>>("client_address").and_then(|text| text.parse().ok()),
        },
        tenant: row.get::<_, Option<&str>>("tenant").map(read_name).transpose()?,
        action: row.get("action"),
        target: row.get("target"),
        before: value("before").map_err(damaged)?,
        after: value("after").map_err(damaged)?,
    })
}
