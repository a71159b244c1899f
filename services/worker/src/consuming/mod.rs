//! From queues to executions: the queues that this worker consumes, and the order in which their deliveries run.

mod activity;
mod admission;
mod assignment;
mod backlog;
mod dispatcher;
mod exclusive_queues;
mod in_hand;
mod members;
mod paused_queues;
mod places;
mod shared_queues;

pub(crate) use backlog::Backlog;
pub(crate) use dispatcher::{Consumption, Stop};
pub(crate) use in_hand::InHand;
pub(crate) use members::Members;
pub(crate) use paused_queues::PausedQueues;
pub(crate) use places::Places;
pub(crate) use shared_queues::{Kind, serve_all, serve_dead};
