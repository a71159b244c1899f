//! The meter of the run on this thread: time, memory, stack and cancellation.
//!
//! jaq provides no way to stop a running program: an error could be caught by the program's own `try`. So the meter unwinds with a private
//! payload, which [`metered`] catches. `resume_unwind` does not call the panic hook, so nothing is printed. The meter is asked for each
//! evaluated term ([`enter`]), for each element in a native function ([`tick`]) and before each large allocation ([`reserve`]).
//! and before each large allocation ([`reserve`]).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::MappingError;
use super::limits::{Limits, MAX_DEPTH};
use forebay_fairness::thread_held as held;
use forebay_fairness::thread_time;

/// Ticks between two checks of the clock: 512 terms take 20 to 60 µs in a release build.
const TICKS_PER_LOOK: i64 = 512;
/// Copying this many bytes counts as one tick.
const BYTES_PER_TICK: usize = 256;
/// Minimum bytes that are read, digested or encoded per second.
const SLOWEST_BYTES_PER_SECOND: f64 = if cfg!(debug_assertions) { 10e6 } else { 100e6 };
/// Maximum seconds of work that is done without a check of the remaining time: about the work between two checks.
const UNASKED_SECONDS: f64 = 50e-6;
/// Stack reserved for each step of a path, which jaq stores in a list that is dropped recursively.
const STACK_PER_PATH_STEP: usize = 640;

/// The reason for which a run is stopped; the payload of the unwinding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Time,
    Deadline,
    Memory,
    Stack,
    Depth,
    Cancelled,
}

struct Run {
    /// Maximum processor time.
    time: Duration,
    deadline: Option<Instant>,
    cancel: Option<Arc<AtomicBool>>,
    /// The first check, in wall and processor time. Most runs end before it, and so do not read a clock.
    began: Cell<Option<(Instant, Duration)>>,
}

impl Run {
    fn began(&self) -> (Instant, Duration) {
        self.began.get().unwrap_or_else(|| {
            let now = (Instant::now(), thread_time());
            self.began.set(Some(now));
            now
        })
    }

    /// Returns the reason for which the run must be stopped now, if there is one.
    fn is_over(&self) -> Option<Stop> {
        if self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Some(Stop::Cancelled);
        }
        let (wall, processor) = self.began();
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Some(Stop::Deadline);
        }
        // A thread cannot have used more time than has passed, and the wall clock costs a tenth.
        let may_be_used = now.saturating_duration_since(wall) >= self.time;
        (may_be_used && thread_time().saturating_sub(processor) >= self.time).then_some(Stop::Time)
    }

    fn time_left(&self) -> TimeLeft {
        let (_, processor) = self.began();
        let time = self.time.saturating_sub(thread_time().saturating_sub(processor));
        match self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(left) if left < time => TimeLeft { left, stop: Stop::Deadline },
            _ => TimeLeft { left: time, stop: Stop::Time },
        }
    }
}

/// The remaining time of a run, and the reason for which it is stopped if that is not enough.
pub(super) struct TimeLeft {
    pub left: Duration,
    pub stop: Stop,
}

/// The values that are checked for each term. Without a destructor, so that accessing it costs almost nothing.
struct Meter {
    /// Ticks left until the next check. `i64::MAX` if nothing runs.
    fuel: Cell<i64>,
    /// The lowest address that the stack may reach (it grows downwards). 0 if nothing runs.
    stack_floor: Cell<usize>,
    /// Maximum bytes that the thread may hold, by the count of the allocator.
    held_limit: Cell<isize>,
    /// Maximum steps that a path may have.
    path_steps: Cell<u32>,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
    static METER: Meter = const {
        Meter {
            fuel: Cell::new(i64::MAX),
            stack_floor: Cell::new(0),
            held_limit: Cell::new(isize::MAX),
            path_steps: Cell::new(u32::MAX),
        }
    };
}

/// Stops the run on this thread.
#[cold]
pub(super) fn stop(reason: Stop) -> ! {
    resume_unwind(Box::new(reason))
}

/// Called for each term that jaq evaluates.
#[inline]
pub(super) fn enter() {
    tick(1);
}

/// Called for each `units` of work in a native operation; a unit is about one comparison of two numbers.
#[inline]
pub(crate) fn tick(units: usize) {
    let here = 0_u8;
    let address = std::hint::black_box(&raw const here) as usize;
    METER.with(|meter| {
        if address < meter.stack_floor.get() {
            stop(Stop::Stack);
        }
        spend(meter, units);
    });
}

#[inline]
fn spend(meter: &Meter, units: usize) {
    let fuel = meter.fuel.get().saturating_sub(units as i64);
    meter.fuel.set(fuel);
    if fuel < 0 {
        look(meter);
    }
}

/// Called before `bytes` are allocated at once, or copied.
#[inline]
pub(crate) fn reserve(bytes: usize) {
    METER.with(|meter| {
        let wanted = isize::try_from(bytes).unwrap_or(isize::MAX);
        if held().saturating_add(wanted) > meter.held_limit.get() {
            stop(Stop::Memory);
        }
        spend(meter, bytes / BYTES_PER_TICK);
    });
}

/// Called when an array or object would nest deeper than [`MAX_DEPTH`].
#[cold]
pub(super) fn too_deep() -> ! {
    stop(Stop::Depth)
}

/// Called with the number of steps of a path that is being built.
#[inline]
pub(super) fn path_step(steps: u32) {
    METER.with(|meter| {
        if steps > meter.path_steps.get() {
            stop(Stop::Stack);
        }
    });
}

#[cold]
fn look(meter: &Meter) {
    let is_too_large = held() > meter.held_limit.get();
    let reason = if is_too_large { Some(Stop::Memory) } else { RUN.with_borrow(|run| run.as_ref()?.is_over()) };
    if let Some(reason) = reason {
        stop(reason);
    }
    meter.fuel.set(if meter.stack_floor.get() == 0 { i64::MAX } else { TICKS_PER_LOOK });
}

/// Returns the remaining time if it is too short for work of at most `seconds` without the meter.
pub(super) fn time_missing(seconds: f64) -> Option<TimeLeft> {
    if seconds <= UNASKED_SECONDS {
        return None;
    }
    let time = RUN.with_borrow(|run| Some(run.as_ref()?.time_left()))?;
    (seconds > time.left.as_secs_f64()).then_some(time)
}

/// Called before code without the meter works on `bytes`: stops the run if the remaining time is too short, so that a first attempt with
/// little time does not exceed it by much.
pub(super) fn foresee(bytes: usize) {
    tick(bytes / BYTES_PER_TICK);
    if let Some(time) = time_missing(bytes as f64 / SLOWEST_BYTES_PER_SECOND) {
        stop(time.stop);
    }
}

/// Sets the meter during its lifetime, and restores the earlier state: runs may be nested.
struct Armed {
    fuel: i64,
    stack_floor: usize,
    held_limit: isize,
    path_steps: u32,
    run: Option<Run>,
}

impl Armed {
    fn new(limits: &Limits) -> Self {
        let here = 0_u8;
        let address = std::hint::black_box(&raw const here) as usize;
        let run = Run { time: limits.time, deadline: limits.deadline, cancel: limits.cancel.clone(), began: Cell::new(None) };
        METER.with(|meter| Armed {
            fuel: meter.fuel.replace(TICKS_PER_LOOK),
            stack_floor: meter.stack_floor.replace(address.saturating_sub(limits.stack).max(1)),
            held_limit: meter.held_limit.replace(held().saturating_add(isize::try_from(limits.memory).unwrap_or(isize::MAX))),
            path_steps: meter.path_steps.replace(u32::try_from(limits.stack / STACK_PER_PATH_STEP).unwrap_or(u32::MAX)),
            run: RUN.replace(Some(run)),
        })
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        METER.with(|meter| {
            meter.fuel.set(self.fuel);
            meter.stack_floor.set(self.stack_floor);
            meter.held_limit.set(self.held_limit);
            meter.path_steps.set(self.path_steps);
        });
        RUN.replace(self.run.take());
    }
}

/// Runs `work` within `limits`.
///
/// If the run is stopped, everything that `work` has built is dropped.
pub(crate) fn metered<T>(limits: &Limits, work: impl FnOnce() -> Result<T, MappingError>) -> Result<T, MappingError> {
    let armed = Armed::new(limits);
    let result = catch_unwind(AssertUnwindSafe(work));
    drop(armed);
    result.unwrap_or_else(|payload| Err(given_up(limits, &*payload)))
}

fn given_up(limits: &Limits, payload: &(dyn Any + Send)) -> MappingError {
    if let Some(stop) = payload.downcast_ref::<Stop>() {
        return match stop {
            Stop::Time => MappingError::Time { limit: limits.time },
            Stop::Deadline => MappingError::Deadline,
            Stop::Memory => MappingError::Memory { limit: limits.memory },
            Stop::Stack => MappingError::Stack,
            Stop::Depth => MappingError::Depth { limit: MAX_DEPTH },
            Stop::Cancelled => MappingError::Cancelled,
        };
    }
    let message = payload.downcast_ref::<&str>().map(ToString::to_string);
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
    MappingError::Internal { message: message.unwrap_or_else(|| "a panic without a text".to_string()) }
}
