//! The parts of addresses that name something.

use crate::text::{ExecutionIdText, NameText};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

/// `{tenant}/{name}`: an integration, a connection or an alert.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct NamePath {
    /// The tenant.
    #[param(inline)]
    pub tenant: NameText,
    /// The name in the tenant.
    #[param(inline)]
    pub name: NameText,
}

/// `{tenant}`.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct TenantPath {
    /// The tenant.
    #[param(inline)]
    pub tenant: NameText,
}

/// `{id}` of a key, a user or a token.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdPath {
    /// The id.
    pub id: Uuid,
}

/// `{id}` of an execution.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ExecutionPath {
    /// The id.
    #[param(inline)]
    pub id: ExecutionIdText,
}

/// `{id}` of an unreadable message.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct MessagePath {
    /// The id.
    #[param(min_length = 1)]
    pub id: String,
}
