//! The `forebay` command.

use std::process::ExitCode;

use forebay_fairness::STACK_BYTES;
use forebay_fairness::{CountingAllocator, report_rest};

/// Counts memory, so that a mapping can be stopped before it holds too much; over mimalloc, since messages are allocated on one thread and
/// freed on another.
#[global_allocator]
static ALLOCATOR: CountingAllocator<mimalloc::MiMalloc> = CountingAllocator::over(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_stack_size(STACK_BYTES).on_thread_stop(report_rest).build();
    match runtime {
        Ok(runtime) => runtime.block_on(forebay::run(std::env::args_os())),
        Err(error) => forebay::report(&forebay::Error::Io { doing: "cannot start the runtime".to_owned(), source: error }),
    }
}
