//! The processes of an installation, and what they share on the broker.

pub(crate) mod broker_place;
mod declare;
pub(crate) mod paused_queues;
pub(crate) mod tenant_queues;
pub(crate) mod workers;
