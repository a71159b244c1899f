//! Collects the facts about integrations that the condition of an alert rule needs.

use super::decide::Observation;
use super::observe::{Facts, observe, unwatched};
use forebay_broker::{Broker, Inspector, Queue};
use forebay_contract::UnixMicros;
use forebay_contract::alert::Condition;
use forebay_store::{DueAlert, Integration, SnapshotHandle, StatisticsQuery, StatisticsScope, Store, StoreError, WORKER_TTL};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Maximum wait for the broker; facts that are unknown by then change nothing.
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
/// One point of statistics for the whole window.
const ONE_POINT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Collects the facts about integrations.
pub(crate) struct Gathering {
    pub(crate) store: Store,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) inspector: Inspector,
    pub(crate) broker: Broker,
}

/// The facts about live workers.
pub(crate) struct Workers {
    are_there: bool,
    /// The time at which the oldest execution in the hands of workers was received, by integration.
    in_hand: HashMap<Uuid, UnixMicros>,
}

impl Gathering {
    pub(crate) async fn workers(&self) -> Result<Workers, StoreError> {
        let live = self.store.live_workers(WORKER_TTL).await?;
        let mut in_hand: HashMap<Uuid, UnixMicros> = HashMap::new();
        for (integration, since) in live.iter().flat_map(|worker| &worker.oldest_of) {
            in_hand.entry(*integration).and_modify(|oldest| *oldest = (*oldest).min(*since)).or_insert(*since);
        }
        Ok(Workers { are_there: !live.is_empty(), in_hand })
    }

    /// Observes each integration that the rule watches, or for which it was raised.
    pub(crate) async fn observe(&self, due: &DueAlert, workers: &Workers) -> Result<Vec<Observation>, StoreError> {
        let snapshot = self.snapshot.current();
        let of_tenant = snapshot.tenant_integrations(due.alert.tenant.as_str()).unwrap_or_default();
        let is_watched = |one: &Integration| one.definition.enabled && due.alert.watches(&one.definition.name);
        let (watched, others): (Vec<_>, Vec<_>) = of_tenant.into_iter().cloned().partition(|integration| is_watched(integration));
        let state_of = |id: Uuid| due.states.iter().find(|state| state.integration == id);
        let mut facts = self.facts(due, &watched, workers).await?;
        let mut observations = Vec::with_capacity(watched.len());
        for integration in &watched {
            let facts = facts.remove(&integration.id).unwrap_or_default();
            observations.push(observe(&due.alert.when, integration, &facts, state_of(integration.id)));
        }
        observations.extend(others.iter().filter(|one| state_of(one.id).is_some()).map(|one| unwatched(one)));
        Ok(observations)
    }

    async fn facts(&self, due: &DueAlert, watched: &[Arc<Integration>], workers: &Workers) -> Result<HashMap<Uuid, Facts>, StoreError> {
        let snapshot = self.snapshot.current();
        let ids: Vec<Uuid> = watched.iter().map(|integration| integration.id).collect();
        let fact = |id: &Uuid| Facts {
            now: due.now,
            in_hand: workers.in_hand.get(id).copied(),
            halt: snapshot.trigger_state(*id).cloned(),
            ..Facts::default()
        };
        let mut facts: HashMap<Uuid, Facts> = ids.iter().map(|id| (*id, fact(id))).collect();
        match &due.alert.when {
            Condition::FailureRate { window, .. } => {
                let from = due.now - *window;
                let query =
                    StatisticsQuery { of: StatisticsScope::Integrations(ids), from, to: UnixMicros::MAX, step: ONE_POINT, each: true };
                for point in self.store.statistics(&query).await? {
                    if let Some(facts) = point.integration.and_then(|id| facts.get_mut(&id)) {
                        facts.counts.merge(&point.counts);
                    }
                }
            }
            Condition::OldestAge { .. } => self.add_waiting(watched, workers, &mut facts).await,
            Condition::Silent { .. } => {
                for (id, accepted_at) in self.store.last_accepted(&ids).await? {
                    if let Some(facts) = facts.get_mut(&id) {
                        facts.last_accepted = Some(accepted_at);
                    }
                }
                self.add_waiting(watched, workers, &mut facts).await;
            }
            Condition::Halted => {}
        }
        Ok(facts)
    }

    /// Adds whether messages wait that no worker holds. Those in an exclusive queue belong to its integration. For a shared queue that is
    /// unknown: while workers live, they hold its first messages; without workers, its messages count for every integration.
    async fn add_waiting(&self, watched: &[Arc<Integration>], workers: &Workers, facts: &mut HashMap<Uuid, Facts>) {
        let mut lookups: Vec<(Uuid, Queue)> = Vec::new();
        for integration in watched {
            let is_exclusive = integration.definition.trigger.policy().is_exclusive();
            let Some(facts) = facts.get_mut(&integration.id) else { continue };
            if facts.in_hand.is_some() || (!is_exclusive && workers.are_there) {
                facts.waits = Some(false);
            } else if is_exclusive {
                lookups.push((integration.id, Queue::Trigger(integration.id)));
            } else {
                let tenant = integration.definition.tenant.as_str();
                let own = self.snapshot.current().tenant_queue(tenant);
                for number in [self.broker.topology().shared_queue_of(tenant)].into_iter().chain(own) {
                    lookups.extend([Queue::Work(number), Queue::Call(number)].map(|queue| (integration.id, queue)));
                }
            }
        }
        if lookups.is_empty() {
            return;
        }
        let queues: Vec<Queue> = lookups.iter().map(|(_, queue)| *queue).collect();
        let depths = match tokio::time::timeout(BROKER_TIMEOUT, self.inspector.depths(&queues)).await {
            Ok(Ok(depths)) => depths,
            Ok(Err(error)) => return tracing::debug!(%error, "the state of queues is not known for alert rules"),
            Err(_) => return tracing::debug!("the state of queues is not known in time for alert rules"),
        };
        for ((id, _), depth) in lookups.iter().zip(depths) {
            let waits = depth.is_some_and(|depth| depth.ready > 0);
            if let Some(facts) = facts.get_mut(id) {
                facts.waits = Some(facts.waits.unwrap_or(false) || waits);
            }
        }
    }
}
