//! The processor time of a thread.

use std::time::Duration;

/// How long this thread has run on a processor, from an unspecified start. Where threads share the cores with others, that is less
/// than what a clock on the wall says. On systems other than Linux it is the time on the wall.
///
/// On Linux it is a system call, of about 0.2 µs.
#[must_use]
pub fn thread_time() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
    #[cfg(not(target_os = "linux"))]
    {
        static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}
