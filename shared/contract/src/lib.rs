//! The contract that all parts of Forebay share: definitions, the envelope on the broker, outcomes and ids.
//! Types and their validation; no I/O.

pub mod body;
mod clock;
pub mod definition;
mod duration;
pub mod envelope;
mod id;
mod name;
pub mod outcome;
mod query;

pub use clock::unix_micros;
pub use duration::{DurationError, format_duration, parse_duration};
pub use id::{ExecutionId, ExecutionIdError, IdIssuer};
pub use name::{IntegrationPath, IntegrationPathError, Name, NameError};
pub use query::{QueryError, read_query};
