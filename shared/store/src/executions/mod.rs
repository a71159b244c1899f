//! Executions under way: claims, checkpoints, idempotency keys, and the states that follow from one another.

pub(crate) mod checkpoints;
pub(crate) mod claims;
pub(crate) mod reservations;
