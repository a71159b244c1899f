//! Panics as events of the log, instead of text on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use crate::metric_names::PANICS_TOTAL;

const WITHHELD: &str = "(withheld: the message was formatted and could hold what a tenant sent)";

/// Replaces the panic hook of the process: every panic, caught or not, becomes one error event with its place, and one
/// more in `forebay_panics_total`. With `RUST_BACKTRACE=1` the event has a backtrace.
///
/// Only a message that is a literal in the source is logged. A formatted message can quote a value, such as that of a failed `unwrap`, and
/// a value can be a secret or a payload.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        metrics::counter!(PANICS_TOTAL).increment(1);
        tracing::error!(
            panic.message = loggable_message(panic),
            panic.location = place,
            panic.thread = std::thread::current().name().unwrap_or("unnamed"),
            panic.backtrace = backtrace,
            "panic"
        );
    }));
}

fn loggable_message(panic: &PanicHookInfo<'_>) -> &'static str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or(WITHHELD)
}
