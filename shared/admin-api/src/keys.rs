//! API keys of callers.

use crate::text::{DurationText, KeyLabel, KeyLifetime, KeyValue, NameText};
use crate::time::Time;
use forebay_contract::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An API key; its value is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// To change or delete it.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: String,
    /// Its purpose.
    pub label: String,
    /// The integrations that it may call, by name.
    pub integrations: Vec<String>,
    /// The time of its creation.
    pub created_at: Time,
    /// To the minute; null: no call has used it.
    pub last_used_at: Option<Time>,
    /// Null: it does not expire.
    pub expires_at: Option<Time>,
    /// Its last characters, where it was generated.
    pub hint: Option<String>,
    /// A signing key: callers do not send it, they sign their calls with it.
    pub signs: bool,
    /// Reads the outcomes of all calls of its integrations, not only of its own.
    pub all_outcomes: bool,
}

/// A key to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateKeyRequest {
    /// The tenant that it belongs to.
    pub tenant: NameText,
    /// Its purpose; 1 to 200 characters.
    pub label: KeyLabel,
    /// The integrations that it may call, by name.
    pub integrations: Vec<NameText>,
    /// A value that exists elsewhere already, of 16 to 512 visible ASCII characters, or of 8 to 512 bytes of any text where it signs; one
    /// is generated without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyValue>,
    /// The time until it expires, such as `90d`; without, it does not expire. `lasts`, its former name, works for one release.
    #[serde(alias = "lasts", skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<DurationText>,
    /// A signing key: callers do not send it, they sign their calls with it.
    #[serde(default)]
    pub signs: bool,
    /// Reads the outcomes of all calls of its integrations, not only of its own; not for a signing key.
    #[serde(default)]
    pub all_outcomes: bool,
}

/// A key that was created: the only time that its value is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// To change or delete it.
    pub id: Uuid,
    /// The value that callers send, or sign with.
    #[serde(with = "forebay_contract::exposed_secret")]
    #[schema(value_type = String)]
    pub key: Secret,
}

/// Changes of a key; a field that is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateKeyRequest {
    /// Its new purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<KeyLabel>,
    /// All integrations that it may call from then on, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrations: Option<Vec<NameText>>,
    /// Integrations that it may call as well, by name; the others stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Vec<NameText>>,
    /// Integrations that it may no longer call, by name; it must be able to call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Vec<NameText>>,
    /// The time until it expires from now, such as `90d`, or `never`. `lasts`, its former name, works for one release.
    #[serde(alias = "lasts", skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<KeyLifetime>,
    /// Reads the outcomes of all calls of its integrations, not only of its own; a signing key cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_outcomes: Option<bool>,
}
