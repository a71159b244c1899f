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
    /// The time of the event.
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
    /// The object of the change.
    pub target: String,
    /// Null: there was nothing.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub before: Value,
    /// Null: there is nothing any more.
    #[serde(deserialize_with = "forebay_contract::json::value")]
    pub after: Value,
}

crate::paging::filter_with_pages! {
    /// Entries of the audit log.
    AuditFilter,
    /// A page of entries of the audit log.
    AuditQuery,
    cursor: "^[0-9]{1,18}$",
    {
        /// Only this tenant's
        #[param(inline)]
        tenant: Option<NameText>,
        /// By this person
        by: Option<String>,
        /// An action, or its first word: key finds key.create
        action: Option<String>,
        /// To exactly this
        target: Option<String>,
        /// A time, or how long ago
        #[param(inline)]
        since: Option<MomentText>,
        /// Before this time
        #[param(inline)]
        until: Option<MomentText>,
    }
}
