//! The pool of connections to PostgreSQL, its schema, and what it notifies of.

pub(crate) mod audit_event;
pub(crate) mod caps;
pub(crate) mod change_transaction;
pub(crate) mod endpoint;
pub(crate) mod installation;
pub(crate) mod listen;
pub(crate) mod migrations;
pub(crate) mod partitions;
pub(crate) mod pool;
pub(crate) mod resealed;
pub(crate) mod row;
pub(crate) mod text;
pub(crate) mod timestamp;
pub(crate) mod upkeep;
pub(crate) mod word;
