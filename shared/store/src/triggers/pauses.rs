//! Pauses: a paused trigger accepts calls, and no execution of it starts until it is resumed.

use crate::database::audit_event::{AuditAction, AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::database::text::{bounded, bounded_message};
use crate::database::timestamp::Timestamp;
use crate::definitions::integrations::Integration;
use crate::error::StoreError;
use deadpool_postgres::{GenericClient, Transaction};
use forebay_contract::definition::Definition;
use forebay_contract::{IntegrationPath, Name, UnixMicros};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use uuid::Uuid;

const MAX_NAME_LENGTH: usize = 200;

/// The target of a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseTarget {
    /// One trigger.
    Trigger(IntegrationPath),
    /// All triggers whose steps use this connection of the tenant.
    Connection(IntegrationPath),
    /// All triggers of the tenant.
    Tenant(Name),
}

impl PauseTarget {
    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &Name {
        match self {
            Self::Trigger(path) | Self::Connection(path) => &path.tenant,
            Self::Tenant(tenant) => tenant,
        }
    }
}

/// The target as the audit log names it.
impl fmt::Display for PauseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(path) => write!(f, "{path}"),
            Self::Connection(path) => write!(f, "connection {path}"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
        }
    }
}

/// The cause for which no execution of an integration starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseCause {
    /// The trigger is paused.
    Trigger,
    /// A connection that its steps use is paused.
    Connection(Name),
    /// Its tenant is paused.
    Tenant,
    /// Its definition has `paused: true`.
    Definition,
    /// Its definition has `enabled: false`.
    Disabled,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Its reason, for people; may be empty.
    pub reason: String,
    /// The time at which it began.
    pub since: UnixMicros,
    /// The time at which it ends by itself; `None`: it has no end.
    pub until: Option<UnixMicros>,
    /// The principal that paused.
    pub by: String,
}

impl Pause {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= UnixMicros::now())
    }

    fn shown(&self) -> Value {
        json!({ "reason": self.reason, "since": self.since.rfc3339(), "until": self.until.map(UnixMicros::rfc3339) })
    }
}

/// The pause of an integration, with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// The cause.
    pub cause: PauseCause,
    /// The pause; `None`: the definition says so.
    pub pause: Option<Pause>,
}

impl Paused {
    /// Returns true if calls are accepted: all pauses but that of a disabled definition.
    #[must_use]
    pub fn accepts_calls(&self) -> bool {
        self.cause != PauseCause::Disabled
    }

    /// Returns the time until which it lasts; `None`: it has no end.
    #[must_use]
    pub fn until(&self) -> Option<UnixMicros> {
        self.pause.as_ref().and_then(|pause| pause.until)
    }
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            PauseCause::Trigger => f.write_str("it is paused")?,
            PauseCause::Connection(connection) => write!(f, "the connection '{connection}', which its steps use, is paused")?,
            PauseCause::Tenant => f.write_str("its tenant is paused")?,
            PauseCause::Definition => f.write_str("its definition has `paused: true`")?,
            PauseCause::Disabled => f.write_str("its definition has `enabled: false`")?,
        }
        let Some(pause) = &self.pause else { return Ok(()) };
        if let Some(until) = pause.until {
            write!(f, " until {}", until.rfc3339())?;
        }
        if !pause.reason.is_empty() {
            write!(f, " ({})", pause.reason)?;
        }
        Ok(())
    }
}

/// All pauses.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    triggers: HashMap<Uuid, Pause>,
    /// By tenant and name.
    connections: HashMap<Name, HashMap<Name, Pause>>,
    tenants: HashMap<Name, Pause>,
}

/// An integration that may be paused.
pub(crate) struct Subject<'a> {
    pub(crate) integration: Uuid,
    pub(crate) tenant: &'a Name,
    /// True if its definition is enabled.
    pub(crate) is_enabled: bool,
    /// True if its definition is paused.
    pub(crate) is_paused: bool,
}

impl Pauses {
    /// Returns the pause of an integration, with its nearest cause.
    pub(crate) fn of(&self, integration: &Integration) -> Option<Paused> {
        let Definition { tenant, enabled, paused, .. } = &*integration.definition;
        let subject = Subject { integration: integration.id, tenant, is_enabled: *enabled, is_paused: *paused };
        self.of_subject(&subject, || integration.definition.connections().cloned().collect())
    }

    /// Returns the tenants of which a connection is paused: only there the connections of an integration matter.
    pub(crate) fn tenants_with_paused_connection(&self) -> Vec<&str> {
        self.connections.keys().map(Name::as_str).collect()
    }

    /// Returns the pause of an integration, with its nearest cause. `connections` returns those that its steps use.
    pub(crate) fn of_subject(&self, subject: &Subject<'_>, connections: impl FnOnce() -> Vec<Name>) -> Option<Paused> {
        let of_definition = |cause| Some(Paused { cause, pause: None });
        if !subject.is_enabled {
            return of_definition(PauseCause::Disabled);
        }
        if subject.is_paused {
            return of_definition(PauseCause::Definition);
        }
        let paused =
            |cause, pause: Option<&Pause>| pause.filter(|pause| !pause.is_over()).map(|pause| Paused { cause, pause: Some(pause.clone()) });
        // The connections of a definition are found by a walk over its steps, so only a tenant with a paused connection has that work.
        let of_connection = || {
            let of_tenant = self.connections.get(subject.tenant)?;
            connections().into_iter().find_map(|name| {
                let pause = of_tenant.get(&name);
                paused(PauseCause::Connection(name), pause)
            })
        };
        paused(PauseCause::Trigger, self.triggers.get(&subject.integration))
            .or_else(of_connection)
            .or_else(|| paused(PauseCause::Tenant, self.tenants.get(subject.tenant)))
    }
}

impl Store {
    /// Pauses a target, effective on every process within a second. One that is paused gets the new reason and end, and stays paused since
    /// the first time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the target does not exist; those of the database.
    pub async fn pause(
        &self,
        target: &PauseTarget,
        reason: &str,
        until: Option<UnixMicros>,
        by: impl Into<Principal>,
    ) -> Result<(), StoreError> {
        let operation = "pause";
        let (by, failed) = (by.into(), StoreError::during(operation));
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Pauses]).await?;
        let key = Key::of(&transaction, target, operation).await?;
        let before = key.pause(&transaction, operation).await?;
        let sql = "insert into pauses (tenant, connection, integration_id, reason, until_at, paused_by, since)
                   values ($1, $2, $3, $4, $5, $6, coalesce($7, now()))";
        let since = before.as_ref().map(|pause| Timestamp(pause.since));
        key.delete(&transaction, operation).await?;
        let (reason, until) = (bounded_message(reason), until.map(Timestamp));
        let Key { tenant, connection, integration } = &key;
        let by_name = bounded(&by.name, MAX_NAME_LENGTH);
        transaction.execute(sql, &[tenant, connection, integration, &reason, &until, &by_name, &since]).await.map_err(failed)?;
        let after = key.pause(&transaction, operation).await?;
        let event = audit_event(AuditAction::Pause, target, before.as_ref(), after.as_ref());
        transaction.commit(&by, &[event]).await
    }

    /// Ends the pause of a target; `false`: it is not paused, or only by something else (its definition, its tenant, a connection).
    ///
    /// # Errors
    /// Those of [`Store::pause`].
    pub async fn end_pause(&self, target: &PauseTarget, by: impl Into<Principal>) -> Result<bool, StoreError> {
        let operation = "end a pause";
        let by = by.into();
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Pauses]).await?;
        let key = Key::of(&transaction, target, operation).await?;
        let Some(before) = key.pause(&transaction, operation).await? else { return Ok(false) };
        key.delete(&transaction, operation).await?;
        transaction.commit(&by, &[audit_event(AuditAction::PauseEnd, target, Some(&before), None)]).await?;
        Ok(true)
    }
}

/// The columns that identify a pause.
struct Key {
    tenant: String,
    connection: Option<String>,
    integration: Option<Uuid>,
}

impl Key {
    /// Returns the key of a target that exists.
    async fn of(transaction: &Transaction<'_>, target: &PauseTarget, operation: &'static str) -> Result<Self, StoreError> {
        let failed = StoreError::during(operation);
        let not_found = |what: String| StoreError::NotFound { what };
        let tenant = target.tenant().to_string();
        match target {
            PauseTarget::Trigger(path) => {
                let sql = "select id from integrations where tenant = $1 and name = $2";
                let row = transaction.query_opt(sql, &[&tenant, &path.name.as_str()]).await.map_err(failed)?;
                let row = row.ok_or_else(|| not_found(format!("the integration {path}")))?;
                Ok(Self { tenant, connection: None, integration: Some(row.get("id")) })
            }
            PauseTarget::Connection(path) => {
                let sql = "select 1 from connections where tenant = $1 and name = $2";
                let row = transaction.query_opt(sql, &[&tenant, &path.name.as_str()]).await.map_err(failed)?;
                row.ok_or_else(|| not_found(format!("the connection {path}")))?;
                Ok(Self { tenant, connection: Some(path.name.to_string()), integration: None })
            }
            PauseTarget::Tenant(name) => {
                let sql = "select 1 from integrations where tenant = $1 limit 1";
                let row = transaction.query_opt(sql, &[&tenant]).await.map_err(failed)?;
                row.ok_or_else(|| not_found(format!("the tenant {name}")))?;
                Ok(Self { tenant, connection: None, integration: None })
            }
        }
    }

    /// Returns the pause, if it is not over.
    async fn pause(&self, transaction: &Transaction<'_>, operation: &'static str) -> Result<Option<Pause>, StoreError> {
        let sql = "select reason, since, until_at, paused_by from pauses
                   where tenant = $1 and connection is not distinct from $2 and integration_id is not distinct from $3
                       and (until_at is null or until_at > now())";
        let row = transaction.query_opt(sql, &[&self.tenant, &self.connection, &self.integration]).await;
        Ok(row.map_err(StoreError::during(operation))?.map(|row| pause(&row)))
    }

    async fn delete(&self, transaction: &Transaction<'_>, operation: &'static str) -> Result<(), StoreError> {
        let sql = "delete from pauses
                   where tenant = $1 and connection is not distinct from $2 and integration_id is not distinct from $3";
        let deleted = transaction.execute(sql, &[&self.tenant, &self.connection, &self.integration]).await;
        deleted.map(drop).map_err(StoreError::during(operation))
    }
}

fn audit_event(action: AuditAction, target: &PauseTarget, before: Option<&Pause>, after: Option<&Pause>) -> AuditEvent {
    let (before, after) = (before.map(Pause::shown), after.map(Pause::shown));
    AuditEvent { tenant: Some(target.tenant().clone()), action, target: target.to_string(), before, after }
}

fn pause(row: &tokio_postgres::Row) -> Pause {
    Pause { reason: row.get("reason"), since: row.time("since"), until: row.optional_time("until_at"), by: row.get("paused_by") }
}

/// Returns all pauses, for the snapshot; the reader compares their ends with the clock.
pub(crate) async fn load(client: &impl GenericClient) -> Result<Pauses, StoreError> {
    let failed = StoreError::during("load pauses");
    let mut pauses = Pauses::default();
    let sql = "select tenant, connection, integration_id, reason, since, until_at, paused_by from pauses
               where until_at is null or until_at > now()";
    for row in client.query(sql, &[]).await.map_err(failed)? {
        let tenant = row.name("tenant")?;
        match (row.get::<_, Option<Uuid>>("integration_id"), row.optional_name("connection")?) {
            (Some(integration), _) => _ = pauses.triggers.insert(integration, pause(&row)),
            (None, Some(connection)) => _ = pauses.connections.entry(tenant).or_default().insert(connection, pause(&row)),
            (None, None) => _ = pauses.tenants.insert(tenant, pause(&row)),
        }
    }
    Ok(pauses)
}
