//! Runs one mapping or template: a short try where the execution stands, then with the full budget on a slow thread.
//!
//! Mappings are pure, so starting over is safe. The try keeps the common case (tens of microseconds) free of a change of thread;
//! the slow threads keep a loop without an end away from the threads that serve everybody.

use crate::failure;
use crate::{Limits, Mapping, MappingError, Template, Value};
use forebay_contract::Name;
use forebay_contract::outcome::ExecutionError;
use forebay_fairness::run_fairly;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest part of a mapping's error text that goes on to the caller and the history.
const MAX_MESSAGE_CHARS: usize = 2000;

/// A try that took longer gives the thread to others before the next one begins.
const YIELD_AFTER: Duration = Duration::from_micros(500);

/// What one mapping may use, and until when.
#[derive(Clone)]
pub struct Budget {
    /// Whose code it is.
    pub tenant: Name,
    /// End of the execution.
    pub deadline: Instant,
    /// Maximum processor time of one mapping.
    pub mapping_time: Duration,
    /// Maximum memory of one mapping, in bytes.
    pub mapping_memory: usize,
}

/// A mapping or template together with what was learnt about its speed.
pub struct Paced<P> {
    program: Arc<P>,
    /// Set once a try ran out of time: further runs go straight to a slow thread, until one of them was fast.
    is_slow: Arc<AtomicBool>,
}

impl<P> Paced<P> {
    /// A program of which nothing is known yet.
    pub fn new(program: P) -> Self {
        Self { program: Arc::new(program), is_slow: Arc::default() }
    }

    /// The program itself.
    pub fn program(&self) -> &P {
        &self.program
    }
}

impl Paced<Mapping> {
    /// The mapping's output on a context.
    pub async fn output(&self, part: &str, context: &Value, budget: &Budget) -> Result<Value, ExecutionError> {
        let context = context.clone();
        self.evaluate(part, budget, move |mapping, limits| mapping.run(&context, limits)).await
    }
}

impl Paced<Template> {
    /// The template's text on a context.
    pub async fn text(&self, part: &str, context: &Value, budget: &Budget) -> Result<String, ExecutionError> {
        let context = context.clone();
        self.evaluate(part, budget, move |template, limits| template.render(&context, limits)).await
    }
}

impl<P: Send + Sync + 'static> Paced<P> {
    /// Runs `run` on the program. `part` names it in the error, as for [`failure::of_mapping`].
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
            // By the wall clock: where others have the cores, what takes long goes to the slow threads, which come after them.
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
        // Dropped with this future: the run then ends soon.
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
            // It may have waited for a thread for long.
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
