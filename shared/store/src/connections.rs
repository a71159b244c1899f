//! Connections: named credentials, stored encrypted.

use crate::audit::{self, Deed, Who};
use crate::caps::Counted;
use crate::connection::Store;
use crate::definitions::read_name;
use crate::error::StoreError;
use crate::listen::{self, Part};
use crate::seal::SecretKeys;
use crate::timestamp::Timestamp;
use deadpool_postgres::{GenericClient, Transaction};
use forebay_contract::Name;
use forebay_contract::connection::Connection;
use forebay_contract::json::read_json;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// A connection as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedConnection {
    id: Uuid,
    content: Vec<u8>,
    by: Vec<u8>,
}

impl SealedConnection {
    /// Decrypts it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]: it was encrypted by another key; [`StoreError::Damaged`].
    pub fn open(&self, keys: &SecretKeys) -> Result<Connection, StoreError> {
        let text = keys.open("the connection", self.id.as_bytes(), &self.content, &self.by)?;
        let document = read_json(&text).map_err(|_| StoreError::Damaged { what: "connection" })?;
        Connection::from_stored(&document).map_err(|_| StoreError::Damaged { what: "connection" })
    }
}

impl std::fmt::Debug for SealedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedConnection({})", self.id)
    }
}

/// A connection in a listing: what may be shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: Name,
    /// Its name.
    pub name: Name,
    /// `http`, `postgres`, ...
    pub kind: String,
    /// For people.
    pub description: String,
    /// Whether steps may use it.
    pub enabled: bool,
    /// Microseconds of Unix time.
    pub updated_at: i64,
    /// Counts changes.
    pub revision: i32,
}

const OPERATION: &str = "write a connection";

impl Store {
    /// Creates or replaces a connection. `document` is what `connection` was read from, every secret as text. `expected`: the revision that
    /// the change was made from; 0: there must be none yet.
    ///
    /// # Errors
    /// [`StoreError::Changed`], [`StoreError::TooMany`], or what the server says.
    pub async fn put_connection(
        &self,
        connection: &Connection,
        document: &Value,
        keys: &SecretKeys,
        expected: Option<i32>,
        by: &Who,
    ) -> Result<Uuid, StoreError> {
        self.write_connection(connection, document, keys, expected, Some(by)).await
    }

    /// `by`: who changes it; `None`: nothing of it changes but its encryption.
    async fn write_connection(
        &self,
        connection: &Connection,
        document: &Value,
        keys: &SecretKeys,
        expected: Option<i32>,
        by: Option<&Who>,
    ) -> Result<Uuid, StoreError> {
        let failed = StoreError::during(OPERATION);
        let mut client = self.client(OPERATION).await?;
        let transaction = client.transaction().await.map_err(failed)?;
        listen::next_generation(&transaction, Part::Connections).await?;
        let (tenant, name) = (connection.tenant.as_str(), connection.name.as_str());
        let before = read(&transaction, &connection.tenant, &connection.name).await?;
        if expected.is_some_and(|expected| expected != before.as_ref().map_or(0, |before| before.revision)) {
            return Err(StoreError::Changed { what: format!("the connection {tenant}/{name}") });
        }
        let id = before.as_ref().map_or_else(Uuid::new_v4, |before| before.id);
        let sealed = keys.seal(id.as_bytes(), document.to_string().into_bytes())?;
        let sql = "insert into connections (id, tenant, name, kind, description, enabled, sealed, sealed_by)
                   values ($1, $2, $3, $4, $5, $6, $7, $8)
                   on conflict (id) do update set kind = excluded.kind, description = excluded.description, enabled = excluded.enabled,
                       sealed = excluded.sealed, sealed_by = excluded.sealed_by, revision = connections.revision + $9,
                       updated_at = case when $9 = 0 then connections.updated_at else now() end";
        let kind = connection.kind.as_str();
        transaction
            .execute(
                sql,
                &[
                    &id,
                    &tenant,
                    &name,
                    &kind,
                    &connection.description,
                    &connection.enabled,
                    &sealed.content,
                    &sealed.by.as_slice(),
                    &i32::from(by.is_some()),
                ],
            )
            .await
            .map_err(failed)?;
        if before.is_none() {
            self.caps.check(&transaction, Counted::Connections, &connection.tenant).await?;
        }
        if let Some(by) = by {
            let after = shown(kind, &connection.description, connection.enabled);
            let action = if before.is_some() { "connection.update" } else { "connection.create" };
            audit::write(
                &transaction,
                by,
                &deed(action, &connection.tenant, &connection.name, before.as_ref().map(ConnectionRow::shown), Some(after)),
            )
            .await?;
        }
        listen::announce_change(&transaction).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(id)
    }

    /// All connections, or those of a tenant, by tenant and name.
    ///
    /// # Errors
    /// What the server says.
    pub async fn list_connections(&self, tenant: Option<&Name>) -> Result<Vec<ConnectionRow>, StoreError> {
        let operation = "list connections";
        let client = self.client(operation).await?;
        let sql = format!("select {COLUMNS} from connections where $1::text is null or tenant = $1 order by tenant, name");
        let rows = client.query(&sql, &[&tenant.map(Name::as_str)]).await.map_err(StoreError::during(operation))?;
        rows.iter().map(connection_row).collect()
    }

    /// What may be shown of one connection.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what the server says.
    pub async fn connection_listed(&self, tenant: &Name, name: &Name) -> Result<ConnectionRow, StoreError> {
        let client = self.client("read a connection").await?;
        read(&client, tenant, name).await?.ok_or_else(|| not_found(tenant, name))
    }

    /// One connection.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], as [`SealedConnection::open`], or what the server says.
    pub async fn connection(&self, tenant: &Name, name: &Name, keys: &SecretKeys) -> Result<Connection, StoreError> {
        let document = self.connection_document(tenant, name, keys).await?;
        Connection::from_stored(&document).map_err(|_| StoreError::Damaged { what: "connection" })
    }

    /// What one connection was read from, every secret as text.
    ///
    /// # Errors
    /// As [`Store::connection`].
    pub async fn connection_document(&self, tenant: &Name, name: &Name, keys: &SecretKeys) -> Result<Value, StoreError> {
        let operation = "read a connection";
        let client = self.client(operation).await?;
        let sql = "select id, sealed, sealed_by from connections where tenant = $1 and name = $2";
        let row = client.query_opt(sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(StoreError::during(operation))?;
        let row = row.ok_or_else(|| not_found(tenant, name))?;
        let text = keys.open("the connection", row.get::<_, Uuid>(0).as_bytes(), row.get(1), row.get(2))?;
        read_json(&text).map_err(|_| StoreError::Damaged { what: "connection" })
    }

    /// Lets steps use a connection, or not.
    ///
    /// # Errors
    /// As [`Store::connection`].
    pub async fn enable_connection(
        &self,
        tenant: &Name,
        name: &Name,
        enabled: bool,
        keys: &SecretKeys,
        by: &Who,
    ) -> Result<(), StoreError> {
        let revision = self.connection_listed(tenant, name).await?.revision;
        let mut document = self.connection_document(tenant, name, keys).await?;
        document["enabled"] = enabled.into();
        let connection = Connection::from_stored(&document).map_err(|_| StoreError::Damaged { what: "connection" })?;
        self.put_connection(&connection, &document, keys, Some(revision), by).await.map(drop)
    }

    /// Deletes a connection, if its revision is still `expected` (`None`: whatever it is); steps that use it fail from then on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], or what the server says.
    pub async fn delete_connection(&self, tenant: &Name, name: &Name, expected: Option<i32>, by: &Who) -> Result<(), StoreError> {
        let operation = "delete a connection";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = client.transaction().await.map_err(failed)?;
        listen::next_generation(&transaction, Part::Connections).await?;
        let before = read(&transaction, tenant, name).await?.ok_or_else(|| not_found(tenant, name))?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(StoreError::Changed { what: format!("the connection {tenant}/{name}") });
        }
        let sql = "delete from connections where tenant = $1 and name = $2";
        transaction.execute(sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(failed)?;
        audit::write(&transaction, by, &deed("connection.delete", tenant, name, Some(before.shown()), None)).await?;
        listen::announce_change(&transaction).await?;
        transaction.commit().await.map_err(failed)
    }

    /// Encrypts everything anew that the first key did not encrypt; how many connections and signing keys that were.
    ///
    /// # Errors
    /// As [`SealedConnection::open`], or what the server says; what was encrypted anew until then stays so.
    pub async fn reseal_connections(&self, keys: &SecretKeys, by: &Who) -> Result<usize, StoreError> {
        let client = self.client(OPERATION).await?;
        let rows = client.query("select tenant, name, sealed_by from connections", &[]).await.map_err(StoreError::during(OPERATION))?;
        drop(client);
        let mut resealed = 0;
        for row in rows {
            if keys.is_current(row.get(2)) {
                continue;
            }
            let (tenant, name) = (read_name(row.get(0))?, read_name(row.get(1))?);
            let document = self.connection_document(&tenant, &name, keys).await?;
            let connection = Connection::from_stored(&document).map_err(|_| StoreError::Damaged { what: "connection" })?;
            self.write_connection(&connection, &document, keys, None, None).await?;
            resealed += 1;
        }
        resealed += self.reseal_signing_keys(keys).await?;
        let after = json!({ "reencrypted": resealed });
        let deed = Deed { tenant: None, action: "connection.rotate", target: "*".to_owned(), before: None, after: Some(after) };
        self.record_deed(by, &deed).await?;
        Ok(resealed)
    }
}

const COLUMNS: &str = "id, tenant, name, kind, description, enabled, updated_at, revision";

/// Reads [`COLUMNS`].
fn connection_row(row: &Row) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        id: row.get(0),
        tenant: read_name(row.get(1))?,
        name: read_name(row.get(2))?,
        kind: row.get(3),
        description: row.get(4),
        enabled: row.get(5),
        updated_at: row.get::<_, Timestamp>(6).0,
        revision: row.get(7),
    })
}

async fn read(client: &impl GenericClient, tenant: &Name, name: &Name) -> Result<Option<ConnectionRow>, StoreError> {
    let sql = format!("select {COLUMNS} from connections where tenant = $1 and name = $2");
    let row = client.query_opt(&sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(StoreError::during("read a connection"))?;
    row.as_ref().map(connection_row).transpose()
}

fn deed(action: &'static str, tenant: &Name, name: &Name, before: Option<Value>, after: Option<Value>) -> Deed {
    Deed { tenant: Some(tenant.clone()), action, target: format!("{tenant}/{name}"), before, after }
}

/// What the audit log shows of a connection: nothing that was encrypted.
fn shown(kind: &str, description: &str, enabled: bool) -> Value {
    json!({ "kind": kind, "description": description, "enabled": enabled })
}

impl ConnectionRow {
    fn shown(&self) -> Value {
        shown(&self.kind, &self.description, self.enabled)
    }
}

fn not_found(tenant: &Name, name: &Name) -> StoreError {
    StoreError::NotFound { what: format!("the connection {tenant}/{name}") }
}

/// All of them: there are few.
pub(crate) async fn load(transaction: &Transaction<'_>) -> Result<HashMap<(Name, Name), Arc<SealedConnection>>, StoreError> {
    let rows = transaction.query("select tenant, name, id, sealed, sealed_by from connections", &[]).await;
    let mut connections = HashMap::new();
    for row in rows.map_err(StoreError::during("load connections"))? {
        let sealed = SealedConnection { id: row.get(2), content: row.get(3), by: row.get(4) };
        connections.insert((read_name(row.get(0))?, read_name(row.get(1))?), Arc::new(sealed));
    }
    Ok(connections)
}
