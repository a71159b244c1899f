//! Alert rules.

use crate::Operations;
use crate::actor::{Actor, Visible};
use crate::definitions::visible;
use crate::difference::{Difference, differences};
use crate::error::OperationError;
use forebay_contract::alert::{Alert, Notification};
use forebay_contract::connection::Connection;
use forebay_contract::definition::Problem;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_contract::{IdIssuer, IntegrationPath, Name, UnixMicros};
use forebay_store::{AlertRow, Change, Role, StoreError};
use forebay_workflow::{Channel, FindConnection, check_alert};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// An alert rule to store.
#[derive(Debug, Clone)]
pub struct NewAlert {
    /// The alert rule.
    pub alert: Alert,
    /// The document that it was read from.
    pub document: Value,
}

/// An alert rule compared with the stored one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedAlert {
    /// Tenant and name.
    pub path: IntegrationPath,
    /// The condition, such as `halted`.
    pub when: &'static str,
    /// The change that storing it would make.
    pub change: Change,
    /// Every field that changes, if it is updated.
    pub differences: Vec<Difference>,
    /// True if it was evaluated before; `None`: it is new.
    pub was_enabled: Option<bool>,
    /// True if it is evaluated after.
    pub enabled: bool,
    /// Names in it that do not exist yet.
    pub notes: Vec<String>,
}

impl NewAlert {
    /// Reads an alert rule: its fields and its addresses must be valid.
    ///
    /// # Errors
    /// All problems.
    pub fn read(document: Value) -> Result<Self, Vec<Problem>> {
        let alert = Alert::from_value(&document).map_err(|error| error.problems)?;
        check_alert(&alert)?;
        Ok(Self { alert, document })
    }
}

impl Operations {
    /// Returns the alert rules that the person may see, with their state.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_alerts(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<AlertRow>, OperationError> {
        match visible(actor, tenant, Role::Viewer)? {
            Visible::All => Ok(self.store.list_alerts(None).await?),
            Visible::Only(tenants) => Ok(self.store.list_alerts(Some(&tenants)).await?),
        }
    }

    /// Returns one alert.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn alert(&self, actor: &Actor, path: &IntegrationPath) -> Result<AlertRow, OperationError> {
        actor.may(&path.tenant, Role::Viewer)?;
        Ok(self.store.alert(&path.tenant, &path.name).await?)
    }

    /// Compares alert rules with the stored ones; writes nothing.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn plan_alerts(&self, actor: &Actor, alerts: &[NewAlert]) -> Result<Vec<PlannedAlert>, OperationError> {
        let mut planned = Vec::with_capacity(alerts.len());
        for new in alerts {
            actor.may(&new.alert.tenant, Role::Viewer)?;
            let stored = match self.store.alert(&new.alert.tenant, &new.alert.name).await {
                Ok(row) => Some(row),
                Err(StoreError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            planned.push(PlannedAlert { notes: self.missing(&new.alert).await?, ..compare(stored.as_ref(), new) });
        }
        Ok(planned)
    }

    /// Stores those that differ from the stored ones, in order; returns the change of each.
    ///
    /// # Errors
    /// A tenant in which the person may not change alert rules; those of the store: the ones before the failed one stay stored.
    pub async fn apply_alerts(&self, actor: &Actor, alerts: &[NewAlert]) -> Result<Vec<PlannedAlert>, OperationError> {
        for new in alerts {
            actor.may(&new.alert.tenant, Role::Developer)?;
        }
        let planned = self.plan_alerts(actor, alerts).await?;
        for (new, planned) in alerts.iter().zip(&planned) {
            if planned.change != Change::Unchanged {
                let principal = actor.may(&new.alert.tenant, Role::Developer)?;
                self.store.put_alert(&new.alert, &new.document, None, principal).await?;
            }
        }
        Ok(planned)
    }

    /// Stores an alert rule, if its revision is still `expected` (0: it does not exist yet; `None`: any).
    ///
    /// # Errors
    /// [`OperationError::Problems`]; [`StoreError::Changed`]; those of the store.
    pub async fn save_alert(&self, actor: &Actor, document: &Value, expected: Option<i32>) -> Result<IntegrationPath, OperationError> {
        let NewAlert { alert, document } = NewAlert::read(document.clone()).map_err(OperationError::Problems)?;
        let principal = actor.may(&alert.tenant, Role::Developer)?;
        self.store.put_alert(&alert, &document, expected, principal).await?;
        Ok(IntegrationPath { tenant: alert.tenant, name: alert.name })
    }

    /// Deletes an alert.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_alert(&self, actor: &Actor, path: &IntegrationPath, expected: Option<i32>) -> Result<(), OperationError> {
        let principal = actor.may(&path.tenant, Role::Developer)?;
        Ok(self.store.delete_alert(&path.tenant, &path.name, expected, principal).await?)
    }

    /// Sends a test notification by every notifier of the alert rule, such as `webhook`, and returns their names. A failure of one does not
    /// affect the others.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: the reason of each notifier that failed; those of the store.
    pub async fn test_alert(&self, actor: &Actor, path: &IntegrationPath) -> Result<Vec<&'static str>, OperationError> {
        actor.may(&path.tenant, Role::Operator)?;
        let row = self.store.alert(&path.tenant, &path.name).await?;
        let connections = self.connections_of(&row.alert).await?;
        let find: FindConnection = Arc::new(move |name| {
            let missing = || ExecutionError::permanent(ErrorCode::Connection, format!("there is no connection '{name}'"));
            connections.get(name).cloned().ok_or_else(missing)
        });
        let notification = Notification { number: 0, at: UnixMicros::now(), entries: Vec::new() };
        let id = IdIssuer::new(&self.store.id_key().await?).derive(row.id, notification.at.to_millis(), "alert test");
        let (mut sent, mut problems) = (Vec::new(), Vec::new());
        for channel in Channel::of(&row.alert) {
            match self.engine.notify(&row.alert, channel, &notification, id, find.clone()).await {
                Ok(()) => sent.push(channel.as_str()),
                Err(error) => problems.push(format!("{}: {}", channel.as_str(), error.message)),
            }
        }
        match problems.is_empty() {
            true => Ok(sent),
            false => Err(OperationError::Refused(format!(
                "some notifiers could not send the test notification of {path}\n{}",
                problems.join("\n")
            ))),
        }
    }

    async fn connections_of(&self, alert: &Alert) -> Result<HashMap<Name, Arc<Connection>>, OperationError> {
        let mut found = HashMap::new();
        for (name, _) in alert.connections() {
            let connection = self.store.connection(&alert.tenant, name, self.keys()?).await?;
            found.insert(name.clone(), Arc::new(connection));
        }
        Ok(found)
    }

    /// Returns the names in an alert rule that do not exist. It may be stored before them, but a misspelled name would have no effect.
    async fn missing(&self, alert: &Alert) -> Result<Vec<String>, OperationError> {
        let (path, mut notes) = (alert.path(), Vec::new());
        if alert.integrations.is_some() {
            let integrations = self.store.list_integrations(Some(&alert.tenant)).await?;
            for name in alert.integrations.iter().flatten() {
                if !integrations.iter().any(|row| row.name == *name) {
                    notes.push(format!("alert rule {path}: the integration '{name}' does not exist yet"));
                }
            }
        }
        for (name, kind) in alert.connections() {
            let exists = match self.store.connection_listed(&alert.tenant, name).await {
                Ok(row) => row.kind == kind,
                Err(StoreError::NotFound { .. }) => false,
                Err(error) => return Err(error.into()),
            };
            if !exists {
                notes.push(format!("alert rule {path}: the {kind} connection '{name}' does not exist yet"));
            }
        }
        Ok(notes)
    }
}

fn compare(stored: Option<&AlertRow>, new: &NewAlert) -> PlannedAlert {
    // Both are read, so that a default that is written explicitly is not a difference.
    let change = match stored {
        None => Change::Created,
        Some(stored) if stored.alert == new.alert => Change::Unchanged,
        Some(_) => Change::Updated,
    };
    let differences = match (stored, change) {
        (Some(stored), Change::Updated) => differences(&stored.document, &new.document),
        _ => Vec::new(),
    };
    PlannedAlert {
        path: new.alert.path(),
        when: new.alert.when.as_str(),
        change,
        differences,
        was_enabled: stored.map(|stored| stored.alert.enabled),
        enabled: new.alert.enabled,
        notes: Vec::new(),
    }
}
