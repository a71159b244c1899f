//! Compiles, runs and tries a definition.
//!
//! A [`Program`] is a definition, compiled once and shared; an [`Engine`] runs programs on envelopes, each [`Run`] within a deadline and
//! limits of memory and stack. A mapping of a tenant can only end its own execution.

mod alert;
mod compile;
mod context;
mod engine;
mod flow;
mod host;
mod in_step;
mod journal;
mod key;
mod labels;
mod program;
mod redaction;
mod redaction_text;
mod respond;
mod step_log;
mod steps;
pub mod trial;
mod variables;

pub use alert::{Channel, FindConnection, NOTIFICATION_TIMEOUT, check_alert};
pub use engine::{Engine, EngineError, EngineOptions, ExecutionContext, InjectTrace, Run, RunEnd};
pub use flow::asked_for;
pub use host::{CallEnd, Host, HostFuture, NoHost, OutgoingCall};
pub use key::{KeyError, KeyMapping};
pub use program::Program;
pub use redaction::{HIDDEN, Redaction};
