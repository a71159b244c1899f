//! The request of a call: all of it except its body.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The method of a call by another integration, instead of an HTTP method. Its body is JSON.
pub const CALL_METHOD: &str = "CALL";

/// The call without its body, which mappings see as `.request` and `.query`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The raw query string without `?`; empty when absent.
    #[serde(rename = "queryString", default, skip_serializing_if = "String::is_empty")]
    pub query_string: String,
    /// Declared query parameters in their types.
    #[serde(default, deserialize_with = "crate::json::object")]
    pub query: Map<String, Value>,
    /// Header names in lower case with their values, in the order of the call; credentials are left out.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Returns the first value of a header; the name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(existing, _)| existing == name).map(|(_, value)| value.as_str())
    }
}
