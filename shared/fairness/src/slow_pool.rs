//! Threads for mappings that exceeded their short attempt on an async thread, and for large bodies, shared fairly between tenants.
//!
//! A mapping is code of a tenant, so one tenant can fill any queue. Tenants take turns, one tenant never holds every thread, and each has
//! its own limit of waiting runs: slow mappings of a tenant delay that tenant. On Linux these threads have a lower priority than the
//! others.

use crate::Line;
use forebay_contract::Name;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// Maximum waiting runs of one tenant. With 2 s per run and one thread this is already minutes of work.
const MAX_WAITING_OF_A_TENANT: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// The reason for which a job was not accepted; the Display is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(
        "{MAX_WAITING_OF_A_TENANT} slow mappings, large bodies and costly schemas of this tenant are waiting already; make them faster or smaller, or send less at a time"
    )]
    Full,
    #[error("no thread could be started for a slow mapping or a large body")]
    NoThread,
}

/// Runs `work` on one of the threads. If the future is dropped, work that has not begun is not done.
///
/// # Errors
/// [`ErrorCode::Limit`], transient: too much work of this tenant waits already, or no thread could be started. Another one if `work`
/// panics.
pub async fn run_fairly<T: Send + 'static>(tenant: &Name, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ExecutionError> {
    let (answer, answered) = oneshot::channel();
    let job = move || {
        if !answer.is_closed() {
            let _ = answer.send(catch_unwind(AssertUnwindSafe(work)));
        }
    };
    let refused = |refused: Refused| ExecutionError::transient(ErrorCode::Limit, refused.to_string());
    SlowPool::of_process().submit(tenant, Box::new(job)).map_err(refused)?;
    match answered.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(payload)) => Err(panicked(&*payload)),
        Err(_) => Err(ExecutionError::permanent(ErrorCode::Internal, "a slow thread dropped its work")),
    }
}

/// Returns the failure of a panic: a bug in Forebay, which fails only this execution.
#[must_use]
pub fn panicked(payload: &(dyn std::any::Any + Send)) -> ExecutionError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "a panic without a text".to_owned());
    tracing::error!(panic = text, "a panic in a workflow");
    ExecutionError::permanent(ErrorCode::Internal, "a defect in Forebay stopped this execution; please report it with the worker's log")
}

#[derive(Clone)]
struct SlowPool(Arc<Shared>);

struct Shared {
    max_threads: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Line<Job>,
    /// Number of running jobs, by tenant.
    running: HashMap<Name, usize>,
    threads: usize,
    idle: usize,
}

impl SlowPool {
    /// Returns the pool of this process: one tenant can use all cores, and one additional thread is available to the others.
    fn of_process() -> &'static Self {
        static POOL: OnceLock<SlowPool> = OnceLock::new();
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        POOL.get_or_init(|| Self::new(cores() + 1))
    }

    fn new(max_threads: usize) -> Self {
        Self(Arc::new(Shared { max_threads, state: Mutex::default(), work: Condvar::new() }))
    }

    /// Submits a job. It must not unwind: it catches panics itself.
    ///
    /// Memory that it allocates counts for the execution that submits it.
    fn submit(&self, tenant: &Name, job: Job) -> Result<(), Refused> {
        let job: Job = match crate::current() {
            Some(account) => Box::new(account.aside(job)),
            None => job,
        };
        let mut state = self.0.lock();
        if state.waiting.len_of(tenant) >= MAX_WAITING_OF_A_TENANT {
            return Err(Refused::Full);
        }
        if state.threads < self.0.max_threads && state.waiting.len() >= state.idle {
            let shared = self.0.clone();
            let builder = std::thread::Builder::new().name("forebay-slow".to_owned()).stack_size(crate::STACK_BYTES);
            match builder.spawn(move || {
                lower_priority();
                shared.serve();
            }) {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads == 0 => return Err(Refused::NoThread),
                Err(_) => {}
            }
        }
        state.waiting.push(tenant, job);
        drop(state);
        self.0.work.notify_one();
        Ok(())
    }
}

/// Lowers the priority of this thread on Linux. If all cores are busy, executions with waiting callers then do not wait for slow mappings,
/// and neither do a broker and a database on the same machine.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        /// A third of the default weight (`sched_prio_to_weight` of Linux).
        const NICE: i32 = 5;
        // On Linux niceness is per thread. If it is forbidden, the thread has the same priority as the others.
        let _ = rustix::process::nice(NICE);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn serve(&self) {
        let max_of_tenant = (self.max_threads - 1).max(1);
        let mut state = self.lock();
        loop {
            let Some((tenant, job)) = state.next(max_of_tenant) else {
                state.idle += 1;
                self.work.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            drop(state);
            job();
            state = self.lock();
            state.ended(&tenant);
        }
    }
}

impl State {
    /// Returns the first job of the next tenant that is below its share of the threads.
    fn next(&mut self, max_of_tenant: usize) -> Option<(Name, Job)> {
        let running = |tenant: &Name| self.running.get(tenant).copied().unwrap_or_default();
        let (tenant, job) = self.waiting.next(|tenant, _| running(tenant) < max_of_tenant)?;
        *self.running.entry(tenant.clone()).or_default() += 1;
        Some((tenant, job))
    }

    fn ended(&mut self, tenant: &Name) {
        let Some(running) = self.running.get_mut(tenant) else { return };
        *running -= 1;
        if *running == 0 {
            self.running.remove(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// A job that says that it runs, and ends when told.
    fn held_job(started: &mpsc::Sender<&'static str>, label: &'static str) -> (Job, mpsc::Sender<()>) {
        let (end, ended) = mpsc::channel();
        let started = started.clone();
        let job = move || {
            let _ = started.send(label);
            let _ = ended.recv();
        };
        (Box::new(job), end)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_threads_have_a_lower_priority_and_others_keep_theirs() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let (before, (told, tells)) = (niceness(), mpsc::channel());
        SlowPool::new(1).submit(&name("a"), Box::new(move || told.send(niceness()).unwrap())).unwrap();
        assert_eq!(tells.recv_timeout(LONG), Ok(before + 5));
        assert_eq!(niceness(), before);
    }

    #[test]
    fn one_tenant_never_holds_every_thread() {
        let pool = SlowPool::new(2);
        let (started, starts) = mpsc::channel();
        let mut ends = Vec::new();
        for label in ["a1", "a2", "a3"] {
            let (job, end) = held_job(&started, label);
            pool.submit(&name("a"), job).unwrap();
            ends.push(end);
        }
        assert_eq!(starts.recv_timeout(LONG), Ok("a1"));
        let (job, _end) = held_job(&started, "b1");
        pool.submit(&name("b"), job).unwrap();
        assert_eq!(starts.recv_timeout(LONG), Ok("b1"), "the second thread was free for the other tenant");
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let pool = SlowPool::new(1);
        let (started, starts) = mpsc::channel();
        let (job, first_end) = held_job(&started, "first");
        pool.submit(&name("a"), job).unwrap();
        assert_eq!(starts.recv_timeout(LONG), Ok("first"));
        for (tenant, label) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2")] {
            let started = started.clone();
            pool.submit(&name(tenant), Box::new(move || _ = started.send(label))).unwrap();
        }
        drop(first_end);
        let order: Vec<_> = (0..5).map(|_| starts.recv_timeout(LONG).unwrap()).collect();
        assert_eq!(order, ["a1", "b1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_tenant_with_too_many_waiting_is_refused_and_others_are_not() {
        let pool = SlowPool::new(1);
        let (started, starts) = mpsc::channel();
        let (job, _end) = held_job(&started, "first");
        pool.submit(&name("a"), job).unwrap();
        starts.recv_timeout(LONG).unwrap();
        for _ in 0..MAX_WAITING_OF_A_TENANT {
            pool.submit(&name("a"), Box::new(|| {})).unwrap();
        }
        assert_eq!(pool.submit(&name("a"), Box::new(|| {})), Err(Refused::Full));
        assert_eq!(pool.submit(&name("b"), Box::new(|| {})), Ok(()));
    }

    #[test]
    fn nothing_is_remembered_of_a_tenant_that_is_done() {
        let pool = SlowPool::new(2);
        let (done, is_done) = mpsc::channel();
        pool.submit(&name("a"), Box::new(move || _ = done.send(()))).unwrap();
        is_done.recv_timeout(LONG).unwrap();
        let until = std::time::Instant::now() + LONG;
        while !pool.0.lock().running.is_empty() {
            assert!(std::time::Instant::now() < until);
            std::thread::yield_now();
        }
        assert!(pool.0.lock().waiting.is_empty());
    }
}
