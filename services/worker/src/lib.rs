//! RabbitMQ to workflow to outcome: consumes lanes and exclusive queues, runs the workflow, records, replies, acknowledges.

mod announce;
mod assignment;
mod attempt;
mod dispatch;
mod exclusive;
mod execute;
mod halts;
mod host;
mod in_hand;
mod lanes;
mod measure;
mod members;
mod programs;
mod put_off;
mod record;
mod recorder;
mod redact;
mod server;
mod traffic;

pub use server::{Worker, WorkerError};
