//! The options of an engine.

use forebay_connectors::Reach;
use forebay_contract::connection::TokenStore;
use forebay_contract::definition::MAX_BODY_BYTES;
use std::sync::Arc;
use std::time::Duration;

/// Returns the `traceparent` and `tracestate` of the current span, for calls to other systems; `None` if there is no trace.
pub type InjectTrace = Arc<dyn Fn() -> Option<(String, Option<String>)> + Send + Sync>;

/// The limits of one execution, and the services of the process.
#[derive(Clone)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Maximum processor time of one mapping or template; it also ends at the execution's deadline. Default 2 s.
    pub mapping_time: Duration,
    /// Maximum memory of one mapping or template, in bytes, and the size of its output as JSON. Default 64 MiB.
    pub mapping_memory: usize,
    /// Maximum memory of the outputs of `input` and all steps together, in bytes, counted as if they shared nothing. Default 64 MiB.
    pub context_memory: usize,
    /// Maximum time of an HTTP step whose definition sets none. Default 30 s.
    pub step_timeout: Duration,
    /// Maximum bytes of a remote system's response, both before and after its Content-Encoding is undone. Default 8 MiB.
    pub remote_bytes: usize,
    /// Maximum bytes of the body of a response to the caller. Default [`MAX_BODY_BYTES`], since it is one message of the broker.
    pub answer_bytes: usize,
    /// The addresses that steps may connect to. Default: all.
    pub reach: Reach,
    /// The trace of the current span; absent, or if it returns `None`: the envelope's trace is forwarded.
    pub inject: Option<InjectTrace>,
    /// The store in which processes share access tokens of connections; absent: each process fetches its own.
    pub tokens: Option<Arc<dyn TokenStore>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            mapping_time: Duration::from_secs(2),
            mapping_memory: 64 * 1024 * 1024,
            context_memory: 64 * 1024 * 1024,
            step_timeout: Duration::from_secs(30),
            remote_bytes: 8 * 1024 * 1024,
            answer_bytes: MAX_BODY_BYTES,
            reach: Reach::allow(),
            inject: None,
            tokens: None,
        }
    }
}
