//! The retry policy of failed executions or steps.

use crate::outcome::ExecutionError;
use std::time::Duration;

/// Maximum pause between two attempts. Retries within a delivery must stay well below RabbitMQ's acknowledgement timeout of 30 minutes.
pub const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);
/// Maximum attempts of a definition.
pub const MAX_ATTEMPTS: u32 = 20;

/// The retry policy of failed executions or steps.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Maximum attempts, including the first; 1 (the default) means no retries.
    pub attempts: u32,
    /// Pause before the second attempt.
    pub first: Duration,
    /// The factor between a pause and the next one.
    pub factor: f64,
    /// Maximum pause.
    pub max: Duration,
    /// True if failures that the same input causes again (a 4xx, a mapping, an assert) are also retried (`on: any`).
    pub on_any: bool,
}

impl RetryPolicy {
    /// Returns the pause after the given attempt (1 is the first) has failed with `error`; `None` if there is no further attempt. A remote
    /// system may request a longer pause, up to [`MAX_BACKOFF`].
    #[must_use]
    pub fn pause_after_error(&self, attempt: u32, error: &ExecutionError) -> Option<Pause> {
        if !error.transient && !self.on_any {
            return None;
        }
        self.pause_after(attempt).map(|backoff| Pause { backoff, requested: error.retry_after })
    }

    /// Returns the pause after the given attempt (1 is the first) has failed; `None` if it was the last.
    #[must_use]
    pub fn pause_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(exponent);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max))
    }
}

/// The pause before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    backoff: Duration,
    /// The pause that the remote system requested.
    requested: Option<Duration>,
}

impl Pause {
    /// Returns the length, without the random part of [`jittered`](Self::jittered).
    #[must_use]
    pub fn length(&self) -> Duration {
        self.backoff.max(self.requested.unwrap_or_default().min(MAX_BACKOFF))
    }

    /// Returns the requested pause, if it is longer than the maximum.
    #[must_use]
    pub fn cut_short(&self) -> Option<Duration> {
        self.requested.filter(|requested| *requested > self.length())
    }

    /// Returns the length with a random change, so that executions that failed together are not retried together: by 20 % at most, and
    /// never shorter than a requested pause.
    #[must_use]
    pub fn jittered(&self) -> Duration {
        let mut byte = [128_u8];
        let _ = getrandom::fill(&mut byte);
        self.jittered_by(byte[0])
    }

    fn jittered_by(&self, chance: u8) -> Duration {
        let shortest = if self.requested.is_some() { 1.0 } else { 0.8 };
        self.length().mul_f64(shortest + (1.2 - shortest) * f64::from(chance) / 255.0)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 1, first: Duration::from_secs(1), factor: 2.0, max: MAX_BACKOFF, on_any: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::ErrorCode;

    #[test]
    fn a_time_that_the_remote_system_names_is_never_undercut_and_a_long_one_is_cut_short_with_a_word() {
        let policy = RetryPolicy { attempts: 9, first: Duration::from_secs(2), factor: 1.0, ..RetryPolicy::default() };
        let failed = |retry_after| ExecutionError { retry_after, ..ExecutionError::transient(ErrorCode::Remote, "") };
        let pause = |requested: Option<u64>| policy.pause_after_error(1, &failed(requested.map(Duration::from_secs))).unwrap();
        for (requested, length, min, max) in [(None, 2.0, 1.6, 2.4), (Some(3), 3.0, 3.0, 3.6), (Some(1), 2.0, 2.0, 2.4)] {
            let pause = pause(requested);
            let jittered = |chance| pause.jittered_by(chance).as_secs_f64();
            assert_eq!((pause.length().as_secs_f64(), jittered(0), jittered(255)), (length, min, max), "{requested:?}");
            assert_eq!(pause.cut_short(), None);
        }
        let long = pause(Some(3600));
        assert_eq!((long.length(), long.cut_short()), (MAX_BACKOFF, Some(Duration::from_secs(3600))));
        assert_eq!(policy.pause_after_error(1, &ExecutionError::permanent(ErrorCode::Remote, "")), None);
        assert_eq!(policy.pause_after_error(9, &failed(None)), None);
    }
}
