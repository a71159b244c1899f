//! The pool of connections to PostgreSQL, its schema, and what it notifies of.

pub(crate) mod endpoint;
pub(crate) mod listen;
pub(crate) mod migrations;
pub(crate) mod partitions;
pub(crate) mod pool;
pub(crate) mod timestamp;
