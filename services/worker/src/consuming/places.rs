//! Places: the bound on the executions of shared queues that run at the same time, shared out between tenants.
//!
//! No tenant, integration or connection may take all places. Each may hold at most a multiple of the places that are free, so every bound
//! shrinks as places are taken, and some places always stay free for tenants that hold none: "dynamic thresholds" of A. K. Choudhury and E.
//! L. Hahne, IEEE/ACM Transactions on Networking 6(2), 1998. A tenant alone gets `n/(n+1)` of the places for a multiple of `n`.
//!
//! Waiting executions are served in turn: the tenants, within a tenant its integrations, within an integration first in, first out.

use forebay_contract::Name;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Maximum places of a tenant, as a multiple of the free places.
const TENANT_SHARE: usize = 4;
/// Maximum places of an integration, and of the executions that use one connection, as a multiple of the free places.
const PART_SHARE: usize = 2;

/// An execution that requests a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimant {
    /// The tenant.
    pub(crate) tenant: Name,
    /// The integration.
    pub(crate) integration: Uuid,
    /// The connections that its workflow uses.
    pub(crate) connections: Arc<[Name]>,
}

/// The places of a worker for one kind of shared queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Mutex<State>>);

/// One place; it is free again when this is dropped.
pub(crate) struct Place {
    /// Absent: it was granted to a request that had been given up.
    held: Option<(Places, Claimant)>,
}

struct State {
    free: usize,
    held: HashMap<Holder, usize>,
    tenants: HashMap<Name, Waiting>,
    /// Tenants with waiting executions, the next one first.
    turn: VecDeque<Name>,
}

/// A holder whose places are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Tenant(Name),
    Integration(Uuid),
    Connection(Name, Name),
}

/// The waiting executions of one tenant.
#[derive(Default)]
struct Waiting {
    integrations: HashMap<Uuid, VecDeque<Request>>,
    /// Integrations with waiting executions, the next one first.
    turn: VecDeque<Uuid>,
}

struct Request {
    claimant: Claimant,
    place: oneshot::Sender<Place>,
}

impl Places {
    /// Creates so many places; `count` is at least 1.
    pub(crate) fn new(count: usize) -> Self {
        let state = State { free: count.max(1), held: HashMap::new(), tenants: HashMap::new(), turn: VecDeque::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a place. Dropping the future withdraws the request.
    pub(crate) async fn take(&self, claimant: Claimant) -> Place {
        let (place, granted) = oneshot::channel();
        let tenant = claimant.tenant.clone();
        self.state().enqueue(Request { claimant, place });
        self.serve_first_of(&tenant);
        match granted.await {
            Ok(place) => place,
            // The sender is dropped only together with these places.
            Err(_) => std::future::pending().await,
        }
    }

    /// Grants requests of one tenant as far as its bounds allow. No place has become free, so the other tenants need not be checked.
    fn serve_first_of(&self, tenant: &Name) {
        let mut state = self.state();
        while let Some(request) = state.next_of(tenant) {
            state.grant(self, request);
        }
        state.forget_if_empty(tenant);
    }

    fn give_back(&self, claimant: &Claimant) {
        let mut state = self.state();
        state.release(claimant);
        state.serve(self);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((places, claimant)) = self.held.take() {
            places.give_back(&claimant);
        }
    }
}

impl Claimant {
    fn holders(&self) -> impl Iterator<Item = (Holder, usize)> + '_ {
        let own = [(Holder::Tenant(self.tenant.clone()), TENANT_SHARE), (Holder::Integration(self.integration), PART_SHARE)];
        let connections = self.connections.iter().map(|name| (Holder::Connection(self.tenant.clone(), name.clone()), PART_SHARE));
        own.into_iter().chain(connections)
    }
}

impl State {
    fn enqueue(&mut self, request: Request) {
        let tenant = request.claimant.tenant.clone();
        let integration = request.claimant.integration;
        let waiting = self.tenants.entry(tenant.clone()).or_insert_with(|| {
            self.turn.push_back(tenant);
            Waiting::default()
        });
        let line = waiting.integrations.entry(integration).or_default();
        if line.is_empty() {
            waiting.turn.push_back(integration);
        }
        line.push_back(request);
    }

    fn is_eligible(&self, claimant: &Claimant) -> bool {
        let below = |(holder, share): (Holder, usize)| {
            let held = self.held.get(&holder).copied().unwrap_or_default();
            held == 0 || held < share * self.free
        };
        self.free > 0 && claimant.holders().all(below)
    }

    /// Takes the next request of a tenant that its bounds allow.
    fn next_of(&mut self, tenant: &Name) -> Option<Request> {
        let waiting = self.tenants.get(tenant)?;
        let is_eligible = |integration: &Uuid| {
            let first = waiting.integrations.get(integration).and_then(VecDeque::front);
            first.is_some_and(|request| self.is_eligible(&request.claimant))
        };
        let at = waiting.turn.iter().position(is_eligible)?;
        let waiting = self.tenants.get_mut(tenant)?;
        let integration = waiting.turn.remove(at)?;
        let line = waiting.integrations.get_mut(&integration)?;
        let request = line.pop_front();
        if line.is_empty() {
            waiting.integrations.remove(&integration);
        } else {
            waiting.turn.push_back(integration);
        }
        request
    }

    /// Grants requests as far as bounds allow, tenant by tenant.
    fn serve(&mut self, places: &Places) {
        let mut passed = 0;
        while self.free > 0 && passed < self.turn.len() {
            let Some(tenant) = self.turn.pop_front() else { return };
            match self.next_of(&tenant) {
                Some(request) => {
                    self.grant(places, request);
                    passed = 0;
                }
                None => passed += 1,
            }
            if self.tenants.get(&tenant).is_some_and(|waiting| !waiting.turn.is_empty()) {
                self.turn.push_back(tenant);
            } else {
                self.tenants.remove(&tenant);
            }
        }
    }

    fn forget_if_empty(&mut self, tenant: &Name) {
        if self.tenants.get(tenant).is_some_and(|waiting| waiting.turn.is_empty()) {
            self.tenants.remove(tenant);
            self.turn.retain(|waiting| waiting != tenant);
        }
    }

    fn grant(&mut self, places: &Places, request: Request) {
        let Request { claimant, place } = request;
        self.free -= 1;
        for (holder, _) in claimant.holders() {
            *self.held.entry(holder).or_default() += 1;
        }
        let granted = Place { held: Some((places.clone(), claimant)) };
        if let Err(mut unwanted) = place.send(granted)
            // The claimant is taken out: dropping the place would lock the state, which is locked here.
            && let Some((_, claimant)) = unwanted.held.take()
        {
            self.release(&claimant);
        }
    }

    fn release(&mut self, claimant: &Claimant) {
        self.free += 1;
        for (holder, _) in claimant.holders() {
            if let Some(held) = self.held.get_mut(&holder) {
                *held -= 1;
                if *held == 0 {
                    self.held.remove(&holder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use std::pin::Pin;

    type Asking = Pin<Box<dyn Future<Output = Place>>>;

    fn claimant(tenant: &str, integration: u128, connections: &[&str]) -> Claimant {
        let connections = connections.iter().map(|name| name.parse().unwrap()).collect();
        Claimant { tenant: tenant.parse().unwrap(), integration: Uuid::from_u128(integration), connections }
    }

    fn ask(places: &Places, claimant: Claimant) -> Asking {
        let places = places.clone();
        Box::pin(async move { places.take(claimant).await })
    }

    /// Makes so many requests, and returns the places that were granted and the requests that wait.
    fn granted(places: &Places, count: usize, claimant: &Claimant) -> (Vec<Place>, Vec<Asking>) {
        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let mut asking = ask(places, claimant.clone());
            match asking.as_mut().now_or_never() {
                Some(place) => held.push(place),
                None => waiting.push(asking),
            }
        }
        (held, waiting)
    }

    #[test]
    fn one_tenant_leaves_places_to_others_and_one_integration_leaves_some_to_its_tenant() {
        let places = Places::new(60);
        let (integration, _waits) = granted(&places, 100, &claimant("a", 1, &[]));
        assert_eq!(integration.len(), 40);
        let (rest, _waits) = granted(&places, 100, &claimant("a", 2, &[]));
        assert_eq!(integration.len() + rest.len(), 48);
        let (other, _waits) = granted(&places, 100, &claimant("b", 3, &[]));
        assert_eq!(other.len(), 8);
    }

    #[test]
    fn executions_over_one_connection_count_together() {
        let places = Places::new(60);
        let (first, _waits) = granted(&places, 100, &claimant("a", 1, &["erp"]));
        let (second, _waits) = granted(&places, 100, &claimant("a", 2, &["erp", "mail"]));
        assert_eq!((first.len(), second.len()), (40, 0));
        let (third, _waits) = granted(&places, 100, &claimant("a", 3, &["mail"]));
        assert!(third.len() > 5, "{}", third.len());
        let (same_name, _waits) = granted(&places, 1, &claimant("b", 4, &["erp"]));
        assert_eq!(same_name.len(), 1, "the connection of another tenant");
    }

    #[test]
    fn tenants_and_integrations_that_wait_take_turns_and_each_keeps_its_order() {
        let places = Places::new(1);
        let (held, _) = granted(&places, 1, &claimant("a", 1, &[]));
        let labels = [("a", 1, "a1"), ("a", 1, "a2"), ("a", 2, "A1"), ("b", 3, "b1"), ("b", 3, "b2")];
        let mut waiting: Vec<_> =
            labels.map(|(tenant, integration, label)| (label, ask(&places, claimant(tenant, integration, &[])))).into();
        for (label, asking) in &mut waiting {
            assert!(asking.as_mut().now_or_never().is_none(), "{label}");
        }
        drop(held);
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let next = waiting.iter_mut().enumerate().find_map(|(at, (_, asking))| Some((at, asking.as_mut().now_or_never()?)));
            let (at, place) = next.expect("somebody has the place");
            order.push(waiting.remove(at).0);
            drop(place);
        }
        assert_eq!(order, ["a1", "b1", "A1", "b2", "a2"]);
        let state = places.state();
        assert_eq!(state.free, 1);
        assert!(state.held.is_empty() && state.tenants.is_empty() && state.turn.is_empty());
    }

    proptest! {
        /// In any order of requests, returns and withdrawals, at most the existing places are held, and every request is granted in the
        /// end.
        #[test]
        fn places_are_counted_exactly(
            count in 1usize..12,
            steps in proptest::collection::vec((0usize..4, 0u128..3, 0usize..4, 0usize..40), 1..80),
        ) {
            let places = Places::new(count);
            let (mut held, mut waiting): (Vec<Place>, Vec<Asking>) = (Vec::new(), Vec::new());
            for (tenant, integration, action, at) in steps {
                let connections: &[&str] = if integration == 2 { &["erp"] } else { &[] };
                match action {
                    0 if !held.is_empty() => drop(held.swap_remove(at % held.len())),
                    1 if !waiting.is_empty() => drop(waiting.swap_remove(at % waiting.len())),
                    _ => waiting.push(ask(&places, claimant(["a", "b", "c", "d"][tenant], integration, connections))),
                }
                waiting.retain_mut(|asking| asking.as_mut().now_or_never().map(|place| held.push(place)).is_none());
                prop_assert!(held.len() <= count);
                prop_assert_eq!(places.state().free, count - held.len());
            }
            // As places are returned, each claimant gets one.
            while !waiting.is_empty() {
                prop_assert!(held.pop().is_some(), "{} wait and nobody holds a place", waiting.len());
                waiting.retain_mut(|asking| asking.as_mut().now_or_never().map(|place| held.push(place)).is_none());
            }
            drop(held);
            let state = places.state();
            prop_assert_eq!(state.free, count);
            prop_assert!(state.held.is_empty() && state.tenants.is_empty() && state.turn.is_empty());
        }
    }
}
