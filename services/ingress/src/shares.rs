//! Shares: the amount of one resource of this process that running calls hold, by holder.
//!
//! No holder may take all of it. Each may hold at most a multiple of the free amount, so every bound shrinks as the resource is used, and
//! some of it always stays free for holders of nothing: "dynamic thresholds" of A. K. Choudhury and E. L. Hahne, IEEE/ACM Transactions on
//! Networking 6(2), 1998. A holder alone gets `n/(n+1)` of the resource for a multiple of `n`.

use forebay_contract::Name;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Maximum bounds of one call.
const MAX_BOUNDS: usize = 4;

/// A holder whose calls are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// All calls of a tenant.
    Tenant(Name),
    /// All calls of an integration.
    Integration(Uuid),
    /// Calls whose callers are not authenticated yet.
    Unauthenticated,
    /// Calls of an integration whose callers are not authenticated yet.
    UnauthenticatedOf(Uuid),
}

/// A bound: the holder has at most `numerator / denominator` times the free amount.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) holder: Holder,
    pub(crate) numerator: usize,
    pub(crate) denominator: usize,
}

/// The reason for which a share does not grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The resource is used up.
    UsedUp,
    /// The holder would exceed its bound.
    Bound(Holder),
}

/// One resource. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shares(Arc<Mutex<State>>);

/// The amount that one call holds; dropping it returns it.
pub(crate) struct Share {
    shares: Shares,
    /// The bounds, the first entries filled; an array, since a call must not cost an allocation.
    bounds: [Option<Bound>; MAX_BOUNDS],
    amount: usize,
}

struct State {
    total: usize,
    free: usize,
    held: HashMap<Holder, usize>,
}

impl Shares {
    pub(crate) fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(State { total, free: total, held: HashMap::new() })))
    }

    /// Returns an empty share.
    pub(crate) fn share(&self, bounds: [Option<Bound>; MAX_BOUNDS]) -> Share {
        Share { shares: self.clone(), bounds, amount: 0 }
    }

    /// Returns the amount that all calls hold.
    pub(crate) fn held(&self) -> usize {
        let state = self.state();
        state.total - state.free
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.lock()
    }
}

impl Share {
    /// Takes an amount more.
    pub(crate) fn grow(&mut self, amount: usize) -> Result<(), Refused> {
        let mut state = self.shares.state();
        let Some(free) = state.free.checked_sub(amount) else { return Err(Refused::UsedUp) };
        for bound in self.bounds.iter().flatten() {
            let held = state.held.get(&bound.holder).copied().unwrap_or_default();
            // A holder of nothing may take the free amount regardless of its bound.
            if held > 0 && (held + amount).saturating_mul(bound.denominator) > free.saturating_mul(bound.numerator) {
                return Err(Refused::Bound(bound.holder.clone()));
            }
        }
        state.free = free;
        for bound in self.bounds.iter().flatten() {
            *state.held.entry(bound.holder.clone()).or_default() += amount;
        }
        self.amount += amount;
        Ok(())
    }

    /// Returns a part of the amount.
    pub(crate) fn shrink(&mut self, amount: usize) {
        let amount = amount.min(self.amount);
        let mut state = self.shares.state();
        state.free += amount;
        for bound in self.bounds.iter().flatten() {
            state.release(&bound.holder, amount);
        }
        self.amount -= amount;
    }

    /// Marks the caller as authenticated: its call no longer counts for the callers that are not.
    pub(crate) fn authenticated(&mut self) {
        for slot in &mut self.bounds {
            if let Some(bound) = slot.take_if(|bound| matches!(bound.holder, Holder::Unauthenticated | Holder::UnauthenticatedOf(_))) {
                self.shares.state().release(&bound.holder, self.amount);
            }
        }
    }
}

impl State {
    fn release(&mut self, holder: &Holder, amount: usize) {
        if let Some(held) = self.held.get_mut(holder) {
            *held -= amount;
            if *held == 0 {
                self.held.remove(holder);
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.shrink(self.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(name: &str, numerator: usize) -> Option<Bound> {
        Some(Bound { holder: Holder::Tenant(name.parse().unwrap()), numerator, denominator: 1 })
    }

    fn of(shares: &Shares, name: &str, numerator: usize) -> Share {
        shares.share([tenant(name, numerator), None, None, None])
    }

    #[test]
    fn a_released_share_is_free_again() {
        let shares = Shares::new(1);
        let mut first = of(&shares, "a", 4);
        assert_eq!(first.grow(1), Ok(()));
        assert_eq!(of(&shares, "b", 4).grow(1), Err(Refused::UsedUp));
        assert_eq!(shares.held(), 1);
        drop(first);
        assert_eq!(shares.held(), 0);
        assert_eq!(of(&shares, "b", 4).grow(1), Ok(()));
    }

    #[test]
    fn one_holder_leaves_a_part_to_the_others() {
        let shares = Shares::new(100);
        let fill = |name: &str| {
            let mut share = of(&shares, name, 4);
            while share.grow(1).is_ok() {}
            share
        };
        let a = fill("a");
        assert_eq!(a.amount, 80);
        let b = fill("b");
        assert_eq!(b.amount, 16);
        let mut refused = of(&shares, "a", 4);
        assert_eq!(refused.grow(1), Err(Refused::Bound(Holder::Tenant("a".parse().unwrap()))));
        assert_eq!(of(&shares, "c", 4).grow(1), Ok(()), "who holds nothing gets something");
    }

    #[test]
    fn callers_who_are_not_authenticated_yet_share_a_part_and_leave_it_when_they_are() {
        let shares = Shares::new(1000);
        let integration = Uuid::from_u128(1);
        let share = || {
            let unauthenticated_bound = Bound { holder: Holder::Unauthenticated, numerator: 1, denominator: 4 };
            let integration_bound = Bound { holder: Holder::Integration(integration), numerator: 1, denominator: 1 };
            shares.share([Some(integration_bound), Some(unauthenticated_bound), None, None])
        };
        let mut first = share();
        while first.grow(10).is_ok() {}
        assert_eq!(first.amount, 200);
        assert_eq!(share().grow(10), Err(Refused::Bound(Holder::Unauthenticated)));
        first.authenticated();
        let mut second = share();
        assert_eq!(second.grow(10), Ok(()));
        assert_eq!(shares.state().held[&Holder::Unauthenticated], 10);
        assert_eq!(shares.state().held[&Holder::Integration(integration)], 210);
        drop((first, second));
        assert!(shares.state().held.is_empty());
        assert_eq!(shares.held(), 0);
    }

    proptest! {
        /// In any order of taking and returning, the sums are right, and a holder that took more than its first amount was within its
        /// bound.
        #[test]
        fn shares_are_counted_exactly(
            total in 1usize..2000,
            steps in proptest::collection::vec((0usize..4, 0usize..6, 1usize..400), 1..120),
        ) {
            let shares = Shares::new(total);
            let mut all: Vec<Share> = Vec::new();
            for (who, action, amount) in steps {
                let name = ["a", "b", "c", "d"][who];
                match action {
                    0 if !all.is_empty() => drop(all.swap_remove(amount % all.len())),
                    1 if !all.is_empty() => {
                        let at = amount % all.len();
                        all[at].shrink(amount);
                    }
                    2 if !all.is_empty() => {
                        let at = amount % all.len();
                        let _ = all[at].grow(amount);
                    }
                    _ => {
                        let mut share = of(&shares, name, 2);
                        let holder = Holder::Tenant(name.parse().unwrap());
                        let before = shares.state().held.get(&holder).copied().unwrap_or_default();
                        if share.grow(amount).is_ok() && before > 0 {
                            let state = shares.state();
                            prop_assert!(state.held[&holder] <= 2 * state.free);
                        }
                        all.push(share);
                    }
                }
                let sum: usize = all.iter().map(|share| share.amount).sum();
                prop_assert_eq!(shares.held(), sum);
                prop_assert_eq!(shares.state().held.values().sum::<usize>(), sum);
            }
            drop(all);
            prop_assert!(shares.state().held.is_empty());
            prop_assert_eq!(shares.held(), 0);
        }
    }
}
