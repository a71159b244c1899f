//! The bound on how many calls an endpoint, or an API key or address at it, is let in with: `rate` of its definition.
//!
//! The generic cell rate algorithm (ITU-T I.371, appendix): one time is kept for each, at which all calls so far would have
//! arrived had they come evenly. Nothing runs by the clock, and an endpoint without a rate costs nothing.

use crate::authenticate::Access;
use crate::problem::Problem;
use forebay_contract::definition::{Rate, RateScope};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Fewer are never looked through for what can be forgotten.
const FEW: usize = 1024;

/// More callers than this are forgotten all at once: who has so many addresses is not bounded by a rate for each of them.
const MAX_CALLERS: usize = 200_000;

/// Whose calls of an integration are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    All,
    Key(Option<Uuid>),
    Client(Option<IpAddr>),
}

impl Counted {
    /// `None`: the connection has no address, as a Unix socket; all such calls are counted together.
    fn of_client(address: Option<IpAddr>) -> Self {
        let network = |address| match address {
            // One host usually has all addresses of such a network (RFC 4291, section 2.5.4).
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
            IpAddr::V4(_) => address,
        };
        Self::Client(address.map(network))
    }
}

type Caller = (Uuid, Counted);

/// What was let in of late.
#[derive(Default)]
pub(crate) struct Rates(Mutex<Evens>);

#[derive(Default)]
struct Evens {
    /// When all calls so far would have arrived, had they come evenly.
    by_caller: HashMap<Caller, Instant>,
    /// How many were left when they were last looked through.
    kept: usize,
}

impl Rates {
    /// Lets the call in and counts it, or says how long the caller has to wait. `address`: of the client, asked for only where it counts.
    pub(crate) fn admit(&self, access: &Access, address: impl FnOnce() -> Option<IpAddr>, rate: Rate) -> Result<(), Problem> {
        let counted = match rate.scope {
            RateScope::Endpoint => Counted::All,
            RateScope::Key => Counted::Key(access.credential.key()),
            RateScope::Address => Counted::of_client(address()),
        };
        let mut evens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        evens.admit((access.integration.id, counted), rate, Instant::now()).map_err(|wait| Problem::over_rate(rate, wait))
    }
}

impl Evens {
    fn admit(&mut self, caller: Caller, rate: Rate, now: Instant) -> Result<(), Duration> {
        let each = rate.per / rate.calls;
        // Under a rate that was slower before, they may have come later than any of this one's can.
        let even = self.by_caller.get(&caller).map_or(now, |even| (*even).clamp(now, now + rate.per));
        let next = even + each;
        let latest = now + rate.per;
        if next > latest {
            return Err(next - latest);
        }
        if self.by_caller.insert(caller, next).is_none() && self.by_caller.len() > 2 * self.kept.max(FEW) {
            self.by_caller.retain(|_, even| *even > now);
            if self.by_caller.len() > MAX_CALLERS {
                tracing::warn!(callers = self.by_caller.len(), "too many callers are counted for rates; their counts begin again");
                self.by_caller.clear();
            }
            self.kept = self.by_caller.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(calls: u32, per: Duration) -> Rate {
        let text = format!("tenant: t\nname: n\ntrigger: {{ webhook: {{ rate: {{ calls: {calls}, per: {}ms }} }} }}", per.as_millis());
        let definition = forebay_contract::definition::documents(&text).unwrap().remove(0);
        let definition = forebay_contract::definition::Definition::from_value(&definition).unwrap();
        definition.trigger.webhook().unwrap().rate.unwrap()
    }

    const CALLER: Caller = (Uuid::nil(), Counted::All);

    proptest! {
        #[test]
        fn what_waits_as_long_as_it_is_told_is_let_in_and_not_before(
            calls in 1_u32..50, per in 1_000_u64..100_000, pauses in prop::collection::vec(0_u64..3_000, 1..200),
        ) {
            let (rate, begun) = (rate(calls, Duration::from_millis(per)), Instant::now());
            let (mut evens, mut now, mut admitted) = (Evens::default(), begun, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if let Err(wait) = evens.admit(CALLER, rate, now) {
                    prop_assert!(wait > Duration::ZERO && wait <= rate.per / rate.calls);
                    prop_assert!(evens.admit(CALLER, rate, now + wait - Duration::from_nanos(1)).is_err());
                    now += wait;
                    prop_assert!(evens.admit(CALLER, rate, now).is_ok());
                }
                admitted.push(now);
            }
            // In any stretch: what may be saved up, and what comes in during it.
            for (index, first) in admitted.iter().enumerate() {
                let in_stretch = admitted[index..].iter().take_while(|at| **at < *first + rate.per).count();
                prop_assert!(in_stretch as u32 <= 2 * calls, "{in_stretch} within {:?} where {calls} are", rate.per);
            }
            // In the whole time: no more than one each `per / calls`, which is cut to nanoseconds, with the first stretch before it.
            let most = (now - begun + rate.per).as_nanos() / (rate.per / calls).as_nanos();
            prop_assert!(admitted.len() as u128 <= most, "{} where {most} are", admitted.len());
        }
    }

    #[test]
    fn as_many_as_the_rate_says_come_at_once_and_each_caller_has_its_own() {
        let (rate, now, mut evens) = (rate(3, Duration::from_secs(60)), Instant::now(), Evens::default());
        let other = (Uuid::nil(), Counted::Key(Some(Uuid::nil())));
        for _ in 0..3 {
            evens.admit(CALLER, rate, now).unwrap();
            evens.admit(other, rate, now).unwrap();
        }
        assert_eq!(evens.admit(CALLER, rate, now), Err(Duration::from_secs(20)));
        assert_eq!(evens.admit(CALLER, rate, now + Duration::from_secs(15)), Err(Duration::from_secs(5)));
        evens.admit(CALLER, rate, now + Duration::from_secs(20)).unwrap();
        // After as long as a stretch without calls all of it is to be had again.
        let later = now + Duration::from_secs(3600);
        assert!((0..3).all(|_| evens.admit(CALLER, rate, later).is_ok()));
        assert!(evens.admit(CALLER, rate, later).is_err());
    }

    #[test]
    fn a_rate_that_is_made_faster_counts_at_once() {
        let (now, mut evens) = (Instant::now(), Evens::default());
        evens.admit(CALLER, rate(1, Duration::from_secs(86_400)), now).unwrap();
        assert_eq!(evens.admit(CALLER, rate(100, Duration::from_secs(60)), now), Err(Duration::from_millis(600)));
    }

    #[test]
    fn who_has_not_called_for_long_is_forgotten() {
        let (rate, mut now, mut evens) = (rate(1, Duration::from_secs(1)), Instant::now(), Evens::default());
        for number in 0..100_000_u128 {
            evens.admit((Uuid::from_u128(number), Counted::All), rate, now).unwrap();
            now += Duration::from_millis(1);
        }
        assert!(evens.by_caller.len() <= 2 * 1024 + 1, "{}", evens.by_caller.len());
    }

    #[test]
    fn clients_are_told_apart_by_what_one_host_may_have() {
        let of = |address: &str| Counted::of_client(Some(address.parse().unwrap()));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("192.0.2.1"), Counted::of_client(None));
    }

    #[test]
    fn callers_without_number_are_forgotten_at_once() {
        let (rate, now, mut evens) = (rate(1, Duration::from_secs(86_400)), Instant::now(), Evens::default());
        for number in 0..3 * MAX_CALLERS as u32 {
            evens.admit((Uuid::nil(), Counted::of_client(Some(IpAddr::from(number.to_be_bytes())))), rate, now).unwrap();
        }
        assert!(evens.by_caller.len() <= 2 * MAX_CALLERS + 1, "{}", evens.by_caller.len());
    }
}
