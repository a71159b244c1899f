//! Clock to RabbitMQ: publishes each due run of a schedule, exactly once, from any number of processes.

mod measure;
mod plan;
mod publish;
mod server;

pub use plan::MOST_MISSED;
pub use server::{Scheduler, SchedulerError};
