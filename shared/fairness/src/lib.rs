//! The processor and the memory of a process, shared out between tenants.
//!
//! Everything that an execution computes between two waits is one piece of work: mappings, formats, bodies, records. A piece is done in a
//! turn of its tenant ([`by_turns`]). What its pieces allocate and do not free is counted as the execution's memory, whatever it is for.
//! Work that takes long goes to slow threads ([`run_fairly`]), which tenants share by turns too.
//!
//! Memory is counted only where the binary sets the counting allocator ([`memory_is_counted`] tells):
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
    /// The execution for which the current task works by turns.
    static CURRENT: Arc<Account>;
}

/// Does the work of one execution, each piece of it in a turn of its tenant. Inside of such work it changes nothing.
///
/// `is_suspect`: the execution may have killed a worker. Of such executions one runs at a time.
pub async fn by_turns<T>(tenant: &Name, is_suspect: bool, work: impl Future<Output = T>) -> T {
    // A task that waited for a turn while it held one could wait for itself.
    if current().is_some() {
        return work.await;
    }
    Turns::of_process().give(tenant, is_suspect, work).await
}

/// Sets how many bytes this process may hold before executions that hold many of them wait for others to end. Without a call: no bound.
pub fn set_memory_budget(bytes: usize) {
    Turns::of_process().set_budget(bytes);
}

/// Bytes that this process may hold before executions that hold many of them wait. Without a bound: `isize::MAX`.
#[must_use]
pub fn memory_budget() -> usize {
    Turns::of_process().budget()
}

/// Bytes that this process may still hold before executions wait for memory; negative: it holds more than that.
#[must_use]
pub fn free_memory() -> isize {
    Turns::of_process().free_memory()
}

/// The tenant for whose execution the current task works by turns; `None` outside of [`by_turns`].
#[must_use]
pub fn current_tenant() -> Option<Name> {
    current().map(|account| account.tenant().clone())
}

/// The execution for which the current task works by turns.
fn current() -> Option<Arc<Account>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Stack of a thread that does work of tenants, in bytes.
///
/// A mapping stops when it has used a quarter of it. The rest is for what happens between two checks, for unwinding and for dropping
/// what was built.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;
