//! Connections to remote systems, and what is encrypted.

pub(crate) mod connection_tokens;
pub(crate) mod remote_connections;
pub(crate) mod rotation;
