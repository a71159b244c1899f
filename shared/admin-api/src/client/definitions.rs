//! Integrations, and applying documents.

use super::{AdminClient, ClientError};
use crate::apply::{Applied, ApplyRequest};
use crate::integrations::{IncludedPart, Integration, IntegrationQuery, RollbackRequest, RolledBack, Version};
use crate::paging::PageQuery;
use crate::schedules::StartedRun;
use crate::text::NameText;
use forebay_contract::IntegrationPath;

impl AdminClient {
    /// All integrations of a tenant, or of every tenant that the caller sees, with document and source.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn integrations_with_source(&self, tenant: Option<NameText>) -> Result<Vec<Integration>, ClientError> {
        let query = IntegrationQuery { tenant, include: Some(IncludedPart::Source), ..IntegrationQuery::default() };
        self.list("integrations", query, u32::MAX).await
    }

    /// One integration with document and source.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn integration(&self, path: &IntegrationPath) -> Result<Integration, ClientError> {
        self.get(&format!("integrations/{path}")).await
    }

    /// All versions of an integration, the newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn versions(&self, path: &IntegrationPath) -> Result<Vec<Version>, ClientError> {
        self.list(&format!("integrations/{path}/versions"), PageQuery::default(), u32::MAX).await
    }

    /// Makes the definition of an older version the newest version.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rollback(&self, path: &IntegrationPath, request: RollbackRequest) -> Result<RolledBack, ClientError> {
        self.post(&format!("integrations/{path}/rollback"), &request).await
    }

    /// Starts one run of a schedule.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn run_schedule(&self, path: &IntegrationPath) -> Result<StartedRun, ClientError> {
        self.trigger(&format!("integrations/{path}/run")).await
    }

    /// Applies definitions, connections and alerts: all, or none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn apply(&self, request: &ApplyRequest) -> Result<Applied, ClientError> {
        self.post("apply", request).await
    }
}
