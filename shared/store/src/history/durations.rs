//! The durations of executions, as a histogram of fixed buckets from which quantiles are read.

use std::time::Duration;

/// The number of buckets. The first counts durations below 0.5 ms, each further one those below twice the bound before it, the last one the
/// rest.
pub const DURATION_BUCKETS: usize = 24;
const FIRST_BOUND_MICROS: u64 = 500;

/// Counts of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations(pub [u64; DURATION_BUCKETS]);

impl Durations {
    /// Counts one duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let doublings = (micros / FIRST_BOUND_MICROS).checked_ilog2().map_or(0, |log| log as usize + 1);
        let bucket = &mut self.0[doublings.min(DURATION_BUCKETS - 1)];
        *bucket = bucket.saturating_add(1);
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Self) {
        for (count, other) in self.0.iter_mut().zip(others.0) {
            *count = count.saturating_add(other);
        }
    }

    /// Returns their number.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns the duration that the share `quantile` (such as 0.95) of all does not exceed, estimated from the bounds of its bucket: for
    /// most between 0.7 and 1.4 times the true one. `None`: nothing is counted.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = (quantile.clamp(0.0, 1.0) * total as f64).max(1.0);
        let mut below = 0.0;
        for (bucket, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= rank {
                let share = (rank - below) / count;
                return Some(Duration::from_micros(within(bucket, share) as u64));
            }
            below += count;
        }
        None
    }
}

/// Returns the microseconds at a share of a bucket's width: of the first one evenly, of the others by equal factors.
fn within(bucket: usize, share: f64) -> f64 {
    let first = FIRST_BOUND_MICROS as f64;
    match i32::try_from(bucket).unwrap_or(i32::MAX) {
        0 => first * share,
        bucket => first * 2_f64.powi(bucket - 1) * 2_f64.powf(share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_has_its_bucket() {
        let bucket_of = |micros: u64| {
            let mut durations = Durations::default();
            durations.add(Duration::from_micros(micros));
            durations.0.iter().position(|count| *count == 1).unwrap()
        };
        let cases = [(0, 0), (499, 0), (500, 1), (999, 1), (1000, 2), (1999, 2), (2000, 3), (u64::MAX, DURATION_BUCKETS - 1)];
        for (micros, bucket) in cases {
            assert_eq!(bucket_of(micros), bucket, "{micros}");
        }
    }

    #[test]
    fn quantiles_are_near_the_true_ones() {
        let mut durations = Durations::default();
        assert_eq!(durations.quantile(0.5), None);
        for millis in 1..=1000 {
            durations.add(Duration::from_millis(millis));
        }
        for (quantile, millis) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let estimate = durations.quantile(quantile).unwrap().as_secs_f64() * 1000.0;
            assert!((0.7..1.42).contains(&(estimate / millis)), "{quantile}: {estimate}");
        }
        let mut twice = durations;
        twice.merge(&durations);
        assert_eq!((twice.count(), twice.quantile(0.5)), (2000, durations.quantile(0.5)));
    }
}
