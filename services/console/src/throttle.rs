//! Guessing passwords is slow: after some failures a name, and an address, has to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost nothing where a name is tried from one address: people mistype.
pub(crate) const FREE_OF_BOTH: u32 = 5;
/// Failures of one name from anywhere, and of one address whatever the name: others must not be locked out by who guesses, nor all people
/// behind one proxy by one of them.
pub(crate) const FREE_OF_ONE: u32 = 100;
/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// After this time without a failure everything is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30 * 60);
/// Most names and addresses that are remembered.
const MOST: usize = 20_000;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// What failed lately, by name and by address.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<String, Failures>>);

impl Throttle {
    /// How long the next try has to wait, with how many failures of each key cost nothing; `None`: not at all.
    pub(crate) fn wait(&self, keys: &[(&str, u32)], now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = keys.iter().filter_map(|(key, free)| left(*known.get(*key)?, *free, now));
        waits.max()
    }

    /// A try failed.
    pub(crate) fn failed(&self, keys: &[(&str, u32)], now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, failures| now.duration_since(failures.last) < FORGOTTEN);
        }
        if known.len() >= MOST {
            // Somebody sends names without end: those who are remembered are forgotten rather than all memory taken.
            known.clear();
        }
        for (key, _) in keys {
            let failures = known.entry((*key).to_owned()).or_insert(Failures { count: 0, last: now });
            if now.duration_since(failures.last) >= FORGOTTEN {
                failures.count = 0;
            }
            failures.count += 1;
            failures.last = now;
        }
    }

    /// A try went well.
    pub(crate) fn succeeded(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

fn left(failures: Failures, free: u32, now: Instant) -> Option<Duration> {
    let beyond = failures.count.checked_sub(free)?;
    let wait = FIRST_WAIT.saturating_mul(1 << beyond.min(16)).min(LONGEST_WAIT);
    wait.checked_sub(now.duration_since(failures.last)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait_until_one_goes_well() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (anna, address) = (("anna", 5), ("10.0.0.1", 100));
        for _ in 0..4 {
            throttle.failed(&[anna], now);
        }
        assert_eq!(throttle.wait(&[anna], now), None);
        throttle.failed(&[anna, address], now);
        assert_eq!(throttle.wait(&[anna], now), Some(Duration::from_secs(2)));
        assert_eq!(throttle.wait(&[address], now), None, "the address has failed once");
        throttle.failed(&[anna], now);
        assert_eq!(throttle.wait(&[anna], now), Some(Duration::from_secs(4)));
        assert_eq!(throttle.wait(&[anna], now + Duration::from_secs(4)), None);
        for _ in 0..40 {
            throttle.failed(&[anna], now);
        }
        assert_eq!(throttle.wait(&[anna, ("bert", 5)], now), Some(LONGEST_WAIT));
        throttle.succeeded("anna");
        assert_eq!(throttle.wait(&[anna], now), None);
    }
}
