//! Settings of a whole tenant.

use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, NO_PART, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::text::storable;
use crate::database::word::{Stored, Word, words};
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::Name;
use serde_json::json;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

words! {
    /// The readers of the documents that are made of a tenant's definitions.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub enum DocsAccess {
        /// Everybody.
        Open = "open",
        /// A holder of any API key of the tenant.
        #[default]
        Key = "key",
        /// Nobody: they are not served.
        Off = "off",
    }
}

impl fmt::Display for DocsAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DocsAccess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of_word(text).ok_or_else(|| format!("'{text}' is none of open, key, off"))
    }
}

/// One tenant in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// The tenant.
    pub name: Name,
    /// The readers of its documents.
    pub docs: DocsAccess,
    /// Maximum bytes of its payloads; `None`: as many as there are.
    pub payload_bytes: Option<u64>,
    /// Number of its integrations, disabled ones included.
    pub integrations: u64,
}

impl Store {
    /// Returns every tenant that has an integration, a key or a setting, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        let operation = "list tenants";
        let client = self.client(operation).await?;
        let sql = "select every.name, t.docs, t.payload_bytes,
                       (select count(*) from integrations i where i.tenant = every.name) as integrations
                   from (select tenant as name from integrations union select tenant from api_keys union select name from tenants) every
                   left join tenants t on t.name = every.name order by every.name";
        let rows = client.query(sql, &[]).await.map_err(StoreError::during(operation))?;
        let row = |row: &tokio_postgres::Row| {
            Ok(TenantRow {
                name: row.name("name")?,
                docs: row.optional_word("tenants", "docs")?.unwrap_or_default(),
                payload_bytes: row.get::<_, Option<i64>>("payload_bytes").and_then(|bytes| bytes.try_into().ok()),
                integrations: row.count("integrations"),
            })
        };
        rows.iter().map(row).collect()
    }

    /// Sets the maximum bytes of a tenant's payloads, compressed as they are stored; `None`: no maximum. The next upkeep deletes payloads
    /// above it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_tenant_payload_bytes(&self, tenant: &Name, bytes: Option<u64>, by: impl Into<Principal>) -> Result<(), StoreError> {
        let operation = "change a tenant";
        let by = by.into();
        let failed = StoreError::during(operation);
        let bytes = bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let mut client = self.client(operation).await?;
        // The snapshot contains who reads the documents, which a new row leaves as it is without a row.
        let transaction = ChangeTransaction::begin(&mut client, operation, NO_PART).await?;
        let before = "select payload_bytes from tenants where name = $1 for update";
        let before = transaction.query_opt(before, &[&tenant.as_str()]).await.map_err(failed)?;
        let before: Option<i64> = before.and_then(|row| row.get(0));
        let sql = "insert into tenants (name, docs, payload_bytes, changed_by) values ($1, $2, $3, $4)
                   on conflict (name) do update set payload_bytes = excluded.payload_bytes, changed_by = excluded.changed_by,
                       changed_at = now()";
        let docs = Stored(DocsAccess::default());
        transaction.execute(sql, &[&tenant.as_str(), &docs, &bytes, &storable(&by.name)]).await.map_err(failed)?;
        let event = AuditEvent {
            tenant: Some(tenant.clone()),
            action: AuditAction::TenantPayloads,
            target: tenant.to_string(),
            before: Some(json!({ "payloadBytes": before })),
            after: Some(json!({ "payloadBytes": bytes })),
        };
        transaction.commit(&by, &[event]).await
    }

    /// Sets the readers of a tenant's documents, effective on every replica within a second. The tenant needs no integration yet.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_tenant_docs(&self, tenant: &Name, docs: DocsAccess, by: impl Into<Principal>) -> Result<(), StoreError> {
        let operation = "change a tenant";
        let by = by.into();
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Tenants]).await?;
        let before = transaction.query_opt("select docs from tenants where name = $1", &[&tenant.as_str()]).await.map_err(failed)?;
        let before: DocsAccess = before.map(|row| row.word("tenants", "docs")).transpose()?.unwrap_or_default();
        let sql = "insert into tenants (name, docs, changed_by) values ($1, $2, $3)
                   on conflict (name) do update set docs = excluded.docs, changed_by = excluded.changed_by, changed_at = now()";
        transaction.execute(sql, &[&tenant.as_str(), &Stored(docs), &storable(&by.name)]).await.map_err(failed)?;
        let event = AuditEvent {
            tenant: Some(tenant.clone()),
            action: AuditAction::TenantDocs,
            target: tenant.to_string(),
            before: Some(json!({ "docs": before.as_str() })),
            after: Some(json!({ "docs": docs.as_str() })),
        };
        transaction.commit(&by, &[event]).await
    }
}

/// Returns the readers of the documents of each tenant that has a row.
pub(crate) async fn load(transaction: &Transaction<'_>) -> Result<HashMap<Arc<str>, DocsAccess>, StoreError> {
    let rows = transaction.query("select name, docs from tenants", &[]).await.map_err(StoreError::during("load a snapshot"))?;
    rows.iter().map(|row| Ok((row.get::<_, &str>("name").into(), row.word("tenants", "docs")?))).collect()
}
