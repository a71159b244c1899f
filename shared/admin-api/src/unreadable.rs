//! Unreadable messages: messages that no worker could read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An unreadable message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadableMessage {
    /// To return or discard it.
    pub id: String,
    /// The reason for which it could not be read.
    pub reason: String,
    /// The queue that it came from; null: it is not known, and it can only be discarded.
    pub queue: Option<String>,
    /// The id that its sender gave it.
    pub message_id: Option<String>,
    /// Its Content-Type.
    pub content_type: Option<String>,
    /// Bytes.
    pub size: usize,
}

/// An unreadable message that is back in its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReturnedMessage {
    /// Its id.
    pub id: String,
    /// Always true.
    pub returned: bool,
}
