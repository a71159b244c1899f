//! Compiles and runs a definition: mappings, steps, connectors.
//!
//! A [`Program`] is a definition, compiled once and shared; an [`Engine`] runs programs on envelopes, each [`Run`] within a
//! deadline and bounds of memory and stack. What a tenant writes into a mapping can end its own execution only.
//!
//! The binary sets the counting allocator, without which the memory bound of mappings counts only what the engine itself
//! can see ([`mapping::memory_is_counted`] tells):
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: forebay_workflow::mapping::CountingAllocator = forebay_workflow::mapping::CountingAllocator::system();
//! ```

mod action;
mod alert;
mod body;
#[cfg(test)]
mod body_documentation;
mod branches;
mod compile;
mod compile_remote;
mod concealment;
pub mod connector;
mod context;
mod engine;
mod evaluate;
mod failure;
mod fair;
mod flow;
mod format;
mod header;
mod host;
mod journal;
mod key;
mod labels;
pub mod mapping;
mod payload;
mod program;
mod redaction;
mod redaction_text;
mod respond;
mod slow_pool;
mod step;
mod step_log;
mod thread_time;
pub mod trial;
mod variables;
mod weight;

pub use alert::{Channel, FindConnection, TELLING_TIMEOUT, check_alert};
pub use body::body_value;
pub use engine::{Engine, EngineError, EngineOptions, ExecutionContext, InjectTrace, Run, RunEnd};
pub use fair::{Line, by_turns, free_memory, memory_budget, set_memory_budget};
pub use flow::asked_for;
pub use host::{CallEnd, Host, HostFuture, NoHost, OutgoingCall};
pub use key::{KeyError, KeyMapping};
pub use mapping::STACK_BYTES;
pub use program::Program;
pub use redaction::{HIDDEN, Redaction};
pub use slow_pool::run_fairly;
