//! Halted triggers, and diagnostics.

use crate::Operations;
use crate::actor::Actor;
use crate::definitions::visible;
use crate::error::OperationError;
use forebay_contract::{IntegrationPath, Name, UnixMicros};
use forebay_store::{Decision, DecisionEffect, DiagnosisRow, Role, TriggerRow};
use std::time::Duration;

/// Maximum time of diagnostics: everything is recorded meanwhile.
const MAX_DIAGNOSIS: Duration = Duration::from_secs(7 * 86_400);

impl Operations {
    /// Returns the triggers that the person may see.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_triggers(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<TriggerRow>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let mut rows = self.store.list_triggers(tenants.one()).await?;
        rows.retain(|row| tenants.has_named(&row.tenant));
        Ok(rows)
    }

    /// Decides on a halted trigger: to retry the execution at which it halted, or to skip it. Returns the effect.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn decide(&self, actor: &Actor, path: &IntegrationPath, decision: Decision) -> Result<DecisionEffect, OperationError> {
        let principal = actor.may(&path.tenant, Role::Operator)?;
        let effect = match decision {
            Decision::Resume => self.store.resume_trigger(path, principal).await?,
            Decision::Skip => self.store.skip_trigger(path, principal).await?,
        };
        Ok(effect)
    }

    /// Records everything of an integration for a time from now; returns when the recording ends.
    ///
    /// # Errors
    /// [`OperationError::Invalid`]: the time is too long or zero; those of the store.
    pub async fn diagnose(&self, actor: &Actor, path: &IntegrationPath, time: Duration) -> Result<UnixMicros, OperationError> {
        let principal = actor.may(&path.tenant, Role::Operator)?;
        if time.is_zero() || time > MAX_DIAGNOSIS {
            return Err(OperationError::Invalid("the duration of diagnostics must be 1s to 7d".to_owned()));
        }
        let until = UnixMicros::now() + time;
        self.store.diagnose(self.store.integration(path).await?.id, until, principal).await?;
        Ok(until)
    }

    /// Ends the recording; returns true if it was on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_diagnosis(&self, actor: &Actor, path: &IntegrationPath) -> Result<bool, OperationError> {
        let principal = actor.may(&path.tenant, Role::Operator)?;
        Ok(self.store.end_diagnosis(self.store.integration(path).await?.id, principal).await?)
    }

    /// Returns the integrations with diagnostics.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_diagnoses(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<DiagnosisRow>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let mut rows = self.store.list_diagnoses().await?;
        rows.retain(|row| tenants.has_named(&row.tenant));
        Ok(rows)
    }
}
