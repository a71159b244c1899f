//! Connections to other systems, and the encryption of their secrets.

use crate::json::both;
use crate::time::Time;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A connection, without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// Such as `http`, `postgres`, `smtp`.
    pub kind: String,
    /// True if steps may use it.
    pub enabled: bool,
    /// For people.
    pub description: String,
    /// The time of its last change.
    pub updated_at: Time,
    /// The document of its author, without its secrets; of one connection only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "forebay_contract::json::optional_value")]
    pub document: Option<Value>,
}

impl Connection {
    /// `tenant/name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }
}

/// A document of a connection or an alert to store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutDocumentRequest {
    /// As JSON. A secret that is left out of a connection stays as it is, as long as it is sent to the same place.
    #[serde(deserialize_with = "forebay_contract::json::document")]
    #[schema(value_type = Object)]
    pub document: Value,
}

/// A connection whose remote system was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestedConnection {
    /// `tenant/name`.
    pub connection: String,
    /// Always true: a test that fails is a problem.
    pub works: bool,
    /// The text at the place.
    pub reached: String,
}

/// A connection that was enabled or disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionEnabled {
    /// `tenant/name`.
    pub connection: String,
    /// True if steps may use it.
    pub enabled: bool,
}

/// The progress of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RotationStatus {
    /// Payloads are being re-encrypted.
    Running,
    /// Everything is encrypted by the first key.
    Finished,
    /// Rotate again: it continues where it ended.
    Interrupted,
    /// There was none.
    None,
}

/// A rotation: the progress of encrypting everything by the first key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// Its progress.
    pub status: RotationStatus,
    /// True while something may still be encrypted by a key after the first one.
    pub old_key_needed: bool,
    /// Connections, keys and payloads that were re-encrypted.
    pub total: u64,
    /// Payloads that no given key opens.
    pub unreadable: u64,
    /// Executions received before this time have been looked at.
    pub up_to: Option<Time>,
    /// The time at which it began.
    pub started_at: Option<Time>,
    /// The time at which it finished.
    pub finished_at: Option<Time>,
}

/// A rotation that began: connections and keys are re-encrypted, payloads follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StartedRotation {
    /// Connections and keys.
    pub reencrypted: usize,
    /// The progress with payloads.
    #[serde(flatten)]
    pub payloads: Rotation,
}

impl<'de> Deserialize<'de> for StartedRotation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Count {
            reencrypted: usize,
        }
        let (payloads, Count { reencrypted }) = both(deserializer)?;
        Ok(Self { reencrypted, payloads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_is_read_as_it_was_written() {
        let text = r#"{"reencrypted":2,"status":"running","oldKeyNeeded":true,"total":3,"unreadable":0,"upTo":null,"startedAt":"2026-11-24T10:00:00Z","finishedAt":null}"#;
        let read: StartedRotation = serde_json::from_str(text).unwrap();
        assert_eq!((read.reencrypted, read.payloads.status), (2, RotationStatus::Running));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
