//! Executions, triggers, schedules and diagnostics.

use super::{AdminClient, ClientError};
use crate::diagnostics::{Diagnosis, DiagnosticsDisabled, DiagnosticsEnabled, EnableDiagnosticsRequest};
use crate::executions::{
    Execution, ExecutionDetail, ExecutionFilter, ExecutionQuery, RetriedExecution, RetryFoundRequest, RetryFoundResponse, RetryRequest,
};
use crate::paging::ListQuery;
use crate::schedules::Schedule;
use crate::text::NameText;
use crate::triggers::{DecidedTrigger, PauseRequest, PausedTarget, ResumedTarget, Trigger, TriggerDecision};
use forebay_contract::{ExecutionId, IntegrationPath};
use reqwest::Response;

impl AdminClient {
    /// The newest executions that the filter finds, at most `max`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn executions(&self, filter: ExecutionFilter, max: u32) -> Result<Vec<Execution>, ClientError> {
        self.list("executions", ExecutionQuery::from(filter), max).await
    }

    /// One execution with all that is stored of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn execution(&self, id: &ExecutionId) -> Result<ExecutionDetail, ClientError> {
        self.get(&format!("executions/{id}")).await
    }

    /// Follows executions as they end: server-sent events, of which `executions` holds a list of [`Execution`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_executions(&self, filter: &ExecutionFilter) -> Result<Response, ClientError> {
        self.follow("executions/live", filter).await
    }

    /// Retries one execution.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn retry(&self, id: &ExecutionId, request: RetryRequest) -> Result<RetriedExecution, ClientError> {
        self.post(&format!("executions/{id}/retry"), &request).await
    }

    /// Retries a part of the executions that a filter finds.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn retry_found(&self, request: &RetryFoundRequest) -> Result<RetryFoundResponse, ClientError> {
        self.post("executions/retry", request).await
    }

    /// All triggers of a tenant, or of every tenant that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn triggers(&self, tenant: Option<NameText>) -> Result<Vec<Trigger>, ClientError> {
        self.list("triggers", ListQuery::of(tenant), u32::MAX).await
    }

    /// Decides on a halted trigger.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn decide_trigger(&self, path: &IntegrationPath, decision: TriggerDecision) -> Result<DecidedTrigger, ClientError> {
        let verb = match decision {
            TriggerDecision::Resume => "resume",
            TriggerDecision::Skip => "skip",
        };
        self.trigger(&format!("triggers/{path}/{verb}")).await
    }

    /// Pauses a trigger (`triggers/TENANT/NAME`), a connection (`connections/TENANT/NAME`) or a tenant (`tenants/TENANT`).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause(&self, target: &str, request: &PauseRequest) -> Result<PausedTarget, ClientError> {
        self.post(&format!("{target}/pause"), request).await
    }

    /// Resumes a connection or a tenant, given as for [`Self::pause`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume(&self, target: &str) -> Result<ResumedTarget, ClientError> {
        self.trigger(&format!("{target}/resume")).await
    }

    /// All schedules of a tenant, or of every tenant that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn schedules(&self, tenant: Option<NameText>) -> Result<Vec<Schedule>, ClientError> {
        self.list("schedules", ListQuery::of(tenant), u32::MAX).await
    }

    /// The integrations of which everything is recorded.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn diagnostics(&self, tenant: Option<NameText>) -> Result<Vec<Diagnosis>, ClientError> {
        self.list("diagnostics", ListQuery::of(tenant), u32::MAX).await
    }

    /// Records everything of an integration for a time.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enable_diagnostics(
        &self,
        path: &IntegrationPath,
        request: &EnableDiagnosticsRequest,
    ) -> Result<DiagnosticsEnabled, ClientError> {
        self.put(&format!("diagnostics/{path}"), request).await
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn disable_diagnostics(&self, path: &IntegrationPath) -> Result<DiagnosticsDisabled, ClientError> {
        self.delete(&format!("diagnostics/{path}")).await
    }
}
