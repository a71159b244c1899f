//! Keys, connections and alerts.

use super::{AdminClient, ClientError};
use crate::alerts::{Alert, TestedAlert};
use crate::connections::{Connection, ConnectionEnabled, Rotation, StartedRotation, TestedConnection};
use crate::keys::{CreateKeyRequest, CreatedKey, Key, UpdateKeyRequest};
use crate::paging::{Deleted, ListQuery};
use crate::text::NameText;
use forebay_contract::IntegrationPath;
use uuid::Uuid;

impl AdminClient {
    /// All keys of a tenant, or of every tenant that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keys(&self, tenant: Option<NameText>) -> Result<Vec<Key>, ClientError> {
        self.list("keys", ListQuery::of(tenant), u32::MAX).await
    }

    /// Creates a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_key(&self, request: &CreateKeyRequest) -> Result<CreatedKey, ClientError> {
        self.post("keys", request).await
    }

    /// Changes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_key(&self, id: Uuid, request: &UpdateKeyRequest) -> Result<Key, ClientError> {
        self.patch(&format!("keys/{id}"), request).await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_key(&self, id: Uuid) -> Result<Deleted, ClientError> {
        self.delete(&format!("keys/{id}")).await
    }

    /// All connections of a tenant, or of every tenant that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn connections(&self, tenant: Option<NameText>) -> Result<Vec<Connection>, ClientError> {
        self.list("connections", ListQuery::of(tenant), u32::MAX).await
    }

    /// Deletes a connection.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_connection(&self, path: &IntegrationPath) -> Result<Deleted, ClientError> {
        self.delete(&format!("connections/{path}")).await
    }

    /// Reaches the remote system of a connection.
    ///
    /// # Errors
    /// It cannot be reached; see [`ClientError`].
    pub async fn test_connection(&self, path: &IntegrationPath) -> Result<TestedConnection, ClientError> {
        self.trigger(&format!("connections/{path}/test")).await
    }

    /// Enables or disables a connection.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enable_connection(&self, path: &IntegrationPath, enabled: bool) -> Result<ConnectionEnabled, ClientError> {
        let verb = if enabled { "enable" } else { "disable" };
        self.trigger(&format!("connections/{path}/{verb}")).await
    }

    /// Begins to encrypt everything by the first key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rotate(&self) -> Result<StartedRotation, ClientError> {
        self.trigger("connections/rotate").await
    }

    /// The progress of the rotation.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rotation(&self) -> Result<Rotation, ClientError> {
        self.get("connections/rotate").await
    }

    /// All alerts of a tenant, or of every tenant that the caller sees.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn alerts(&self, tenant: Option<NameText>) -> Result<Vec<Alert>, ClientError> {
        self.list("alerts", ListQuery::of(tenant), u32::MAX).await
    }

    /// One alert.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn alert(&self, path: &IntegrationPath) -> Result<Alert, ClientError> {
        self.get(&format!("alerts/{path}")).await
    }

    /// Deletes an alert.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_alert(&self, path: &IntegrationPath) -> Result<Deleted, ClientError> {
        self.delete(&format!("alerts/{path}")).await
    }

    /// Sends a test notification.
    ///
    /// # Errors
    /// It did not arrive; see [`ClientError`].
    pub async fn test_alert(&self, path: &IntegrationPath) -> Result<TestedAlert, ClientError> {
        self.trigger(&format!("alerts/{path}/test")).await
    }
}
