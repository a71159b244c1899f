//! Access: keys of callers, people, tokens of programs, and the audit log.

pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod digests;
pub(crate) mod flashes;
pub(crate) mod grants;
pub(crate) mod keys;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod signing;
pub(crate) mod tokens;
pub(crate) mod users;
