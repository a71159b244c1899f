//! Alerts: rules of who is told when.

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

/// An alert to store.
#[derive(Debug, Clone)]
pub struct NewAlert {
    /// What it says.
    pub alert: Alert,
    /// What it was read from.
    pub document: Value,
}

/// One alert against what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedAlert {
    /// Tenant and name.
    pub path: IntegrationPath,
    /// What it watches for, such as `halted`.
    pub when: &'static str,
    /// What storing it would do.
    pub change: Change,
    /// Of an updated one: every field that changes.
    pub differences: Vec<Difference>,
    /// Whether it was watched before; `None`: it is new.
    pub was_enabled: Option<bool>,
    /// True if it is watched after.
    pub enabled: bool,
    /// What it names and what does not exist yet.
    pub notes: Vec<String>,
}

impl NewAlert {
    /// Of the right shape, with addresses that can be sent to.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(document: Value) -> Result<Self, Vec<Problem>> {
        let alert = Alert::from_value(&document).map_err(|error| error.problems)?;
        check_alert(&alert)?;
        Ok(Self { alert, document })
    }
}

impl Operations {
    /// The alerts that the person sees, with how they stand.
    ///
    /// # Errors
    /// A tenant that the person does not see; those of the store.
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

    /// Compares alerts with those that are stored; writes nothing.
    ///
    /// # Errors
    /// A tenant that the person does not see; those of the store.
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

    /// Stores those that differ from what is stored, in their order; what that did to each.
    ///
    /// # Errors
    /// A tenant in which the person may not change alerts; those of the store: those before the one that failed stay stored.
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

    /// Stores an alert, if its revision is still `expected` (0: there is none yet; `None`: whatever it is).
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

    /// Sends a message that is marked as a test on every way of the alert, such as `webhook`; those ways. What one of them does is no
    /// matter to the others.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: why it does not arrive, by each way where it does not; those of the store.
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
            false => Err(OperationError::Refused(format!("the test of {path} was not sent everywhere\n{}", problems.join("\n")))),
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

    /// An alert may be there before what it names, but a misspelled name would never say a word.
    async fn missing(&self, alert: &Alert) -> Result<Vec<String>, OperationError> {
        let (path, mut notes) = (alert.path(), Vec::new());
        if alert.integrations.is_some() {
            let integrations = self.store.list_integrations(Some(&alert.tenant)).await?;
            for name in alert.integrations.iter().flatten() {
                if !integrations.iter().any(|known| known.name == *name) {
                    notes.push(format!("the alert {path} watches the integration '{name}', which does not exist yet"));
                }
            }
        }
        for (name, kind) in alert.connections() {
            let known = match self.store.connection_listed(&alert.tenant, name).await {
                Ok(row) => row.kind == kind,
                Err(StoreError::NotFound { .. }) => false,
                Err(error) => return Err(error.into()),
            };
            if !known {
                notes.push(format!(
                    "the alert {path} is sent by the connection '{name}', and there is no {kind} connection of that name yet"
                ));
            }
        }
        Ok(notes)
    }
}

fn compare(stored: Option<&AlertRow>, new: &NewAlert) -> PlannedAlert {
    // Read, so that a default that is written out is no difference.
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
