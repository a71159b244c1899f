//! The audit log.

use crate::text::{MomentText, NameText};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its number; a later entry has a greater one.
    pub id: i64,
    /// When it happened.
    pub at: Time,
    /// The name of the principal.
    pub by: String,
    /// `user`, `token`, `host`, `system`, or `anonymous`: somebody who could not sign in.
    pub by_kind: String,
    /// The address of the client; null: not by HTTP.
    pub address: Option<String>,
    /// Null: of no tenant.
    pub tenant: Option<String>,
    /// Such as `key.create`.
    pub action: String,
    /// What was changed.
    pub target: String,
    /// Null: there was nothing.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub before: Value,
    /// Null: there is nothing any more.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub after: Value,
}

/// Entries of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Only this tenant's
    #[param(inline)]
    pub tenant: Option<NameText>,
    /// By this person
    pub by: Option<String>,
    /// An action, or its first word: key finds key.create
    pub action: Option<String>,
    /// To exactly this
    pub target: Option<String>,
    /// A time, or how long ago
    #[param(inline)]
    pub since: Option<MomentText>,
    /// Before this time
    #[param(inline)]
    pub until: Option<MomentText>,
}

/// A page of entries of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only this tenant's
    #[param(inline)]
    pub tenant: Option<NameText>,
    /// By this person
    pub by: Option<String>,
    /// An action, or its first word: key finds key.create
    pub action: Option<String>,
    /// To exactly this
    pub target: Option<String>,
    /// A time, or how long ago
    #[param(inline)]
    pub since: Option<MomentText>,
    /// Before this time
    #[param(inline)]
    pub until: Option<MomentText>,
    /// How many on a page, 1 to 1000; 100 without
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The `next` of the page before
    #[param(pattern = "^[0-9]{1,18}$")]
    pub cursor: Option<String>,
}

crate::paging::paged!(AuditQuery);

impl AuditQuery {
    /// What to look for, without the page.
    #[must_use]
    pub fn filter(&self) -> AuditFilter {
        let Self { tenant, by, action, target, since, until, .. } = self.clone();
        AuditFilter { tenant, by, action, target, since, until }
    }
}

impl From<AuditFilter> for AuditQuery {
    fn from(filter: AuditFilter) -> Self {
        let AuditFilter { tenant, by, action, target, since, until } = filter;
        Self { tenant, by, action, target, since, until, limit: None, cursor: None }
    }
}
