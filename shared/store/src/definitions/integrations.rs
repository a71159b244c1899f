//! Integrations and their immutable versions.

use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::caps::Counted;
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::text::storable;
use crate::database::word::Stored;
use crate::definitions::schedule_places;
use crate::definitions::trigger_kind::{self, TriggerKind};
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::definition::{Definition, to_yaml};
use forebay_contract::json::read_json;
use forebay_contract::{IntegrationPath, Name, UnixMicros};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// A definition to store.
#[derive(Debug, Clone)]
pub struct NewDefinition {
    /// The definition, checked.
    pub definition: Definition,
    /// Its JSON shape, from which it was read.
    pub document: Value,
    /// The text that its author wrote, comments included; empty: it was given as JSON alone, and is stored as YAML.
    pub source: String,
}

/// The result of applying one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Tenant and name.
    pub path: IntegrationPath,
    /// The integration's id, which never changes. Nil in the plan of an integration that does not exist yet.
    pub id: Uuid,
    /// The current version then; versions count from 1.
    pub version: i32,
    /// The kind of the change.
    pub change: Change,
}

/// The change of an integration by a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Created,
    /// It has a new version.
    Updated,
    /// The current version has the same document and the same text.
    Unchanged,
}

/// One integration in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationRow {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: Name,
    /// Its name in the tenant.
    pub name: Name,
    /// True if it accepts calls.
    pub enabled: bool,
    /// Its current version.
    pub version: i32,
    /// Its description, for people.
    pub description: String,
    /// The time at which it got its current version.
    pub updated_at: UnixMicros,
    /// The principal that applied it.
    pub updated_by: String,
}

/// One integration with its current definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Integration {
    /// Its id.
    pub id: Uuid,
    /// The version that the definition is.
    pub version: i32,
    /// The definition; disabled integrations are in the snapshot too.
    pub definition: Arc<Definition>,
}

impl Integration {
    /// The columns that [`Self::of_row`] reads, of `integrations i` and `integration_versions v`.
    pub(crate) const COLUMNS: &str = "i.id, i.current_version, v.document::text as document";

    /// Reads [`Self::COLUMNS`].
    pub(crate) fn of_row(row: &Row) -> Result<Self, StoreError> {
        let definition = Arc::new(read_definition(row.get("document"))?);
        Ok(Self { id: row.get("id"), version: row.get("current_version"), definition })
    }
}

/// The current version of an integration, as far as applying needs it.
struct Current {
    id: Uuid,
    version: i32,
    document: String,
    source: String,
}

impl Store {
    /// Makes each definition the current version of its integration, all in one transaction. A definition that equals the
    /// current version in its document and its text changes nothing; a text that differs in its comments alone is a new version.
    /// `by`: the principal, for the history. The answer has the order of the definitions.
    ///
    /// # Errors
    /// [`StoreError::DefinedTwice`], [`StoreError::TooMany`], and those of the database; then nothing is applied.
    pub async fn apply(&self, definitions: &[NewDefinition], by: impl Into<Principal>) -> Result<Vec<Applied>, StoreError> {
        self.apply_each(definitions, None, &by.into()).await
    }

    /// Applies one definition as [`Store::apply`] does, if the current version is `expected`; 0: there must be none yet.
    ///
    /// # Errors
    /// [`StoreError::Changed`], and as for [`Store::apply`].
    pub async fn apply_over(&self, definition: &NewDefinition, expected: i32, by: &Principal) -> Result<Applied, StoreError> {
        let applied = self.apply_each(std::slice::from_ref(definition), Some(expected), by).await?;
        applied.into_iter().next().ok_or(StoreError::damaged("definition"))
    }

    async fn apply_each(&self, definitions: &[NewDefinition], expected: Option<i32>, by: &Principal) -> Result<Vec<Applied>, StoreError> {
        refuse_repeats(definitions)?;
        let operation = "apply definitions";
        let mut client = self.client(operation).await?;
        // Locks out other writers of integrations until the end, so that what is read here is still current when it is replaced.
        let transaction = ChangeTransaction::begin_long(&mut client, operation, &[Part::Integrations]).await?;
        let stored = read_current(&transaction, definitions).await?;
        let mut applied = compare(&stored, definitions);
        refuse_unexpected(&stored, &applied, expected)?;
        if applied.iter().all(|one| one.change == Change::Unchanged) {
            return Ok(applied);
        }
        for one in &mut applied {
            if one.change == Change::Created {
                one.id = Uuid::new_v4();
            }
        }
        write_integrations(&transaction, definitions, &applied).await?;
        self.check_counts(&transaction, &applied).await?;
        write_versions(&transaction, definitions, &applied, &by.name).await?;
        let triggers = definitions.iter().zip(&applied).map(|(new, one)| (one.id, &new.definition.trigger));
        schedule_places::place(&transaction, triggers).await?;
        transaction.commit(by, &audit_events(&stored, definitions, &applied)).await?;
        Ok(applied)
    }

    /// Refuses definitions that are larger than they may be. [`Store::apply`] does not: an older version may become the newest again.
    ///
    /// # Errors
    /// [`StoreError::DefinitionTooLarge`].
    pub fn check_sizes(&self, definitions: &[NewDefinition]) -> Result<(), StoreError> {
        let max = self.caps.definition_bytes;
        for new in definitions {
            let bytes = new.source.len().max(new.document.to_string().len());
            if bytes > max {
                return Err(StoreError::DefinitionTooLarge { path: new.definition.path(), bytes, max });
            }
        }
        Ok(())
    }

    /// Checks the caps of tenants that get more integrations.
    async fn check_counts(&self, transaction: &Transaction<'_>, applied: &[Applied]) -> Result<(), StoreError> {
        let created = applied.iter().filter(|one| one.change == Change::Created);
        let tenants: HashSet<&Name> = created.map(|one| &one.path.tenant).collect();
        for tenant in tenants {
            self.caps.check(transaction, Counted::Integrations, tenant).await?;
        }
        Ok(())
    }

    /// Returns the result that [`Store::apply`] would have now, and writes nothing.
    ///
    /// # Errors
    /// Those of [`Store::apply`].
    pub async fn plan(&self, definitions: &[NewDefinition]) -> Result<Vec<Applied>, StoreError> {
        refuse_repeats(definitions)?;
        let operation = "plan definitions";
        let mut client = self.client(operation).await?;
        let transaction = client.transaction().await.map_err(StoreError::during(operation))?;
        Ok(compare(&read_current(&transaction, definitions).await?, definitions))
    }

    /// Returns one version of an integration; `None`: it was never stored.
    ///
    /// # Errors
    /// [`StoreError::UnreadableDefinition`] when a newer Forebay wrote it, and those of the database.
    pub async fn definition(&self, integration: Uuid, version: i32) -> Result<Option<Definition>, StoreError> {
        let operation = "read a definition";
        let client = self.client(operation).await?;
        let sql = "select document::text from integration_versions where integration_id = $1 and version = $2";
        let statement = client.prepare_cached(sql).await.map_err(StoreError::during(operation))?;
        let row = client.query_opt(&statement, &[&integration, &version]).await.map_err(StoreError::during(operation))?;
        row.map(|row| read_definition(row.get(0))).transpose()
    }

    /// Returns an integration with its current definition, enabled or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::UnreadableDefinition`], and those of the database.
    pub async fn integration(&self, path: &IntegrationPath) -> Result<Integration, StoreError> {
        let operation = "read an integration";
        let client = self.client(operation).await?;
        let sql = format!(
            "select {} from integrations i join integration_versions v on v.integration_id = i.id and v.version = i.current_version
             where i.tenant = $1 and i.name = $2",
            Integration::COLUMNS
        );
        let row = client.query_opt(&sql, &[&path.tenant.as_str(), &path.name.as_str()]).await.map_err(StoreError::during(operation))?;
        let row = row.ok_or_else(|| StoreError::NotFound { what: format!("the integration {path}") })?;
        Integration::of_row(&row)
    }

    /// Returns all integrations, or those of a tenant, by tenant and name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_integrations(&self, tenant: Option<&Name>) -> Result<Vec<IntegrationRow>, StoreError> {
        let operation = "list integrations";
        let client = self.client(operation).await?;
        let sql =
            "select i.id, i.tenant, i.name, i.enabled, i.current_version, i.description, i.updated_at, v.created_by from integrations i
                   join integration_versions v on v.integration_id = i.id and v.version = i.current_version
                   where $1::text is null or i.tenant = $1 order by i.tenant, i.name";
        let statement = client.prepare_cached(sql).await.map_err(StoreError::during(operation))?;
        let rows = client.query(&statement, &[&tenant.map(Name::as_str)]).await.map_err(StoreError::during(operation))?;
        rows.iter().map(integration_row).collect()
    }
}

/// Returns the definition of a stored document.
pub(crate) fn read_definition(document: &str) -> Result<Definition, StoreError> {
    let document = read_json(document.as_bytes()).map_err(|_| StoreError::damaged("definition"))?;
    Definition::from_stored(&document).map_err(|source| StoreError::UnreadableDefinition { source })
}

fn integration_row(row: &Row) -> Result<IntegrationRow, StoreError> {
    Ok(IntegrationRow {
        id: row.get("id"),
        tenant: row.name("tenant")?,
        name: row.name("name")?,
        enabled: row.get("enabled"),
        version: row.get("current_version"),
        description: row.get("description"),
        updated_at: row.time("updated_at"),
        updated_by: row.get("created_by"),
    })
}

fn refuse_repeats(definitions: &[NewDefinition]) -> Result<(), StoreError> {
    let mut paths = HashSet::with_capacity(definitions.len());
    for new in definitions {
        let path = new.definition.path();
        if !paths.insert(path.clone()) {
            return Err(StoreError::DefinedTwice { path });
        }
    }
    Ok(())
}

/// Returns the change that each definition would make; ids of new ones are nil.
fn compare(stored: &HashMap<IntegrationPath, Current>, definitions: &[NewDefinition]) -> Vec<Applied> {
    let mut applied = Vec::with_capacity(definitions.len());
    for new in definitions {
        let path = new.definition.path();
        let (id, version, change) = match stored.get(&path) {
            None => (Uuid::nil(), 1, Change::Created),
            Some(current) if is_same(current, new) => (current.id, current.version, Change::Unchanged),
            Some(current) => (current.id, current.version + 1, Change::Updated),
        };
        applied.push(Applied { path, id, version, change });
    }
    applied
}

fn refuse_unexpected(stored: &HashMap<IntegrationPath, Current>, applied: &[Applied], expected: Option<i32>) -> Result<(), StoreError> {
    let Some(expected) = expected else { return Ok(()) };
    for one in applied {
        if stored.get(&one.path).map_or(0, |current| current.version) != expected {
            return Err(StoreError::Changed { what: format!("the integration {}", one.path) });
        }
    }
    Ok(())
}

/// Returns the event of each change. A version never changes, so its number is enough.
fn audit_events(stored: &HashMap<IntegrationPath, Current>, definitions: &[NewDefinition], applied: &[Applied]) -> Vec<AuditEvent> {
    let event = |(new, one): (&NewDefinition, &Applied)| AuditEvent {
        tenant: Some(one.path.tenant.clone()),
        action: if one.change == Change::Created { AuditAction::IntegrationCreate } else { AuditAction::IntegrationUpdate },
        target: one.path.to_string(),
        before: stored.get(&one.path).map(|current| json!({ "version": current.version })),
        after: Some(json!({ "version": one.version, "enabled": new.definition.enabled })),
    };
    changed(definitions, applied).map(event).collect()
}

/// Returns true if the current version has this document and this text.
fn is_same(current: &Current, new: &NewDefinition) -> bool {
    is_same_document(&current.document, &new.document) && is_same_source(&current.source, new)
}

fn is_same_document(current: &str, document: &Value) -> bool {
    // The texts are usually the same, and cheaper to compare.
    let text = document.to_string();
    current == text || read_json(current.as_bytes()).is_ok_and(|stored| stored == *document)
}

/// Returns true if the texts are the same: comments and layout are part of a version. A definition that is given as JSON alone has none.
fn is_same_source(current: &str, new: &NewDefinition) -> bool {
    new.source.trim().is_empty() || is_same_text(current, &new.source)
}

/// Returns true if two texts are the same to their author: an editor or a file system may have changed how lines and the text end.
#[must_use]
pub fn is_same_text(one: &str, other: &str) -> bool {
    one.trim_end().lines().eq(other.trim_end().lines())
}

async fn read_current(
    transaction: &Transaction<'_>,
    definitions: &[NewDefinition],
) -> Result<HashMap<IntegrationPath, Current>, StoreError> {
    let tenants: Vec<&str> = definitions.iter().map(|new| new.definition.tenant.as_str()).collect();
    let names: Vec<&str> = definitions.iter().map(|new| new.definition.name.as_str()).collect();
    let sql = "select i.tenant, i.name, i.id, i.current_version, v.document::text as document, v.source
               from unnest($1::text[], $2::text[]) as requested (tenant, name)
               join integrations i on i.tenant = requested.tenant and i.name = requested.name
               join integration_versions v on v.integration_id = i.id and v.version = i.current_version";
    let rows = transaction.query(sql, &[&tenants, &names]).await.map_err(StoreError::during("read current versions"))?;
    let mut stored = HashMap::with_capacity(rows.len());
    for row in rows {
        let path = IntegrationPath { tenant: row.name("tenant")?, name: row.name("name")? };
        let (document, source) = (row.get("document"), row.get("source"));
        stored.insert(path, Current { id: row.get("id"), version: row.get("current_version"), document, source });
    }
    Ok(stored)
}

async fn write_integrations(transaction: &Transaction<'_>, definitions: &[NewDefinition], applied: &[Applied]) -> Result<(), StoreError> {
    let changed: Vec<(&NewDefinition, &Applied)> = changed(definitions, applied).collect();
    let ids: Vec<Uuid> = changed.iter().map(|(_, one)| one.id).collect();
    let tenants: Vec<&str> = changed.iter().map(|(_, one)| one.path.tenant.as_str()).collect();
    let names: Vec<&str> = changed.iter().map(|(_, one)| one.path.name.as_str()).collect();
    let descriptions: Vec<String> = changed.iter().map(|(new, _)| storable(&new.definition.description)).collect();
    let enabled: Vec<bool> = changed.iter().map(|(new, _)| new.definition.enabled).collect();
    let paused: Vec<bool> = changed.iter().map(|(new, _)| new.definition.paused).collect();
    let versions: Vec<i32> = changed.iter().map(|(_, one)| one.version).collect();
    let sql = "insert into integrations (id, tenant, name, description, enabled, paused, current_version, changed)
               select *, (select generation from snapshot_generations where part = 'integrations')
               from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::integer[])
               on conflict (id) do update set description = excluded.description, enabled = excluded.enabled,
                   paused = excluded.paused, current_version = excluded.current_version, changed = excluded.changed, updated_at = now()";
    transaction
        .execute(sql, &[&ids, &tenants, &names, &descriptions, &enabled, &paused, &versions])
        .await
        .map_err(StoreError::during("write integrations"))?;
    Ok(())
}

async fn write_versions(
    transaction: &Transaction<'_>,
    definitions: &[NewDefinition],
    applied: &[Applied],
    by: &str,
) -> Result<(), StoreError> {
    let changed: Vec<(&NewDefinition, &Applied)> = changed(definitions, applied).collect();
    let ids: Vec<Uuid> = changed.iter().map(|(_, one)| one.id).collect();
    let versions: Vec<i32> = changed.iter().map(|(_, one)| one.version).collect();
    let documents: Vec<String> = changed.iter().map(|(new, _)| new.document.to_string()).collect();
    let sources: Vec<String> = changed.iter().map(|(new, _)| storable(&source_of(new))).collect();
    let kinds: Vec<Stored<TriggerKind>> = changed.iter().map(|(new, _)| Stored((&new.definition.trigger).into())).collect();
    let deliveries: Vec<String> = changed.iter().map(|(new, _)| trigger_kind::policy(new.definition.trigger.policy())).collect();
    let sql = "insert into integration_versions (integration_id, version, document, source, trigger_kind, delivery, created_by)
               select id, version, document::json, source, trigger_kind, delivery, $7
               from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[])
                   as new (id, version, document, source, trigger_kind, delivery)";
    transaction
        .execute(sql, &[&ids, &versions, &documents, &sources, &kinds, &deliveries, &storable(by)])
        .await
        .map_err(StoreError::during("write versions"))?;
    Ok(())
}

fn changed<'a>(definitions: &'a [NewDefinition], applied: &'a [Applied]) -> impl Iterator<Item = (&'a NewDefinition, &'a Applied)> {
    definitions.iter().zip(applied).filter(|(_, one)| one.change != Change::Unchanged)
}

/// Returns the text of a version, which people read and edit. Every version has one.
fn source_of(new: &NewDefinition) -> Cow<'_, str> {
    if new.source.trim().is_empty() { Cow::Owned(to_yaml(&new.document)) } else { Cow::Borrowed(&new.source) }
}
