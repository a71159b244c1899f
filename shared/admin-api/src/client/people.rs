//! Users, tokens, tenants and the audit log.

use super::{AdminClient, ClientError};
use crate::audit::{AuditEntry, AuditFilter, AuditQuery};
use crate::paging::{Deleted, ListQuery, PageQuery};
use crate::tenants::{Tenant, UpdateTenantRequest};
use crate::tokens::{CreateTokenRequest, CreatedToken, Token};
use crate::users::{CreateUserRequest, UpdateUserRequest, User};
use forebay_contract::Name;
use reqwest::Response;
use uuid::Uuid;

impl AdminClient {
    /// All users.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn users(&self) -> Result<Vec<User>, ClientError> {
        self.list("users", PageQuery::default(), u32::MAX).await
    }

    /// Invites a user.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_user(&self, request: &CreateUserRequest) -> Result<User, ClientError> {
        self.post("users", request).await
    }

    /// Changes a user.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_user(&self, id: Uuid, request: &UpdateUserRequest) -> Result<User, ClientError> {
        self.patch(&format!("users/{id}"), request).await
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_user(&self, id: Uuid) -> Result<Deleted, ClientError> {
        self.delete(&format!("users/{id}")).await
    }

    /// The caller's tokens; to an administrator of all tenants, everybody's.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tokens(&self) -> Result<Vec<Token>, ClientError> {
        self.list("tokens", PageQuery::default(), u32::MAX).await
    }

    /// Creates a token.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_token(&self, request: &CreateTokenRequest) -> Result<CreatedToken, ClientError> {
        self.post("tokens", request).await
    }

    /// Deletes a token.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_token(&self, id: Uuid) -> Result<Deleted, ClientError> {
        self.delete(&format!("tokens/{id}")).await
    }

    /// All tenants that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tenants(&self) -> Result<Vec<Tenant>, ClientError> {
        self.list("tenants", ListQuery::default(), u32::MAX).await
    }

    /// Changes the settings of a tenant.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_tenant(&self, tenant: &Name, request: &UpdateTenantRequest) -> Result<Tenant, ClientError> {
        self.patch(&format!("tenants/{tenant}"), request).await
    }

    /// The newest entries of the audit log that the filter finds, at most `max`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(&self, filter: AuditFilter, max: u32) -> Result<Vec<AuditEntry>, ClientError> {
        self.list("audit", AuditQuery::from(filter), max).await
    }

    /// All entries that the filter finds, the newest first, as JSON lines.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn export_audit(&self, filter: &AuditFilter) -> Result<Response, ClientError> {
        self.follow("audit/export", filter).await
    }
}
