//! Retries of failed executions: one, or all that a search finds, in the order of receipt.

use crate::Operations;
use crate::actor::Actor;
use crate::error::OperationError;
use crate::executions::restrict;
use crate::publishing::CheckedBroker;
use forebay_contract::envelope::Envelope;
use forebay_contract::outcome::ExecutionStatus;
use forebay_contract::{ExecutionId, IntegrationPath};
use forebay_store::{AuditAction, AuditEvent, ExecutionRow, Filter, Principal, RetryInput, Role, TriggerKind};
use serde_json::json;
use std::time::Duration;

/// Pause between two retries of a search: other executions need the workers too, and the remote systems have just failed.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(20);
/// The statuses that can be retried.
const RETRYABLE: [ExecutionStatus; 2] = [ExecutionStatus::Failed, ExecutionStatus::Expired];

/// Options of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOptions {
    /// With the current version of the integration, not the failed one.
    pub latest: bool,
    /// Runs every step again, not only from the failed one on.
    pub from_start: bool,
}

/// An execution that runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// Its id, which does not change.
    pub id: ExecutionId,
    /// The version that it runs with.
    pub version: i32,
    /// The attempt that it begins.
    pub attempt: u32,
}

/// A part of a retry by search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Number of executions that run again.
    pub retried: u32,
    /// Executions that do not run again, and the reasons.
    pub refused: Vec<(ExecutionId, String)>,
    /// The place where the next part begins; `None`: this was the last.
    pub next: Option<ExecutionId>,
}

impl Operations {
    /// Publishes the execution again under its id: the same steps send the same idempotency keys.
    ///
    /// # Errors
    /// [`OperationError::Refused`] with the reason; those of the broker and the store.
    pub async fn retry(&self, actor: &Actor, id: &ExecutionId, options: RetryOptions) -> Result<Retried, OperationError> {
        let row = self.execution(actor, id).await?.row;
        self.retry_row(actor, &self.broker.checked().await?, &row, options).await
    }

    /// Returns the number of executions that a retry of this search includes, at most `max`.
    ///
    /// # Errors
    /// A tenant that the person may not operate; those of the store.
    pub async fn count_retryable(&self, actor: &Actor, filter: Filter, max: u32) -> Result<u32, OperationError> {
        let Some(filter) = retryable(restrict(actor, filter, Role::Operator)?) else { return Ok(0) };
        Ok(self.store.count_executions(&filter, max).await?)
    }

    /// Retries the executions that a search finds, in the order of receipt, after `after`, at most [`Filter::limit`] of them.
    ///
    /// # Errors
    /// A tenant that the person may not operate; those of the broker and the store: executions that were retried until then stay retried.
    pub async fn retry_found(
        &self,
        actor: &Actor,
        filter: Filter,
        options: RetryOptions,
        after: Option<&ExecutionId>,
    ) -> Result<Batch, OperationError> {
        let Some(filter) = retryable(restrict(actor, filter, Role::Operator)?) else { return Ok(Batch::default()) };
        let rows = self.store.executions_in_order(&filter, after).await?;
        let broker = self.broker.checked().await?;
        let mut batch = Batch { next: rows.last().filter(|_| rows.len() == filter.limit as usize).map(|row| row.id), ..Batch::default() };
        for row in &rows {
            match self.retry_row(actor, &broker, row, options).await {
                Ok(_) => batch.retried += 1,
                Err(OperationError::Refused(reason)) => batch.refused.push((row.id, reason)),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PUBLISH_INTERVAL).await;
        }
        Ok(batch)
    }

    async fn retry_row(
        &self,
        actor: &Actor,
        broker: &CheckedBroker<'_>,
        row: &ExecutionRow,
        options: RetryOptions,
    ) -> Result<Retried, OperationError> {
        let id = &row.id;
        let refused = |text: String| OperationError::Refused(format!("{id} cannot be retried: {text}"));
        let path: IntegrationPath =
            format!("{}/{}", row.tenant, row.integration).parse().map_err(|_| refused("its integration has an invalid name".to_owned()))?;
        let principal = actor.may(&path.tenant, Role::Operator)?;
        if !RETRYABLE.contains(&row.status) {
            return Err(refused(format!("its status is {}, but only failed and expired executions can be retried", row.status)));
        }
        if row.halted && !row.skipped {
            return Err(refused(format!("it has halted its trigger: use `forebay triggers resume {path}` to retry it")));
        }
        let input = match self.store.retry_input(id).await? {
            RetryInput::Whole(input) => *input,
            RetryInput::Redacted => {
                return Err(refused("hidden fields of its input are not stored: send the call again".to_owned()));
            }
            RetryInput::NotStored => return Err(refused("its input is no longer stored".to_owned())),
        };
        let integration = self.store.integration(&path).await?;
        if options.from_start {
            self.store.delete_checkpoints(id).await?;
        }
        let version = if options.latest { integration.version } else { row.version };
        let envelope = Envelope::new(*id, path, integration.id, version, input.request, input.body);
        let attempts = u32::try_from(row.attempts).unwrap_or_default();
        // The id of a run begins with the time at which it was due.
        let due_at = (row.trigger == TriggerKind::Schedule).then(|| id.issued_at());
        let envelope = Envelope { received_at: row.accepted_at, attempts, due_at, caller: row.caller, ..envelope };
        broker.publish(&envelope, integration.definition.trigger.policy()).await?;
        let retried = Retried { id: *id, version, attempt: attempts + 1 };
        self.audit_retry(principal, &envelope, &retried, options).await;
        Ok(retried)
    }

    /// Writes the audit entry of a retry. The execution runs already, so a failure of this is only logged.
    async fn audit_retry(&self, principal: &Principal, envelope: &Envelope, retried: &Retried, options: RetryOptions) {
        let event = AuditEvent {
            tenant: Some(envelope.tenant.clone()),
            action: AuditAction::ExecutionRetry,
            target: retried.id.to_string(),
            before: None,
            after: Some(json!({ "version": retried.version, "attempt": retried.attempt, "fromStart": options.from_start })),
        };
        self.audit(principal, &event).await;
    }

    /// Writes the audit entry of an event at the broker.
    pub(crate) async fn audit(&self, principal: &Principal, event: &AuditEvent) {
        if let Err(error) = self.store.record_audit_event(principal, event).await {
            tracing::error!(%error, audit.action = event.action.as_str(), audit.target = event.target, audit.by = principal.name, "an audit entry could not be written");
        }
    }
}

/// Returns the search, restricted to statuses that can be retried; `None`: it includes none.
fn retryable(filter: Filter) -> Option<Filter> {
    let mut statuses = RETRYABLE.to_vec();
    if !filter.statuses.is_empty() {
        statuses.retain(|status| filter.statuses.contains(status));
    }
    (!statuses.is_empty()).then_some(Filter { statuses, ..filter })
}
