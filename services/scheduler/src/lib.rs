//! Clock to RabbitMQ: publishes each due run of a schedule exactly once, from any number of processes, and evaluates alert rules.

mod alerts;
mod error;
mod measure;
mod plan;
mod publish;
mod server;

pub use error::SchedulerError;
pub use plan::MAX_MISSED;
pub use server::Scheduler;
