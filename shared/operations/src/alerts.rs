//! Alerts: rules of who is told when.

use crate::Operations;
use crate::actor::{Actor, Visible};
use crate::definitions::visible;
use crate::error::OperationError;
use forebay_contract::alert::Alert;
use forebay_contract::{IntegrationPath, Name};
use forebay_store::{AlertRow, Role};
use forebay_workflow::check_alert;
use serde_json::Value;

impl Operations {
    /// The alerts that the person sees, with how they stand.
    ///
    /// # Errors
    /// A tenant that the person does not see; what the store says.
    pub async fn list_alerts(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<AlertRow>, OperationError> {
        match visible(actor, tenant, Role::Viewer)? {
            Visible::All => Ok(self.store.list_alerts(None).await?),
            Visible::Only(tenants) => Ok(self.store.list_alerts(Some(&tenants)).await?),
        }
    }

    /// One alert.
    ///
    /// # Errors
    /// What the store says.
    pub async fn alert(&self, actor: &Actor, path: &IntegrationPath) -> Result<AlertRow, OperationError> {
        actor.may(&path.tenant, Role::Viewer)?;
        Ok(self.store.alert(&path.tenant, &path.name).await?)
    }

    /// Stores an alert, if its revision is still `expected` (0: there is none yet; `None`: whatever it is).
    ///
    /// # Errors
    /// [`OperationError::Problems`]; [`StoreError::Changed`](forebay_store::StoreError::Changed); what the store says.
    pub async fn save_alert(&self, actor: &Actor, document: &Value, expected: Option<i32>) -> Result<IntegrationPath, OperationError> {
        let alert = Alert::from_value(document).map_err(|error| OperationError::Problems(error.problems))?;
        let who = actor.may(&alert.tenant, Role::Developer)?;
        check_alert(&alert).map_err(OperationError::Problems)?;
        self.store.put_alert(&alert, document, expected, who).await?;
        Ok(IntegrationPath { tenant: alert.tenant, name: alert.name })
    }

    /// Deletes an alert.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delete_alert(&self, actor: &Actor, path: &IntegrationPath, expected: Option<i32>) -> Result<(), OperationError> {
        let who = actor.may(&path.tenant, Role::Developer)?;
        Ok(self.store.delete_alert(&path.tenant, &path.name, expected, who).await?)
    }
}
