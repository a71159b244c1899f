//! RabbitMQ to workflow to outcome: the worker consumes shared and exclusive queues, runs workflows, records, replies, acknowledges.
//!
//! ```text
//! consuming (queues, order, who consumes what) -> execution (one delivery, testable in memory) -> recording (batches to the store)
//! ```

mod adapters;
mod consuming;
mod execution;
mod measure;
mod recording;
mod server;
mod store_health;

pub use server::{Worker, WorkerError};
