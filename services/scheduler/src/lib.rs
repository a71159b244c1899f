//! Clock to RabbitMQ: publishes each due run of a schedule, exactly once, from any number of processes.

mod measure;
mod plan;
mod publish;
mod run_now;
mod server;

pub use plan::MOST_MISSED;
pub use run_now::{RunNowError, run_now};
pub use server::{Scheduler, SchedulerError};
