//! What steps do beside computing a value.

pub(crate) mod client;
pub(crate) mod http;
pub(crate) mod sql;
pub(crate) mod url;
