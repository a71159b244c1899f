//! The meter of the run on this thread: time, memory, stack and cancellation.
//!
//! jaq has no way out of a running program for its host: an error could be caught by the program's own `try`. So the meter leaves
//! by unwinding with a private payload, which [`metered`] catches. `resume_unwind` does not call the panic hook, so nothing is
//! printed. The meter is looked at for each term evaluated ([`enter`]), for each element that a native function works on ([`tick`])
//! and before each large allocation ([`reserve`]).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::allocation::held;
use super::error::MappingError;
use super::limits::{Limits, MAX_DEPTH};

/// Ticks between two looks at the clock: 512 terms take 20 to 60 µs in a release build.
const TICKS_PER_LOOK: i64 = 512;
/// Copying this many bytes counts as one tick.
const BYTES_PER_TICK: usize = 256;
/// Bytes that are read, digested or encoded in a second, at worst.
const SLOWEST_BYTES_PER_SECOND: f64 = if cfg!(debug_assertions) { 10e6 } else { 100e6 };
/// Stack set aside for each step of a path, which jaq keeps in a list that is dropped recursively.
const STACK_PER_PATH_STEP: usize = 640;

/// Why a run is given up; the payload of the unwinding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Deadline,
    Memory,
    Stack,
    Depth,
    Cancelled,
}

struct Run {
    deadline: Option<Instant>,
    cancel: Option<Arc<AtomicBool>>,
}

/// What is looked at for each term. Without a destructor, so that reaching it costs next to nothing.
struct Meter {
    /// Ticks left until the next look. `i64::MAX` when nothing runs.
    fuel: Cell<i64>,
    /// The lowest address that the stack may reach (it grows downwards). 0 when nothing runs.
    stack_floor: Cell<usize>,
    /// Most bytes that the thread may hold, by the count of the allocator.
    held_limit: Cell<isize>,
    /// Most steps that a path may have.
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

/// Gives up the run on this thread.
#[cold]
pub(super) fn stop(reason: Stop) -> ! {
    resume_unwind(Box::new(reason))
}

/// Called for each term that jaq evaluates.
#[inline]
pub(super) fn enter() {
    tick(1);
}

/// Called for each `units` of work in a native operation; a unit is about as much as comparing two numbers.
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

/// Called before `bytes` are allocated in one go, or copied.
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
    let reason = RUN.with_borrow(|run| {
        let run = run.as_ref()?;
        if run.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Some(Stop::Cancelled);
        }
        if held() > meter.held_limit.get() {
            return Some(Stop::Memory);
        }
        run.deadline.filter(|deadline| Instant::now() >= *deadline).map(|_| Stop::Deadline)
    });
    if let Some(reason) = reason {
        stop(reason);
    }
    meter.fuel.set(if meter.stack_floor.get() == 0 { i64::MAX } else { TICKS_PER_LOOK });
}

/// Time left of the run on this thread; `None` when nothing runs.
pub(super) fn time_left() -> Option<Duration> {
    RUN.with_borrow(|run| run.as_ref()?.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())))
}

/// Called before `bytes` are worked on by code that does not look at the meter: gives up where the time that is left is too short for
/// them, so that a first try with little time does not overrun it by much.
pub(super) fn foresee(bytes: usize) {
    tick(bytes / BYTES_PER_TICK);
    if time_left().is_some_and(|left| bytes as f64 > left.as_secs_f64() * SLOWEST_BYTES_PER_SECOND) {
        stop(Stop::Deadline);
    }
}

/// Sets the meter for the length of its life, and puts back what was there before: runs may nest.
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
        let run = Run { deadline: Instant::now().checked_add(limits.deadline), cancel: limits.cancel.clone() };
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
/// Whatever `work` has built is dropped when it is given up, so nothing of it is left behind.
pub(crate) fn metered<T>(limits: &Limits, work: impl FnOnce() -> Result<T, MappingError>) -> Result<T, MappingError> {
    let armed = Armed::new(limits);
    let result = catch_unwind(AssertUnwindSafe(work));
    drop(armed);
    result.unwrap_or_else(|payload| Err(given_up(limits, &*payload)))
}

fn given_up(limits: &Limits, payload: &(dyn Any + Send)) -> MappingError {
    if let Some(stop) = payload.downcast_ref::<Stop>() {
        return match stop {
            Stop::Deadline => MappingError::Deadline { limit: limits.deadline },
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
