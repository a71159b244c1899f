//! HTTP to RabbitMQ: authenticates and normalizes each call, publishes it, and accepts it once the broker has confirmed it.
//!
//! Accepting a call reads and writes no database: definitions and key digests are in an in-memory snapshot.

mod authentication;
mod backlog;
mod call;
mod checks;
mod client;
mod cors;
mod dependencies;
mod dispatch;
mod documents;
mod executions;
mod handler;
mod limit;
mod listening;
mod measure;
mod normalize;
mod prefer;
mod problem;
mod rate;
mod receive;
mod route;
mod server;
mod shares;
mod trace;

pub use server::{Ingress, IngressError};

use actix_web::http::header::HeaderName;

/// The response header with the id of the execution.
pub(crate) const EXECUTION_ID_HEADER: HeaderName = HeaderName::from_static("forebay-execution-id");
