//! Compiles, runs and tries a definition.
//!
//! A [`Program`] is a definition, compiled once and shared; an [`Engine`] runs programs on envelopes, each [`Run`] within a deadline and
//! limits of memory and stack. A mapping of a tenant can only end its own execution.

mod alert;
mod compile;
mod compiled;
mod compiler;
mod context;
mod engine;
mod engine_options;
mod execution;
mod execution_context;
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
mod run;
mod run_steps;
mod step_log;
mod steps;
pub mod trial;
mod variables;

pub use alert::{Channel, FindConnection, NOTIFICATION_TIMEOUT, check_alert};
pub use engine::{Engine, EngineError};
pub use engine_options::{EngineOptions, InjectTrace};
pub use execution_context::ExecutionContext;
pub use host::{CallEnd, Host, HostFuture, NoHost, OutgoingCall};
pub use key::{KeyError, KeyMapping};
pub use program::Program;
pub use redaction::Redaction;
pub use redaction_text::HIDDEN;
pub use run::{Run, RunEnd};
pub use run_steps::asked_for;
