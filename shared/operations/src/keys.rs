//! API keys of callers.

use crate::Operations;
use crate::actor::Actor;
use crate::definitions::visible;
use crate::error::OperationError;
use forebay_contract::Name;
use forebay_store::{CreatedKey, KeyChange, KeyRow, NewKey, Role, StoreError};
use uuid::Uuid;

impl Operations {
    /// Returns the keys that the person may see, without their values.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_keys(&self, actor: &Actor, tenant: Option<&Name>) -> Result<Vec<KeyRow>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let mut rows = self.store.list_keys(tenants.one()).await?;
        rows.retain(|row| tenants.has(&row.tenant));
        Ok(rows)
    }

    /// Returns one key.
    ///
    /// # Errors
    /// [`OperationError::NotFound`]; those of the store.
    pub async fn key(&self, actor: &Actor, id: Uuid) -> Result<KeyRow, OperationError> {
        let key = self.store.key(id).await?;
        if !actor.has(&key.tenant, Role::Viewer) {
            return Err(OperationError::NotFound(format!("the API key {id}")));
        }
        Ok(key)
    }

    /// Creates a key.
    ///
    /// # Errors
    /// [`OperationError::KeyExists`] if a key of this tenant has the same value: that one can be granted more. Keys of other tenants are not
    /// revealed. Otherwise those of [`Store::create_key`](forebay_store::Store::create_key).
    pub async fn create_key(&self, actor: &Actor, new: NewKey) -> Result<CreatedKey, OperationError> {
        let principal = actor.may(&new.tenant, Role::Developer)?;
        let (tenant, value, signs, requested) = (new.tenant.clone(), new.value.clone(), new.signs, new.integrations.clone());
        match self.store.create_key(new, principal).await {
            Err(StoreError::KeyExists) => {
                let existing = match value {
                    Some(value) => self.store.key_of_value(&tenant, &value, signs).await?,
                    None => None,
                };
                let key = Box::new(existing.ok_or(StoreError::KeyExists)?);
                Err(OperationError::KeyExists { key, requested })
            }
            created => Ok(created?),
        }
    }

    /// Changes a key, if its revision is still `expected`.
    ///
    /// # Errors
    /// Those of [`Store::update_key`](forebay_store::Store::update_key).
    pub async fn update_key(&self, actor: &Actor, id: Uuid, change: KeyChange, expected: Option<i32>) -> Result<KeyRow, OperationError> {
        let tenant = self.key(actor, id).await?.tenant;
        let principal = actor.may(&tenant, Role::Developer)?;
        Ok(self.store.update_key(id, change, expected, principal).await?)
    }

    /// Deletes a key, if its revision is still `expected`; calls with it are refused from then on.
    ///
    /// # Errors
    /// [`OperationError::NotFound`]; those of the store.
    pub async fn delete_key(&self, actor: &Actor, id: Uuid, expected: Option<i32>) -> Result<(), OperationError> {
        let tenant = self.key(actor, id).await?.tenant;
        let principal = actor.may(&tenant, Role::Developer)?;
        Ok(self.store.delete_key(id, expected, principal).await?)
    }
}
