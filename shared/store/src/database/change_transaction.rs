//! A transaction that changes what is stored: it cannot be committed without an entry in the audit log, or a word that there is none.

use crate::database::audit_event::{self, AuditEvent, Principal};
use crate::database::word::{Stored, words};
use crate::error::StoreError;
use deadpool_postgres::{Object, Transaction};
use std::ops::Deref;

words! {
    /// A part of the snapshot. A transaction takes parts in this order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) enum Part {
        Integrations = "integrations",
        Connections = "connections",
        Keys = "keys",
        Triggers = "triggers",
        Tenants = "tenants",
        Diagnostics = "diagnostics",
        TenantQueues = "tenant_queues",
        Pauses = "pauses",
    }
}

/// For a change of rows that no snapshot contains.
pub(crate) const NO_PART: &[Part] = &[];

/// A transaction that changes what is stored. Dropped, it changes nothing.
///
/// It derefs to [`Transaction`], whose `commit` needs the value: only [`commit`](Self::commit) and
/// [`commit_unaudited`](Self::commit_unaudited) end it. Both announce the change to every snapshot when it is of a part of it.
pub(crate) struct ChangeTransaction<'a> {
    transaction: Transaction<'a>,
    operation: &'static str,
    is_announced: bool,
}

impl<'a> ChangeTransaction<'a> {
    /// Begins a change of `parts` of the snapshot, or of [`NO_PART`]. Other writers of a part wait until the transaction ends, so the
    /// generations of a part become visible in their order. Parts are sorted, so writers can't wait for one another in a circle.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn begin(client: &'a mut Object, operation: &'static str, parts: &[Part]) -> Result<Self, StoreError> {
        let transaction = client.transaction().await.map_err(StoreError::during(operation))?;
        Self::take(transaction, operation, parts).await
    }

    /// Begins as [`Self::begin`] does. Each statement may take a minute, also the one that waits for another writer.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn begin_long(client: &'a mut Object, operation: &'static str, parts: &[Part]) -> Result<Self, StoreError> {
        let failed = StoreError::during(operation);
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.batch_execute("set local statement_timeout = '60s'").await.map_err(failed)?;
        Self::take(transaction, operation, parts).await
    }

    async fn take(transaction: Transaction<'a>, operation: &'static str, parts: &[Part]) -> Result<Self, StoreError> {
        debug_assert!(parts.is_sorted(), "{parts:?}");
        for part in parts {
            let sql = "update snapshot_generations set generation = generation + 1 where part = $1";
            transaction.execute(sql, &[&Stored(*part)]).await.map_err(StoreError::during("take a generation"))?;
        }
        Ok(Self { transaction, operation, is_announced: !parts.is_empty() })
    }

    /// Writes the entries of the audit log and commits.
    ///
    /// # Errors
    /// Those of the database; whether the change was committed is unknown then.
    pub(crate) async fn commit(self, principal: &Principal, events: &[AuditEvent]) -> Result<(), StoreError> {
        for event in events {
            audit_event::write(&self.transaction, principal, event).await?;
        }
        self.commit_unaudited().await
    }

    /// Commits a change that nobody asked for: upkeep, and the work of services.
    ///
    /// # Errors
    /// Those of [`Self::commit`].
    #[expect(clippy::disallowed_methods, reason = "the one place that commits")]
    pub(crate) async fn commit_unaudited(self) -> Result<(), StoreError> {
        if self.is_announced {
            let sql = "notify forebay_changed";
            self.transaction.batch_execute(sql).await.map_err(StoreError::during("announce a change"))?;
        }
        self.transaction.commit().await.map_err(StoreError::during(self.operation))
    }
}

impl<'a> Deref for ChangeTransaction<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        &self.transaction
    }
}
