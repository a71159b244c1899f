//! The integrations that a key opens.

use crate::database::row::ReadRow;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::Name;
use std::collections::HashMap;
use uuid::Uuid;

/// Returns the ids of a tenant's integrations.
///
/// # Errors
/// [`StoreError::UnknownIntegrations`] with every name that the tenant does not have, and those of the database.
pub(crate) async fn resolve(transaction: &Transaction<'_>, tenant: &Name, names: &[Name]) -> Result<Vec<Uuid>, StoreError> {
    let texts: Vec<&str> = names.iter().map(Name::as_str).collect();
    let rows = transaction
        .query("select name, id from integrations where tenant = $1 and name = any($2)", &[&tenant.as_str(), &texts])
        .await
        .map_err(StoreError::during("read integrations to grant"))?;
    let mut ids: HashMap<Name, Uuid> = HashMap::with_capacity(rows.len());
    for row in &rows {
        ids.insert(row.name("name")?, row.get("id"));
    }
    let unknown: Vec<Name> = names.iter().filter(|name| !ids.contains_key(*name)).cloned().collect();
    if !unknown.is_empty() {
        return Err(StoreError::UnknownIntegrations { tenant: tenant.clone(), names: unknown });
    }
    Ok(ids.into_values().collect())
}

/// Makes these the integrations that the key opens, and no others.
pub(crate) async fn replace(transaction: &Transaction<'_>, key: Uuid, integrations: &[Uuid]) -> Result<(), StoreError> {
    let failed = StoreError::during("write grants");
    transaction.execute("delete from api_key_grants where key_id = $1", &[&key]).await.map_err(failed)?;
    let sql = "insert into api_key_grants (key_id, integration_id) select $1, unnest($2::uuid[])";
    transaction.execute(sql, &[&key, &integrations]).await.map_err(failed)?;
    Ok(())
}
