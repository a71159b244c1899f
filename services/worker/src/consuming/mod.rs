//! From queues to executions: which queues this worker consumes, and in which order their deliveries run.

mod assignment;
mod dispatcher;
mod exclusive_queues;
mod in_hand;
mod members;
mod shared_queues;

pub(crate) use dispatcher::{Consumption, Stop};
pub(crate) use in_hand::InHand;
pub(crate) use members::Members;
pub(crate) use shared_queues::{serve, serve_dead};
