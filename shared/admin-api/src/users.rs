//! Users, and the caller.

use crate::text::{FullName, Password, RoleName, TenantScope, UserName};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// To change or delete the user.
    pub id: Uuid,
    /// The name that the user signs in with, in lower case.
    pub name: String,
    /// The name for people.
    pub full_name: String,
    /// True if the user may sign in.
    pub enabled: bool,
    /// A role by tenant; `*`: every tenant.
    pub grants: BTreeMap<String, String>,
    /// False: the user signs in by single sign-on only.
    pub has_password: bool,
    /// The time of the user's creation.
    pub created_at: Time,
    /// The time of the last sign-in; null: never.
    pub last_sign_in_at: Option<Time>,
}

/// A user to invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateUserRequest {
    /// The name that the user signs in with; for single sign-on, the address that the provider vouches for.
    pub name: UserName,
    /// The name for people.
    #[serde(default)]
    pub full_name: FullName,
    /// 12 to 200 characters; without, the user signs in by single sign-on only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// A role by tenant; `*`: every tenant.
    #[serde(default)]
    pub grants: BTreeMap<TenantScope, RoleName>,
}

/// Changes of a user; a field that is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateUserRequest {
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<FullName>,
    /// True if the user may sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// All roles from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<BTreeMap<TenantScope, RoleName>>,
    /// A new password; every session and token of the user ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// The caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The caller's name.
    pub name: String,
    /// A role by tenant; `*`: every tenant.
    pub grants: BTreeMap<String, String>,
}
