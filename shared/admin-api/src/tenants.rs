//! Tenants and their settings.

use crate::text::DocsAccessName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Maximum bytes of a [`PayloadLimit`]: a petabyte, more than anybody stores, and a number that JSON has exactly.
pub const MAX_PAYLOAD_BYTES: u64 = 1_000_000_000_000_000;

/// A tenant and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its name.
    pub tenant: String,
    /// Number of its integrations.
    pub integrations: u64,
    /// The readers of the documentation of its webhooks: `key`, `open` or `off`.
    pub docs: String,
    /// Maximum bytes of stored payloads; null: no limit.
    pub payload_bytes: Option<u64>,
}

/// Changes of a tenant's settings; a field that is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateTenantRequest {
    /// The readers of the documentation of its webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<DocsAccessName>,
    /// Maximum bytes of stored payloads, or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<PayloadLimit>,
}

/// Maximum bytes of stored payloads: a whole number, or `all`. It holds whatever was sent until [`PayloadLimit::read`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PayloadLimit(Value);

impl PayloadLimit {
    const ALL: &str = "all";

    /// No limit.
    #[must_use]
    pub fn all() -> Self {
        Self(Self::ALL.into())
    }

    /// At most so many bytes.
    #[must_use]
    pub fn bytes(bytes: u64) -> Self {
        Self(bytes.into())
    }

    /// The bytes, or `Some(None)` for no limit; `None` where what was sent is neither.
    #[must_use]
    pub fn read(&self) -> Option<Option<u64>> {
        match &self.0 {
            Value::String(text) if text == Self::ALL => Some(None),
            number => {
                let bytes: u64 = crate::json::whole(number).ok().flatten()?;
                (bytes <= MAX_PAYLOAD_BYTES).then_some(Some(bytes))
            }
        }
    }
}

impl PartialSchema for PayloadLimit {
    fn schema() -> RefOr<Schema> {
        let bytes = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(MAX_PAYLOAD_BYTES));
        let all = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([Self::ALL]));
        AnyOfBuilder::new().item(bytes).item(all).into()
    }
}

impl ToSchema for PayloadLimit {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_limit_is_a_number_of_bytes_or_all() {
        let read = |value| PayloadLimit(value).read();
        assert_eq!((read(json!("all")), read(json!(5)), read(json!(5.0))), (Some(None), Some(Some(5)), Some(Some(5))));
        for wrong in [json!("some"), json!(-1), json!(1.5), json!(MAX_PAYLOAD_BYTES + 1), json!(true)] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
        assert_eq!((PayloadLimit::all().read(), PayloadLimit::bytes(7).read()), (Some(None), Some(Some(7))));
    }
}
