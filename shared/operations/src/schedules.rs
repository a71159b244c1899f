//! Schedules: due times, and runs by hand.

use crate::Operations;
use crate::actor::Actor;
use crate::definitions::visible;
use crate::error::OperationError;
use forebay_contract::envelope::Envelope;
use forebay_contract::{ExecutionId, IdIssuer, IntegrationPath, Name};
use forebay_store::{AuditAction, AuditEvent, Role, ScheduleRow};
use serde_json::json;

impl Operations {
    /// Returns the schedules that the person may see.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_schedules(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<ScheduleRow>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let mut rows = self.store.list_schedules(tenants.one()).await?;
        rows.retain(|row| tenants.has_named(&row.tenant));
        Ok(rows)
    }

    /// Publishes one run that is due now, and returns its execution id once the broker has confirmed it. The schedule's other runs are
    /// unchanged; a run of an ordered schedule waits for the ones before it.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: it has no schedule, or is disabled; those of the broker and the store.
    pub async fn run_now(&self, actor: &Actor, path: &IntegrationPath) -> Result<ExecutionId, OperationError> {
        let principal = actor.may(&path.tenant, Role::Operator)?;
        let integration = self.store.integration(path).await?;
        let Some(schedule) = integration.definition.trigger.schedule() else {
            return Err(OperationError::Refused(format!("{path} has no schedule: calls start it")));
        };
        if !integration.definition.enabled {
            return Err(OperationError::Refused(format!("{path} is disabled: enable it first")));
        }
        let broker = self.broker.checked().await?;
        let ids = IdIssuer::new(&self.store.id_key().await?);
        let no_id =
            |_| OperationError::Failed("no execution id could be created: the operating system returned no random bytes".to_owned());
        let id = ids.issue(integration.id).map_err(no_id)?;
        let due = id.issued_at();
        let envelope = Envelope::of_schedule(id, path.clone(), integration.id, integration.version, schedule, due);
        broker.publish(&envelope, &schedule.policy).await?;
        let event = AuditEvent {
            tenant: Some(path.tenant.clone()),
            action: AuditAction::ScheduleRun,
            target: path.to_string(),
            before: None,
            after: Some(json!({ "executionId": id.to_string() })),
        };
        self.audit(principal, &event).await;
        Ok(id)
    }
}
