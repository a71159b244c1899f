//! The state of queues, workers and statistics.

use crate::Operations;
use crate::actor::{Actor, Visible};
use crate::definitions::visible;
use crate::error::OperationError;
use forebay_broker::{Queue, UnreadableAction, UnreadableMessage};
use forebay_contract::{Name, UnixMicros};
use forebay_store::{
    Activity, AuditAction, AuditEvent, Role, SHARED_QUEUE_POLICY, StatisticsPoint, StatisticsQuery, StatisticsScope, TriggerRow,
    WORKER_TTL, WorkerRow,
};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// The state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// The integration of an exclusive queue; `None`: a shared queue.
    pub integration: Option<(Name, Name)>,
    /// Its name at the broker.
    pub name: String,
    /// Queued messages, without those that workers hold. `None`: the broker did not answer.
    pub ready: Option<u32>,
    /// Its consumers, including standbys.
    pub consumers: Option<u32>,
    /// The time of receipt of the oldest message that a worker holds.
    pub oldest: Option<UnixMicros>,
    /// The active consumer.
    pub worker: Option<String>,
}

impl Operations {
    /// Returns the points of a chart, of tenants that the person may see.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn statistics(
        &self,
        actor: &Actor,
        tenant: Option<&Name>,
        query: StatisticsQuery,
    ) -> Result<Vec<StatisticsPoint>, OperationError> {
        let tenants = visible(actor, tenant, Role::Viewer)?;
        let of = match (query.of, tenants) {
            (of @ (StatisticsScope::All | StatisticsScope::Tenants(_)), Visible::All) => of,
            (StatisticsScope::All, Visible::Only(tenants)) => StatisticsScope::Tenants(tenants),
            (StatisticsScope::Tenants(mut requested), Visible::Only(tenants)) => {
                requested.retain(|tenant| tenants.contains(tenant));
                StatisticsScope::Tenants(requested)
            }
            (StatisticsScope::Integrations(mut requested), _) => {
                let visible: HashSet<Uuid> = self.list_integrations(actor, tenant).await?.into_iter().map(|row| row.id).collect();
                requested.retain(|id| visible.contains(id));
                StatisticsScope::Integrations(requested)
            }
        };
        Ok(self.store.statistics(&StatisticsQuery { of, ..query }).await?)
    }

    /// Returns the activity of these integrations, which must be a result of [`Self::list_integrations`].
    ///
    /// # Errors
    /// Those of the store.
    pub async fn activity(&self, integrations: &[Uuid], since: UnixMicros) -> Result<HashMap<Uuid, Activity>, OperationError> {
        Ok(self.store.activity(integrations, since).await?)
    }

    /// Returns the live workers, for people who may see every tenant, since workers serve all of them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_workers(&self, actor: &Actor) -> Result<Vec<WorkerRow>, OperationError> {
        actor.may_everywhere(Role::Viewer)?;
        Ok(self.store.live_workers(WORKER_TTL).await?)
    }

    /// Returns the exclusive queues of these triggers and their queues for paused calls, and for a person who may see every tenant the
    /// shared queues. The triggers must be a result of [`Self::list_triggers`]. Numbers of messages are at most a few seconds old; they are
    /// unknown if the broker is unavailable, or has not responded within `timeout`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_queues(
        &self,
        actor: &Actor,
        tenant: Option<&Name>,
        triggers: &[TriggerRow],
        timeout: Duration,
    ) -> Result<Vec<QueueState>, OperationError> {
        let workers = self.store.live_workers(WORKER_TTL).await?;
        let mut oldest: HashMap<&str, UnixMicros> = HashMap::new();
        for (queue, at) in workers.iter().flat_map(|worker| &worker.oldest) {
            oldest.entry(queue).and_modify(|earliest| *earliest = (*earliest).min(*at)).or_insert(*at);
        }
        type Named = (Option<(Name, Name)>, Queue, Option<String>);
        let mut named: Vec<Named> = Vec::new();
        let with_paused_queues = self.store.paused_queues().await?;
        for row in triggers {
            let (Ok(tenant), Ok(name)) = (row.tenant.parse::<Name>(), row.name.parse::<Name>()) else { continue };
            let integration = row.integration_id;
            if with_paused_queues.contains(&integration) {
                let queues = [true, false].map(|is_awaited| Queue::Paused { integration, is_awaited });
                named.extend(queues.map(|queue| (Some((tenant.clone(), name.clone())), queue, None)));
            }
            if row.policy != SHARED_QUEUE_POLICY {
                named.push((Some((tenant, name)), Queue::Trigger(integration), row.worker.clone()));
            }
        }
        if tenant.is_none() && actor.may_everywhere(Role::Viewer).is_ok() {
            named.extend(self.broker.topology().shared_queues().map(|queue| (None, queue, None)));
            for (_, number) in self.store.tenant_queues().await? {
                named.extend([Queue::Call(number), Queue::Work(number)].map(|queue| (None, queue, None)));
            }
        }
        let queues: Vec<Queue> = named.iter().map(|(_, queue, _)| *queue).collect();
        let depths = self.depths.of(self.broker.depth_reader(), &queues, timeout).await;
        let mut states = Vec::with_capacity(named.len());
        for (integration, queue, worker) in named {
            let (name, depth) = (self.broker.topology().name(queue), depths.get(&queue));
            let (ready, consumers) = (depth.map(|depth| depth.ready), depth.map(|depth| depth.consumers));
            states.push(QueueState { integration, ready, consumers, oldest: oldest.get(name.as_str()).copied(), worker, name });
        }
        Ok(states)
    }

    /// Returns the oldest unreadable messages, at most `limit`: for people who may see every tenant, since their tenant is unknown.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn list_unreadable(&self, actor: &Actor, limit: usize) -> Result<Vec<UnreadableMessage>, OperationError> {
        actor.may_everywhere(Role::Viewer)?;
        self.broker.checked().await?.unreadable(limit).await
    }

    /// Returns an unreadable message to its queue, or discards it.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn resolve_unreadable(&self, actor: &Actor, id: &str, action: UnreadableAction) -> Result<(), OperationError> {
        let principal = actor.may_everywhere(Role::Operator)?;
        self.broker.checked().await?.resolve_unreadable(id, action).await?;
        let action = match action {
            UnreadableAction::Return => AuditAction::MessageReturn,
            UnreadableAction::Discard => AuditAction::MessageDiscard,
        };
        let event = AuditEvent { tenant: None, action, target: id.to_owned(), before: Some(json!({ "id": id })), after: None };
        self.audit(principal, &event).await;
        Ok(())
    }
}
