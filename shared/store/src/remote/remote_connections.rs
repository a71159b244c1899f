//! Connections: named credentials, stored encrypted.

use crate::access::{digests, signing};
use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::caps::Counted;
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::resealed::Resealed;
use crate::database::row::ReadRow;
use crate::error::StoreError;
use crate::seal::{Place, SecretKeys};
use deadpool_postgres::{GenericClient, Transaction};
use forebay_contract::connection::{Connection, take_secrets};
use forebay_contract::json::read_json;
use forebay_contract::{Name, UnixMicros};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A connection as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedConnection {
    tenant: Name,
    name: Name,
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
        self.opened(keys).map(|(_, connection)| connection)
    }

    /// Returns the document and the connection.
    fn opened(&self, keys: &SecretKeys) -> Result<(Value, Connection), StoreError> {
        let document = self.document(keys)?;
        let connection = Connection::from_stored(&document).map_err(|_| DAMAGED)?;
        // A document that an earlier version encrypted is not bound to its tenant and name, but names them: it may have been moved here.
        if connection.tenant == self.tenant && connection.name == self.name { Ok((document, connection)) } else { Err(DAMAGED) }
    }

    /// Returns its document, every secret as text.
    fn document(&self, keys: &SecretKeys) -> Result<Value, StoreError> {
        let text = keys.open(&place(&self.tenant, &self.name, self.id.as_bytes()), &self.content, &self.by)?;
        read_json(&text).map_err(|_| DAMAGED)
    }
}

const DAMAGED: StoreError = StoreError::Damaged { what: Cow::Borrowed("connection") };

fn place<'a>(tenant: &'a Name, name: &'a Name, earlier: &'a [u8]) -> Place<'a> {
    Place { kind: "the connection", tenant: tenant.as_str(), name: name.as_str(), earlier }
}

impl std::fmt::Debug for SealedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedConnection({})", self.id)
    }
}

/// A connection in a listing, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: Name,
    /// Its name.
    pub name: Name,
    /// Its kind, such as `http`.
    pub kind: String,
    /// Its description, for people.
    pub description: String,
    /// True if steps may use it.
    pub enabled: bool,
    /// Microseconds of Unix time.
    pub updated_at: UnixMicros,
    /// Counts changes.
    pub revision: i32,
}

const OPERATION: &str = "write a connection";
const RESEAL: &str = "re-encrypt connections and keys";

impl Store {
    /// Creates or replaces a connection. `document`: the document of `connection`, every secret as text. `expected`: the revision from which
    /// the change was made; 0: there must be no connection yet.
    ///
    /// # Errors
    /// [`StoreError::Changed`], [`StoreError::TooMany`], and those of the database.
    pub async fn put_connection(
        &self,
        connection: &Connection,
        document: &Value,
        keys: &SecretKeys,
        expected: Option<i32>,
        by: &Principal,
    ) -> Result<Uuid, StoreError> {
        let failed = StoreError::during(OPERATION);
        let mut client = self.client(OPERATION).await?;
        let transaction = ChangeTransaction::begin(&mut client, OPERATION, &[Part::Connections]).await?;
        let (tenant, name) = (connection.tenant.as_str(), connection.name.as_str());
        let before = read(&*transaction, &connection.tenant, &connection.name).await?;
        if expected.is_some_and(|expected| expected != before.as_ref().map_or(0, |before| before.revision)) {
            return Err(StoreError::Changed { what: format!("the connection {tenant}/{name}") });
        }
        let id = before.as_ref().map_or_else(Uuid::new_v4, |before| before.id);
        let stored = read_sealed(&*transaction, &connection.tenant, &connection.name).await?;
        let sealed = keys.seal(&place(&connection.tenant, &connection.name, id.as_bytes()), document.to_string().into_bytes())?;
        let sql = "insert into connections (id, tenant, name, kind, description, enabled, sealed, sealed_by)
                   values ($1, $2, $3, $4, $5, $6, $7, $8)
                   on conflict (id) do update set kind = excluded.kind, description = excluded.description, enabled = excluded.enabled,
                       sealed = excluded.sealed, sealed_by = excluded.sealed_by, revision = connections.revision + 1, updated_at = now()";
        let kind = connection.kind.as_str();
        let parameters: [&(dyn ToSql + Sync); 8] =
            [&id, &tenant, &name, &kind, &connection.description, &connection.enabled, &sealed.content, &sealed.by];
        transaction.execute(sql, &parameters).await.map_err(failed)?;
        if before.is_none() {
            self.caps.check(&transaction, Counted::Connections, &connection.tenant).await?;
        }
        let action = if before.is_some() { AuditAction::ConnectionUpdate } else { AuditAction::ConnectionCreate };
        // A connection that cannot be opened any more is replaced all the same.
        let earlier = stored.and_then(|stored| stored.document(keys).ok());
        let (shown_before, after) = audited(earlier.as_ref(), document);
        let shown_before = shown_before.or_else(|| before.as_ref().map(ConnectionRow::shown));
        let event = AuditEvent::of_tenant(action, &connection.tenant, &connection.name, shown_before, Some(after));
        transaction.commit(by, &[event]).await?;
        Ok(id)
    }

    /// Returns all connections, or those of a tenant, by tenant and name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_connections(&self, tenant: Option<&Name>) -> Result<Vec<ConnectionRow>, StoreError> {
        let operation = "list connections";
        let client = self.client(operation).await?;
        let sql = format!("select {COLUMNS} from connections where $1::text is null or tenant = $1 order by tenant, name");
        let rows = client.query(&sql, &[&tenant.map(Name::as_str)]).await.map_err(StoreError::during(operation))?;
        rows.iter().map(connection_row).collect()
    }

    /// Returns one connection without its secrets.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and those of the database.
    pub async fn connection_listed(&self, tenant: &Name, name: &Name) -> Result<ConnectionRow, StoreError> {
        let client = self.client("read a connection").await?;
        read(&client, tenant, name).await?.ok_or_else(|| not_found(tenant, name))
    }

    /// Returns one connection.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], those of [`SealedConnection::open`], and those of the database.
    pub async fn connection(&self, tenant: &Name, name: &Name, keys: &SecretKeys) -> Result<Connection, StoreError> {
        self.sealed_connection(tenant, name).await?.open(keys)
    }

    async fn sealed_connection(&self, tenant: &Name, name: &Name) -> Result<SealedConnection, StoreError> {
        let client = self.client("read a connection").await?;
        read_sealed(&client, tenant, name).await?.ok_or_else(|| not_found(tenant, name))
    }

    /// Returns the document of one connection, with every secret as text.
    ///
    /// # Errors
    /// Those of [`Store::connection`].
    pub async fn connection_document(&self, tenant: &Name, name: &Name, keys: &SecretKeys) -> Result<Value, StoreError> {
        let (document, _) = self.sealed_connection(tenant, name).await?.opened(keys)?;
        Ok(document)
    }

    /// Enables or disables a connection.
    ///
    /// # Errors
    /// Those of [`Store::connection`].
    pub async fn enable_connection(
        &self,
        tenant: &Name,
        name: &Name,
        enabled: bool,
        keys: &SecretKeys,
        by: &Principal,
    ) -> Result<(), StoreError> {
        let revision = self.connection_listed(tenant, name).await?.revision;
        let mut document = self.connection_document(tenant, name, keys).await?;
        document["enabled"] = enabled.into();
        let connection = Connection::from_stored(&document).map_err(|_| DAMAGED)?;
        self.put_connection(&connection, &document, keys, Some(revision), by).await.map(drop)
    }

    /// Deletes a connection, if its revision is still `expected` (`None`: whatever it is); steps that use it fail from then on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], and those of the database.
    pub async fn delete_connection(&self, tenant: &Name, name: &Name, expected: Option<i32>, by: &Principal) -> Result<(), StoreError> {
        let operation = "delete a connection";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Connections]).await?;
        let before = read(&*transaction, tenant, name).await?.ok_or_else(|| not_found(tenant, name))?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(StoreError::Changed { what: format!("the connection {tenant}/{name}") });
        }
        let sql = "delete from connections where tenant = $1 and name = $2";
        transaction.execute(sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(failed)?;
        transaction.commit(by, &[AuditEvent::of_tenant(AuditAction::ConnectionDelete, tenant, name, Some(before.shown()), None)]).await
    }

    /// Re-encrypts connections, signing keys and the key of digests that the first key has not encrypted, or that an earlier version has,
    /// and returns their number: all or none. Payloads of executions are the concern of [`Store::rotate_part`].
    ///
    /// # Errors
    /// Those of [`SealedConnection::open`], and those of the database.
    pub async fn reseal_connections(&self, keys: &SecretKeys, by: &Principal) -> Result<usize, StoreError> {
        let mut client = self.client(RESEAL).await?;
        let transaction = ChangeTransaction::begin_long(&mut client, RESEAL, &[Part::Connections, Part::Keys]).await?;
        let mut resealed = reseal(&transaction, keys).await?;
        resealed += signing::reseal(&transaction, keys).await?;
        resealed += usize::from(digests::reseal(&transaction, keys).await?);
        let after = json!({ "reencrypted": resealed });
        let event =
            AuditEvent { tenant: None, action: AuditAction::ConnectionRotate, target: "*".to_owned(), before: None, after: Some(after) };
        transaction.commit(by, &[event]).await?;
        Ok(resealed)
    }
}

/// Re-encrypts the connections that the first key has not encrypted, and returns their number.
async fn reseal(transaction: &Transaction<'_>, keys: &SecretKeys) -> Result<usize, StoreError> {
    let rows = transaction.query(&format!("select {SEALED_COLUMNS} from connections"), &[]).await.map_err(StoreError::during(RESEAL))?;
    let mut resealed = Resealed::default();
    for row in &rows {
        let stored = sealed_row(row)?;
        if keys.is_current(&stored.by) {
            continue;
        }
        let (document, _) = stored.opened(keys)?;
        let place = place(&stored.tenant, &stored.name, stored.id.as_bytes());
        resealed.push(stored.id, keys.seal(&place, document.to_string().into_bytes())?);
    }
    resealed.write(transaction, "connections").await
}

const COLUMNS: &str = "id, tenant, name, kind, description, enabled, updated_at, revision";
const SEALED_COLUMNS: &str = "tenant, name, id, sealed, sealed_by";

/// Reads [`COLUMNS`].
fn connection_row(row: &Row) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        id: row.get("id"),
        tenant: row.name("tenant")?,
        name: row.name("name")?,
        kind: row.get("kind"),
        description: row.get("description"),
        enabled: row.get("enabled"),
        updated_at: row.time("updated_at"),
        revision: row.get("revision"),
    })
}

async fn read(client: &impl GenericClient, tenant: &Name, name: &Name) -> Result<Option<ConnectionRow>, StoreError> {
    let sql = format!("select {COLUMNS} from connections where tenant = $1 and name = $2");
    let row = client.query_opt(&sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(StoreError::during("read a connection"))?;
    row.as_ref().map(connection_row).transpose()
}

async fn read_sealed(client: &impl GenericClient, tenant: &Name, name: &Name) -> Result<Option<SealedConnection>, StoreError> {
    let sql = format!("select {SEALED_COLUMNS} from connections where tenant = $1 and name = $2");
    let row = client.query_opt(&sql, &[&tenant.as_str(), &name.as_str()]).await.map_err(StoreError::during("read a connection"))?;
    row.as_ref().map(sealed_row).transpose()
}

/// Reads [`SEALED_COLUMNS`].
fn sealed_row(row: &Row) -> Result<SealedConnection, StoreError> {
    Ok(SealedConnection {
        tenant: row.name("tenant")?,
        name: row.name("name")?,
        id: row.get("id"),
        content: row.get("sealed"),
        by: row.get("sealed_by"),
    })
}

/// Returns the two versions of a connection as the audit log shows them: without secrets, and with the names of the secrets that differ.
fn audited(before: Option<&Value>, after: &Value) -> (Option<Value>, Value) {
    let mut paths = Connection::secret_fields(after);
    paths.extend(before.map(Connection::secret_fields).unwrap_or_default());
    let (mut earlier, mut after) = (before.cloned().unwrap_or_default(), after.clone());
    let mut secrets = take_secrets(&mut earlier, &mut after, &paths);
    secrets.retain(|(_, change)| *change != "unchanged");
    let shown = |mut document: Value| {
        // Absent is the same as true.
        document["enabled"] = json!(document.get("enabled") != Some(&Value::Bool(false)));
        document
    };
    let mut after = shown(after);
    if !secrets.is_empty() {
        after["secrets"] = secrets.into_iter().map(|(path, change)| (path, Value::from(change))).collect();
    }
    (before.map(|_| shown(earlier)), after)
}

/// Returns a connection as the audit log shows it, without encrypted fields.
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

/// Returns all connections: there are few.
pub(crate) async fn load(transaction: &Transaction<'_>) -> Result<HashMap<(Name, Name), Arc<SealedConnection>>, StoreError> {
    let rows = transaction.query(&format!("select {SEALED_COLUMNS} from connections"), &[]).await;
    let mut connections = HashMap::new();
    for row in rows.map_err(StoreError::during("load connections"))? {
        let sealed = sealed_row(&row)?;
        connections.insert((sealed.tenant.clone(), sealed.name.clone()), Arc::new(sealed));
    }
    Ok(connections)
}
