//! How much of the process a run may use.

use forebay_fairness::{STACK_BYTES, thread_time};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Maximum levels of arrays and objects in a value: deeper JSON is refused, and a mapping that builds a deeper value is stopped.
/// So every recursion over a value is bounded by this.
pub const MAX_DEPTH: u32 = 1024;

/// The bounds of one run.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum processor time that the run may use. It does not count while other threads have the cores.
    pub time: Duration,
    /// When the run stops however little processor time it had.
    pub deadline: Option<Instant>,
    /// Maximum memory that the run may hold at a time beyond its input, in bytes; also the size of the largest output as JSON.
    pub memory: usize,
    /// Maximum stack that the run may use, in bytes; at most a quarter of the thread's stack.
    pub stack: usize,
    /// The run stops soon after this becomes true.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Limits {
    /// 2 s of processor time, 64 MiB, and a quarter of [`STACK_BYTES`].
    fn default() -> Self {
        Limits { time: Duration::from_secs(2), deadline: None, memory: 64 * 1024 * 1024, stack: STACK_BYTES / 4, cancel: None }
    }
}

impl Limits {
    /// A small budget for a first try on an async thread with the usual 2 MiB of stack: 2 ms of processor time, 16 MiB, 384 KiB of stack.
    ///
    /// When the result [is a limit](super::MappingError::is_limit), run again with [`Limits::default`] on a thread with
    /// [`STACK_BYTES`]: nothing of the first try is left behind.
    pub fn inline() -> Self {
        Limits { time: Duration::from_millis(2), memory: 16 * 1024 * 1024, stack: 384 * 1024, ..Limits::default() }
    }
}

/// The limits of several runs on one thread, which share the time.
pub(super) struct Remaining<'l> {
    limits: &'l Limits,
    began: Duration,
}

impl<'l> Remaining<'l> {
    /// From now on.
    pub(super) fn of(limits: &'l Limits) -> Self {
        Self { limits, began: thread_time() }
    }

    /// The limits of the next run.
    pub(super) fn limits(&self) -> Limits {
        let used = thread_time().saturating_sub(self.began);
        Limits { time: self.limits.time.saturating_sub(used), ..self.limits.clone() }
    }
}
