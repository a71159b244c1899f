//! RabbitMQ to workflow to outcome: consumes lanes and exclusive queues, runs the workflow, records, replies, acknowledges.

mod assignment;
mod attempt;
mod dispatch;
mod exclusive;
mod execute;
mod halts;
mod lanes;
mod measure;
mod members;
mod programs;
mod record;
mod recorder;
mod server;

pub use server::{Worker, WorkerError};
