//! Outcomes on their way to the store.
//!
//! ```text
//! Recording (makes records) -> ExecutionStore::record -> Recorder (batches) -> store, or a queue of the broker while it is away
//! ```

mod announcer;
mod record;
mod recorder;
mod redaction;
mod statistics;

pub(crate) use announcer::Announcer;
pub(crate) use record::{EndRecord, EndRecorded, Failure, Recording, stored_count};
pub(crate) use recorder::{RecordDestination, Recorder, drain_spool};
pub(crate) use statistics::Statistics;
