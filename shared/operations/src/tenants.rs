//! Tenants and their settings.

use crate::Operations;
use crate::actor::Actor;
use crate::definitions::visible;
use crate::error::OperationError;
use forebay_contract::Name;
use forebay_store::{DocsAccess, Role, TenantRow};

impl Operations {
    /// Returns the tenants that the person may see.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_tenants(&self, actor: &Actor) -> Result<Vec<TenantRow>, OperationError> {
        let tenants = visible(actor, None, Role::Viewer)?;
        let mut rows = self.store.list_tenants().await?;
        rows.retain(|row| tenants.has(&row.name));
        Ok(rows)
    }

    /// Sets the readers of the documentation of a tenant's webhooks.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_tenant_docs(&self, actor: &Actor, tenant: &Name, docs: DocsAccess) -> Result<(), OperationError> {
        let principal = actor.may(tenant, Role::Administrator)?;
        Ok(self.store.set_tenant_docs(tenant, docs, principal).await?)
    }

    /// Sets the maximum bytes of payloads of a tenant; `None`: no maximum.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_tenant_payload_bytes(&self, actor: &Actor, tenant: &Name, bytes: Option<u64>) -> Result<(), OperationError> {
        let principal = actor.may(tenant, Role::Administrator)?;
        Ok(self.store.set_tenant_payload_bytes(tenant, bytes, principal).await?)
    }
}
