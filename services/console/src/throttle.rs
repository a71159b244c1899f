//! Slows down guessing of passwords: after some failures, an account and an address must wait.
//!
//! An attempt counts as failed as soon as it begins, so parallel attempts have no advantage. Counters are identified by digests: nothing
//! that a caller sends is stored.

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Time without a failure after which a counter is removed.
const COUNTER_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Maximum counters; about 2 MB.
const MAX_ENTRIES: usize = 20_000;

/// The digest that identifies a counter.
type Key = [u8; 16];

/// A counter of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    key: Key,
    /// Failures without a wait, because users mistype.
    free: u32,
    max_wait: Duration,
    /// True if a success ends all failures. If failures may be those of others too, a success ends only its own.
    is_own: bool,
}

impl Counted {
    /// Failures of one account, or of setting up, from one address.
    pub(crate) fn address_and_account(address: Option<IpAddr>, account: &str) -> Self {
        Self::own(&[b"address and account", &place(address), account.as_bytes()])
    }

    /// Failures of one account from one device that has signed in as it before.
    pub(crate) fn device_and_account(device: &[u8], account: &str) -> Self {
        Self::own(&[b"device and account", device, account.as_bytes()])
    }

    /// Failures of one account from anywhere: many addresses may guess together. Each may continue slowly, since it may be the account's
    /// owner.
    pub(crate) fn account(account: &str) -> Self {
        Self::of_many(&[b"account", account.as_bytes()])
    }

    /// Failures of one address with any account: people behind one address must not be locked out by one of them.
    pub(crate) fn address(address: Option<IpAddr>) -> Self {
        Self::of_many(&[b"address", &place(address)])
    }

    fn own(parts: &[&[u8]]) -> Self {
        Self { key: key(parts), free: 5, max_wait: Duration::from_secs(15 * 60), is_own: true }
    }

    fn of_many(parts: &[&[u8]]) -> Self {
        Self { key: key(parts), free: 100, max_wait: Duration::from_secs(60), is_own: false }
    }
}

/// Returns the part of the address that one customer has: a whole IPv6 network of 64 bits (RFC 6177).
fn place(address: Option<IpAddr>) -> Vec<u8> {
    match address {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).octets().to_vec(),
    }
}

fn key(parts: &[&[u8]]) -> Key {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(&digest.finalize()[..16]);
    key
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Recent failures. Its size is bounded.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<Key, Failures>>);

/// An attempt that has begun; it counts as failed unless it is ended otherwise.
#[must_use]
pub(crate) struct Attempt<'t> {
    throttle: &'t Throttle,
    counted: Vec<Counted>,
}

impl Throttle {
    /// Begins an attempt, which counts at once. `Err` is the time to wait instead; the attempt does not count then.
    pub(crate) fn begin(&self, counted: Vec<Counted>, now: Instant) -> Result<Attempt<'_>, Duration> {
        let mut counters = self.0.lock();
        let waits = counted.iter().filter_map(|one| remaining_wait(*counters.get(&one.key)?, one, now));
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        make_room(&mut counters, counted.len(), now);
        for one in &counted {
            let failures = counters.entry(one.key).or_insert(Failures { count: 0, last: now });
            if now.duration_since(failures.last) >= COUNTER_LIFETIME {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
        Ok(Attempt { throttle: self, counted })
    }
}

impl Attempt<'_> {
    /// Ends the attempt as a success.
    pub(crate) fn succeeded(self) {
        self.uncount(|one| one.is_own);
    }

    /// Ends an attempt that could not be checked; it does not count.
    pub(crate) fn was_not_checked(self) {
        self.uncount(|_| false);
    }

    fn uncount(self, ends_all: impl Fn(&Counted) -> bool) {
        let mut counters = self.throttle.0.lock();
        for one in &self.counted {
            let Some(failures) = counters.get_mut(&one.key) else { continue };
            failures.count = if ends_all(one) { 0 } else { failures.count.saturating_sub(1) };
            if failures.count == 0 {
                counters.remove(&one.key);
            }
        }
    }
}

/// Removes expired counters and, if that is not enough, half of the rest: first those without a wait, then those whose last failure is
/// oldest.
fn make_room(counters: &mut HashMap<Key, Failures>, new: usize, now: Instant) {
    if counters.len() + new <= MAX_ENTRIES {
        return;
    }
    counters.retain(|_, failures| now.duration_since(failures.last) < COUNTER_LIFETIME);
    if counters.len() + new <= MAX_ENTRIES {
        return;
    }
    let mut all: Vec<(bool, Instant, Key)> = counters.iter().map(|(key, failures)| (failures.count > 1, failures.last, *key)).collect();
    all.sort_unstable();
    for (_, _, key) in &all[..all.len() / 2] {
        counters.remove(key);
    }
}

/// Returns the remaining time to wait; `None`: no wait.
fn remaining_wait(failures: Failures, counted: &Counted, now: Instant) -> Option<Duration> {
    let beyond = failures.count.checked_sub(counted.free)?;
    let wait = FIRST_WAIT.saturating_mul(1 << beyond.min(16)).min(counted.max_wait);
    wait.checked_sub(now.duration_since(failures.last)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn all(from: &str, account: &str) -> Vec<Counted> {
        let from = address(from);
        vec![Counted::address_and_account(from, account), Counted::account(account), Counted::address(from)]
    }

    /// Fails until it has to wait; returns the number of failures, and the wait.
    fn fail(throttle: &Throttle, counted: &[Counted], now: Instant) -> (u32, Duration) {
        let mut failures = 0;
        loop {
            match throttle.begin(counted.to_vec(), now) {
                Ok(_) => failures += 1,
                Err(wait) => return (failures, wait),
            }
        }
    }

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait_until_one_goes_well() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        let anna = all("10.0.0.1", "anna");
        assert_eq!(fail(&throttle, &anna, now), (5, Duration::from_secs(2)));
        for seconds in [4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            now += throttle.begin(anna.clone(), now).err().unwrap();
            assert_eq!(fail(&throttle, &anna, now), (1, Duration::from_secs(seconds)));
        }
        now += Duration::from_secs(900);
        throttle.begin(anna.clone(), now).unwrap().succeeded();
        assert_eq!(fail(&throttle, &anna, now), (5, Duration::from_secs(2)));
        assert_eq!(fail(&throttle, &anna, now + COUNTER_LIFETIME), (5, Duration::from_secs(2)));
    }

    #[test]
    fn attempts_at_once_are_no_more_than_one_after_the_other() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let begun = (0..200).filter_map(|_| throttle.begin(all("10.0.0.1", "anna"), now).ok()).collect::<Vec<_>>();
        assert_eq!(begun.len(), 5, "none of them has been checked yet");
        begun.into_iter().for_each(Attempt::was_not_checked);
        assert_eq!(fail(&throttle, &all("10.0.0.1", "anna"), now).0, 5, "what could not be checked does not count");
    }

    #[test]
    fn one_address_locks_nobody_out_elsewhere_and_many_slow_an_account_down_but_never_a_known_device() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        let mut refused = 0;
        for _ in 0..1000 {
            refused += u32::from(throttle.begin(all("10.0.0.1", "anna"), now).is_err());
            now += Duration::from_secs(1);
        }
        assert!(refused > 900, "{refused}");
        throttle.begin(all("10.0.0.2", "anna"), now).unwrap().succeeded();
        // A hundred addresses guess together.
        for number in 0..100 {
            let _ = throttle.begin(all(&format!("10.1.0.{number}"), "anna"), now);
        }
        let wait = throttle.begin(all("10.0.0.3", "anna"), now).err().unwrap();
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
        throttle.begin(vec![Counted::device_and_account(b"laptop", "anna")], now).unwrap().succeeded();
        throttle.begin(all("10.0.0.3", "bert"), now).unwrap().succeeded();
    }

    #[test]
    fn a_success_takes_back_of_what_others_share_only_its_own() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..100 {
            let _ = throttle.begin(all("10.0.0.1", &format!("user{number}")), now);
        }
        let later = now + Duration::from_secs(2);
        throttle.begin(all("10.0.0.1", "mallory"), later).unwrap().succeeded();
        assert_eq!(
            fail(&throttle, &all("10.0.0.1", "anna"), later + Duration::from_secs(2)).0,
            1,
            "the address has failed a hundred times"
        );
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_and_the_table_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(Counted::address(address("2001:db8::1")), Counted::address(address("2001:db8::ffff")));
        assert_ne!(Counted::address(address("2001:db8::1")), Counted::address(address("2001:db8:0:1::1")));
        let anna = [Counted::address_and_account(address("10.0.0.1"), "anna")];
        fail(&throttle, &anna, now);
        for number in 0..50_000_u32 {
            let from = IpAddr::from(number.to_be_bytes());
            let _ = throttle.begin(vec![Counted::address_and_account(Some(from), &"x".repeat(1000))], now);
            assert!(throttle.0.lock().len() <= MAX_ENTRIES);
        }
        assert!(throttle.begin(anna.to_vec(), now).is_err(), "who has to wait is forgotten last");
    }
}
