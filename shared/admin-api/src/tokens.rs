//! API tokens of users.

use crate::text::{DurationText, KeyLabel, RoleName, TenantScope};
use crate::time::Time;
use forebay_contract::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An API token; its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// To delete it.
    pub id: Uuid,
    /// Its owner's name.
    pub owner: String,
    /// Its purpose.
    pub label: String,
    /// Its last characters.
    pub hint: String,
    /// Its maximum role.
    pub role: String,
    /// The tenants in which it is valid; `*`: wherever its owner has a role.
    pub tenants: Vec<String>,
    /// The time of its creation.
    pub created_at: Time,
    /// The time at which it expires.
    pub expires_at: Time,
    /// The time of its last use; null: never.
    pub last_used_at: Option<Time>,
}

/// A token to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateTokenRequest {
    /// Its purpose.
    pub label: KeyLabel,
    /// Its maximum role.
    pub role: RoleName,
    /// The tenants in which it is valid; `*`: wherever its owner has a role.
    #[schema(min_items = 1)]
    pub tenants: Vec<TenantScope>,
    /// The time until it expires, such as `90d`; at most `366d`. `lasts`, its former name, works for one release.
    #[serde(alias = "lasts")]
    pub expires_in: DurationText,
    /// Its owner, for administrators of all tenants; the caller without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Uuid>,
}

/// A token that was created: the only time that its text is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// To delete it.
    pub id: Uuid,
    /// The text that programs send.
    #[serde(with = "forebay_contract::exposed_secret")]
    #[schema(value_type = String)]
    pub token: Secret,
}
