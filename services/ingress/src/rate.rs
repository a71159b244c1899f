//! The rate limit of an endpoint, or of an API key or an address at it: `rate` of its definition.
//!
//! The generic cell rate algorithm (GCRA; ITU-T I.371, appendix) stores one time per counter: the theoretical arrival time of the next
//! call, if all calls so far had arrived evenly. No timer runs, and an endpoint without a rate costs nothing.

use crate::authentication::Access;
use crate::problem::Problem;
use forebay_contract::definition::{Rate, RateScope};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Number of callers below which old ones are not searched for.
const FEW: usize = 1024;

/// Maximum callers; when more are known, all are dropped. An attacker with so many addresses is not limited by a rate for each of them.
const MAX_CALLERS: usize = 200_000;

/// The calls of an integration that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    All,
    Key(Option<Uuid>),
    Client(Option<IpAddr>),
}

impl Counted {
    /// Returns the counter of a client. `None`: the connection has no address, such as a Unix socket; all such calls are counted together.
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

/// The rate limits of all callers.
#[derive(Default)]
pub(crate) struct Rates(Mutex<ArrivalTimes>);

#[derive(Default)]
struct ArrivalTimes {
    /// The theoretical arrival time of each caller's next call.
    by_caller: HashMap<Caller, Instant>,
    /// Number of callers after the last removal of old ones.
    remaining: usize,
}

impl Rates {
    /// Admits the call and counts it, or refuses it with the time to wait. `address` returns the client's address; it is called only if the
    /// scope needs it.
    ///
    /// # Errors
    /// [`Problem::over_rate`].
    pub(crate) fn admit(&self, access: &Access, address: impl FnOnce() -> Option<IpAddr>, rate: Rate) -> Result<(), Problem> {
        let counted = match rate.scope {
            RateScope::Endpoint => Counted::All,
            RateScope::Key => Counted::Key(access.credential.key()),
            RateScope::Address => Counted::of_client(address()),
        };
        let mut times = self.0.lock();
        times.admit((access.integration.id, counted), rate, Instant::now()).map_err(|wait| Problem::over_rate(rate, wait))
    }
}

impl ArrivalTimes {
    fn admit(&mut self, caller: Caller, rate: Rate, now: Instant) -> Result<(), Duration> {
        let each = rate.per / rate.calls;
        // An earlier version of the rate may have been slower: its time may be later than any time of this one.
        let arrival = self.by_caller.get(&caller).map_or(now, |arrival| (*arrival).clamp(now, now + rate.per));
        let next = arrival + each;
        let latest = now + rate.per;
        if next > latest {
            return Err(next - latest);
        }
        if self.by_caller.insert(caller, next).is_none() && self.by_caller.len() > 2 * self.remaining.max(FEW) {
            self.by_caller.retain(|_, arrival| *arrival > now);
            if self.by_caller.len() > MAX_CALLERS {
                tracing::warn!(callers = self.by_caller.len(), "too many callers are counted for rates; all counts begin again");
                self.by_caller.clear();
            }
            self.remaining = self.by_caller.len();
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
        fn a_call_is_admitted_after_the_time_to_wait_and_not_before(
            calls in 1_u32..50, per in 1_000_u64..100_000, pauses in prop::collection::vec(0_u64..3_000, 1..200),
        ) {
            let (rate, begun) = (rate(calls, Duration::from_millis(per)), Instant::now());
            let (mut times, mut now, mut admitted) = (ArrivalTimes::default(), begun, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if let Err(wait) = times.admit(CALLER, rate, now) {
                    prop_assert!(wait > Duration::ZERO && wait <= rate.per / rate.calls);
                    prop_assert!(times.admit(CALLER, rate, now + wait - Duration::from_nanos(1)).is_err());
                    now += wait;
                    prop_assert!(times.admit(CALLER, rate, now).is_ok());
                }
                admitted.push(now);
            }
            // In any period: the calls that were saved up before it, and those that the rate adds during it.
            for (index, first) in admitted.iter().enumerate() {
                let in_period = admitted[index..].iter().take_while(|at| **at < *first + rate.per).count();
                prop_assert!(in_period as u32 <= 2 * calls, "{in_period} within {:?} where {calls} are", rate.per);
            }
            // In the whole time: one call per `per / calls`, cut to nanoseconds, and the calls of the first period.
            let max = (now - begun + rate.per).as_nanos() / (rate.per / calls).as_nanos();
            prop_assert!(admitted.len() as u128 <= max, "{} where {max} are", admitted.len());
        }
    }

    #[test]
    fn the_calls_of_a_period_are_admitted_together_and_each_caller_has_its_own_limit() {
        let (rate, now, mut times) = (rate(3, Duration::from_secs(60)), Instant::now(), ArrivalTimes::default());
        let other = (Uuid::nil(), Counted::Key(Some(Uuid::nil())));
        for _ in 0..3 {
            times.admit(CALLER, rate, now).unwrap();
            times.admit(other, rate, now).unwrap();
        }
        assert_eq!(times.admit(CALLER, rate, now), Err(Duration::from_secs(20)));
        assert_eq!(times.admit(CALLER, rate, now + Duration::from_secs(15)), Err(Duration::from_secs(5)));
        times.admit(CALLER, rate, now + Duration::from_secs(20)).unwrap();
        // After a period without calls, all calls of a period are admitted again.
        let later = now + Duration::from_secs(3600);
        assert!((0..3).all(|_| times.admit(CALLER, rate, later).is_ok()));
        assert!(times.admit(CALLER, rate, later).is_err());
    }

    #[test]
    fn a_rate_that_is_made_faster_counts_at_once() {
        let (now, mut times) = (Instant::now(), ArrivalTimes::default());
        times.admit(CALLER, rate(1, Duration::from_secs(86_400)), now).unwrap();
        assert_eq!(times.admit(CALLER, rate(100, Duration::from_secs(60)), now), Err(Duration::from_millis(600)));
    }

    #[test]
    fn callers_without_a_recent_call_are_forgotten() {
        let (rate, mut now, mut times) = (rate(1, Duration::from_secs(1)), Instant::now(), ArrivalTimes::default());
        for number in 0..100_000_u128 {
            times.admit((Uuid::from_u128(number), Counted::All), rate, now).unwrap();
            now += Duration::from_millis(1);
        }
        assert!(times.by_caller.len() <= 2 * 1024 + 1, "{}", times.by_caller.len());
    }

    #[test]
    fn an_ipv4_address_and_an_ipv6_network_of_64_bits_are_one_client() {
        let of = |address: &str| Counted::of_client(Some(address.parse().unwrap()));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("192.0.2.1"), Counted::of_client(None));
    }

    #[test]
    fn too_many_callers_are_forgotten_together() {
        let (rate, now, mut times) = (rate(1, Duration::from_secs(86_400)), Instant::now(), ArrivalTimes::default());
        for number in 0..3 * MAX_CALLERS as u32 {
            times.admit((Uuid::nil(), Counted::of_client(Some(IpAddr::from(number.to_be_bytes())))), rate, now).unwrap();
        }
        assert!(times.by_caller.len() <= 2 * MAX_CALLERS + 1, "{}", times.by_caller.len());
    }
}
