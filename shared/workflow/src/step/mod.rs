//! What steps do beside computing a value.

pub(crate) mod client;
pub(crate) mod http;
pub(crate) mod url;
