//! The history of definitions: every version of an integration, with its author and time.

use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::definitions::integrations::is_same_text;
use crate::error::StoreError;
use forebay_contract::definition::to_yaml;
use forebay_contract::json::read_json;
use forebay_contract::{IntegrationPath, Name, UnixMicros};
use serde_json::Value;
use tokio_postgres::Row;

/// One version of an integration as it was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVersion {
    /// Tenant and name.
    pub path: IntegrationPath,
    /// Counts from 1.
    pub version: i32,
    /// The JSON shape, not checked again: an older or newer Forebay may have written it.
    pub document: Value,
    /// The text that its author wrote, comments included.
    pub source: String,
    /// Microseconds of Unix time.
    pub created_at: UnixMicros,
    /// The principal that applied it.
    pub created_by: String,
}

impl StoredVersion {
    /// Returns the text that its author wrote; of a version that has none, its document as YAML.
    #[must_use]
    pub fn text(&self) -> String {
        if self.source.trim().is_empty() { to_yaml(&self.document) } else { self.source.clone() }
    }

    /// Returns true if it is the same definition in the same words.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.document == other.document && is_same_text(&self.text(), &other.text())
    }
}

/// The integrations whose versions are read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Every one.
    All,
    /// Those of a tenant.
    Tenant(&'a Name),
    /// These, where they exist.
    Paths(&'a [IntegrationPath]),
}

const COLUMNS: &str = "i.tenant, i.name, v.version, v.document::text as document, v.source, v.created_at, v.created_by";

impl Store {
    /// Returns the current versions of integrations, by tenant and name.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], and those of the database.
    pub async fn current_versions(&self, which: Which<'_>) -> Result<Vec<StoredVersion>, StoreError> {
        let operation = "read current versions";
        let client = self.client(operation).await?;
        let from = "from integrations i join integration_versions v on v.integration_id = i.id and v.version = i.current_version";
        let failed = StoreError::during(operation);
        let rows = match which {
            Which::All => client.query(&format!("select {COLUMNS} {from} order by i.tenant, i.name"), &[]).await,
            Which::Tenant(tenant) => {
                let sql = format!("select {COLUMNS} {from} where i.tenant = $1 order by i.tenant, i.name");
                client.query(&sql, &[&tenant.as_str()]).await
            }
            Which::Paths(paths) => {
                let tenants: Vec<&str> = paths.iter().map(|path| path.tenant.as_str()).collect();
                let names: Vec<&str> = paths.iter().map(|path| path.name.as_str()).collect();
                let sql = format!(
                    "select {COLUMNS} {from} where (i.tenant, i.name) in (select * from unnest($1::text[], $2::text[]))
                     order by i.tenant, i.name"
                );
                client.query(&sql, &[&tenants, &names]).await
            }
        };
        rows.map_err(failed)?.iter().map(stored_version).collect()
    }

    /// Returns every version of an integration, the newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an integration that was never applied, [`StoreError::Damaged`], and those of the database.
    pub async fn versions(&self, path: &IntegrationPath) -> Result<Vec<StoredVersion>, StoreError> {
        let operation = "read versions";
        let client = self.client(operation).await?;
        let sql = format!(
            "select {COLUMNS} from integrations i join integration_versions v on v.integration_id = i.id
             where i.tenant = $1 and i.name = $2 order by v.version desc"
        );
        let rows = client.query(&sql, &[&path.tenant.as_str(), &path.name.as_str()]).await.map_err(StoreError::during(operation))?;
        if rows.is_empty() {
            return Err(StoreError::NotFound { what: format!("the integration {path}") });
        }
        rows.iter().map(stored_version).collect()
    }
}

/// Reads [`COLUMNS`].
fn stored_version(row: &Row) -> Result<StoredVersion, StoreError> {
    let document = read_json(row.get::<_, &str>("document").as_bytes()).map_err(|_| StoreError::damaged("definition"))?;
    Ok(StoredVersion {
        path: IntegrationPath { tenant: row.name("tenant")?, name: row.name("name")? },
        version: row.get("version"),
        document,
        source: row.get("source"),
        created_at: row.time("created_at"),
        created_by: row.get("created_by"),
    })
}
