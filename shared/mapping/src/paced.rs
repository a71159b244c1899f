//! Runs a mapping or template: first a short attempt on the thread of the execution, then with all limits on a thread for slow mappings.
//!
//! Mappings are pure, so they can be run again. The short attempt avoids a change of thread in the common case (tens of microseconds); the
//! threads for slow mappings keep endless loops away from the threads that all tenants use.

use crate::failure;
use crate::{Limits, Mapping, MappingError, Template, Value};
use forebay_contract::Name;
use forebay_contract::outcome::ExecutionError;
use forebay_fairness::run_fairly;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Maximum characters of a mapping's error text for the caller and the history.
const MAX_MESSAGE_CHARS: usize = 2000;

/// Duration of a short attempt after which the task yields before the next one.
const YIELD_AFTER: Duration = Duration::from_micros(500);

/// The limits of a mapping.
#[derive(Clone)]
pub struct Budget {
    /// The tenant of the mapping.
    pub tenant: Name,
    /// End of the execution.
    pub deadline: Instant,
    /// Maximum processor time of one mapping.
    pub mapping_time: Duration,
    /// Maximum memory of one mapping, in bytes.
    pub mapping_memory: usize,
}

/// A mapping or template, and whether it is known to be slow.
pub struct Paced<P> {
    program: Arc<P>,
    /// Set when a short attempt has run out of time: later runs use a slow thread at once, until one of them was fast.
    is_slow: Arc<AtomicBool>,
}

impl<P> Paced<P> {
    /// Creates a program with unknown speed.
    pub fn new(program: P) -> Self {
        Self { program: Arc::new(program), is_slow: Arc::default() }
    }

    /// Returns the program.
    pub fn program(&self) -> &P {
        &self.program
    }
}

impl Paced<Mapping> {
    /// Returns the mapping's output for a context.
    pub async fn output(&self, part: &str, context: &Value, budget: &Budget) -> Result<Value, ExecutionError> {
        let context = context.clone();
        self.evaluate(part, budget, move |mapping, limits| mapping.run(&context, limits)).await
    }
}

impl Paced<Template> {
    /// Returns the template's text for a context.
    pub async fn text(&self, part: &str, context: &Value, budget: &Budget) -> Result<String, ExecutionError> {
        let context = context.clone();
        self.evaluate(part, budget, move |template, limits| template.render(&context, limits)).await
    }
}

impl<P: Send + Sync + 'static> Paced<P> {
    /// Runs `run` on the program. `part` is its name in errors, as in [`failure::of_mapping`].
    pub async fn evaluate<T, F>(&self, part: &str, budget: &Budget, run: F) -> Result<T, ExecutionError>
    where
        T: Send + 'static,
        F: Fn(&P, &Limits) -> Result<T, MappingError> + Send + 'static,
    {
        let started = Instant::now();
        if started >= budget.deadline {
            return Err(failure::deadline_reached());
        }
        if !self.is_slow.load(Ordering::Relaxed) {
            let mut limits = Limits::inline();
            // In wall time: if other threads use the cores, long runs continue on the slow threads, which have a lower priority.
            limits.deadline = Some(budget.deadline.min(started + limits.time));
            limits.time = limits.time.min(budget.mapping_time);
            limits.memory = limits.memory.min(budget.mapping_memory);
            match catch(|| run(&self.program, &limits))? {
                Err(error) if error.is_limit() => {}
                Err(MappingError::Deadline) if Instant::now() < budget.deadline => {}
                result => {
                    if started.elapsed() > YIELD_AFTER {
                        tokio::task::yield_now().await;
                    }
                    return result.map_err(|error| shortened(part, error));
                }
            }
            self.is_slow.store(true, Ordering::Relaxed);
        }
        self.evaluate_slowly(budget, run).await?.map_err(|error| shortened(part, error))
    }

    async fn evaluate_slowly<T, F>(&self, budget: &Budget, run: F) -> Result<Result<T, MappingError>, ExecutionError>
    where
        T: Send + 'static,
        F: Fn(&P, &Limits) -> Result<T, MappingError> + Send + 'static,
    {
        // When it is dropped with this future, the run ends soon.
        let withdrawal = Withdrawal(Arc::default());
        let limits = Limits {
            time: budget.mapping_time,
            deadline: Some(budget.deadline),
            memory: budget.mapping_memory,
            cancel: Some(withdrawal.0.clone()),
            ..Limits::default()
        };
        let (program, is_slow) = (self.program.clone(), self.is_slow.clone());
        let evaluate = move || {
            // It may have waited for a thread for a long time.
            if limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(failure::deadline_reached());
            }
            let started = Instant::now();
            let result = run(&program, &limits);
            if started.elapsed() < Limits::inline().time / 2 && result.is_ok() {
                is_slow.store(false, Ordering::Relaxed);
            }
            Ok(result)
        };
        run_fairly(&budget.tenant, evaluate).await?
    }
}

struct Withdrawal(Arc<AtomicBool>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn catch<T>(run: impl FnOnce() -> Result<T, MappingError>) -> Result<Result<T, MappingError>, ExecutionError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| forebay_fairness::panicked(&*payload))
}

fn shortened(part: &str, error: MappingError) -> ExecutionError {
    let mut error = failure::of_mapping(part, error);
    if let Some((at, _)) = error.message.char_indices().nth(MAX_MESSAGE_CHARS) {
        error.message.truncate(at);
        error.message.push_str(" ...");
    }
    error
}
