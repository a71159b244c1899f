//! Limits of a run.

use forebay_fairness::{STACK_BYTES, thread_time};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Maximum levels of arrays and objects in a value: deeper JSON is refused, and a mapping that builds a deeper value is stopped. So every
/// recursion over a value is bounded by this.
pub const MAX_DEPTH: u32 = 1024;

/// The bounds of one run.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum processor time of the run. Time in which other threads use the cores does not count.
    pub time: Duration,
    /// The time at which the run is stopped, however little processor time it had.
    pub deadline: Option<Instant>,
    /// Maximum memory that the run may hold at any time beyond its input, in bytes; also the maximum size of the output as JSON.
    pub memory: usize,
    /// Maximum stack that the run may use, in bytes; at most a quarter of the thread's stack.
    pub stack: usize,
    /// When it becomes true, the run is stopped soon.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Limits {
    /// Returns 2 s of processor time, 64 MiB, and a quarter of [`STACK_BYTES`].
    fn default() -> Self {
        Limits { time: Duration::from_secs(2), deadline: None, memory: 64 * 1024 * 1024, stack: STACK_BYTES / 4, cancel: None }
    }
}

impl Limits {
    /// Returns small limits for a first attempt on an async thread with the usual 2 MiB of stack: 2 ms of processor time, 16 MiB, 384 KiB
    /// of stack.
    ///
    /// If the result [is a limit](super::MappingError::is_limit), run again with [`Limits::default`] on a thread with [`STACK_BYTES`]: the
    /// first attempt has no effects.
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
    /// Starts the time of the limits now.
    pub(super) fn of(limits: &'l Limits) -> Self {
        Self { limits, began: thread_time() }
    }

    /// Returns the limits of the next run.
    pub(super) fn limits(&self) -> Limits {
        let used = thread_time().saturating_sub(self.began);
        Limits { time: self.limits.time.saturating_sub(used), ..self.limits.clone() }
    }
}
