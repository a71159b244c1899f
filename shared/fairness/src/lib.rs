//! Fair sharing of the processor and the memory of a process between tenants.
//!
//! Everything that an execution computes between two waits is one piece of work: mappings, formats, bodies, records. A piece runs in a turn
//! of its tenant ([`by_turns`]). Memory that its pieces allocate and do not free counts as the execution's, whatever it is used for. Long
//! work runs on slow threads ([`run_fairly`]), which tenants also use in turns.
//!
//! Memory is counted only if the binary sets the counting allocator (see [`memory_is_counted`]):
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: forebay_fairness::CountingAllocator = forebay_fairness::CountingAllocator::system();
//! ```

mod account;
mod allocation;
mod line;
mod slow_pool;
mod thread_time;
mod turns;

pub use allocation::{CountingAllocator, held as thread_held, memory_is_counted, report_rest};
pub use line::Line;
pub use slow_pool::{panicked, run_fairly};
pub use thread_time::thread_time;

use self::account::Account;

use self::turns::Turns;
use forebay_contract::Name;
use std::sync::Arc;

tokio::task_local! {
    /// The execution for which the current task works in turns.
    static CURRENT: Arc<Account>;
}

/// Runs the work of one execution, each piece of it in a turn of its tenant. Nested calls have no effect.
///
/// `is_suspect`: the execution may have ended a worker. Only one such execution runs at a time.
pub async fn by_turns<T>(tenant: &Name, is_suspect: bool, work: impl Future<Output = T>) -> T {
    // A task that holds a turn and waits for another could wait for itself.
    if current().is_some() {
        return work.await;
    }
    Turns::of_process().give(tenant, is_suspect, work).await
}

/// Sets the bytes that this process may hold before executions that hold many of them wait for others to end. Without a call there is no
/// limit.
pub fn set_memory_budget(bytes: usize) {
    Turns::of_process().set_budget(bytes);
}

/// Returns the bytes that this process may hold before executions that hold many of them wait. Without a limit: `isize::MAX`.
#[must_use]
pub fn memory_budget() -> usize {
    Turns::of_process().budget()
}

/// Returns the bytes that this process may still hold before executions wait for memory; negative: the limit is exceeded.
#[must_use]
pub fn free_memory() -> isize {
    Turns::of_process().free_memory()
}

/// Returns the tenant for whose execution the current task works in turns; `None` outside of [`by_turns`].
#[must_use]
pub fn current_tenant() -> Option<Name> {
    current().map(|account| account.tenant().clone())
}

/// Returns the execution for which the current task works in turns.
fn current() -> Option<Arc<Account>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Stack of a thread that runs work of tenants, in bytes.
///
/// A mapping stops when it has used a quarter of it. The rest is for code between two checks, for unwinding and for dropping values.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;
