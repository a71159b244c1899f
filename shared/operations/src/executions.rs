//! Reading the history.

use crate::Operations;
use crate::actor::{Actor, Visible};
use crate::error::OperationError;
use forebay_contract::{ExecutionId, Name};
use forebay_store::{ExecutionDetail, ExecutionRow, Filter, Role};

impl Operations {
    /// Returns the executions that the person may see, the newest first.
    ///
    /// # Errors
    /// A tenant that the person may not see; those of the store.
    pub async fn list_executions(&self, actor: &Actor, filter: Filter) -> Result<Vec<ExecutionRow>, OperationError> {
        Ok(self.store.list_executions(&restrict(actor, filter, Role::Viewer)?).await?)
    }

    /// Returns one execution with everything that is stored of it.
    ///
    /// # Errors
    /// [`OperationError::NotFound`]; those of the store.
    pub async fn execution(&self, actor: &Actor, id: &ExecutionId) -> Result<ExecutionDetail, OperationError> {
        let detail = self.store.execution_detail(id).await?;
        // An execution of another tenant counts as missing.
        let visible = detail.filter(|detail| detail.row.tenant.parse().is_ok_and(|tenant: Name| actor.has(&tenant, Role::Viewer)));
        visible.ok_or_else(|| {
            let reason = "it has not started yet, its history was deleted, or the id was never issued";
            OperationError::NotFound(format!("the execution {id} ({reason})"))
        })
    }
}

/// Returns the filter, restricted to tenants that the person may see.
pub(crate) fn restrict(actor: &Actor, filter: Filter, role: Role) -> Result<Filter, OperationError> {
    let tenants = match filter.tenants {
        Some(tenants) => {
            for tenant in &tenants {
                actor.may(tenant, role)?;
            }
            Some(tenants)
        }
        None => match actor.tenants(role) {
            Visible::All => None,
            Visible::Only(tenants) => Some(tenants),
        },
    };
    Ok(Filter { tenants, ..filter })
}
