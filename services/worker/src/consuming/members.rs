//! Keeps the exclusive queues of this worker in line with the assignment, which follows the live workers and the queues.

use super::assignment::assign;
use super::dispatcher::{Consumption, Stop};
use super::exclusive_queues;
use crate::execution::Running;
use crate::measure;
use forebay_contract::definition::DispatchPolicy;
use forebay_store::{SnapshotHandle, Store, WORKER_TTL, WorkerRow};
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A third of [`WORKER_TTL`].
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Pause of a standby before it subscribes: the broker serves the consumer that subscribed first, which must be the primary.
const STANDBY_DELAY: Duration = Duration::from_secs(3);
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Standby,
}

struct Served {
    role: Role,
    /// The primary worker: when it changes, a standby subscribes again after the others.
    primary: Uuid,
    policy: DispatchPolicy,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The membership of this worker among the others.
pub(crate) struct Members {
    pub(crate) consumption: Consumption,
    pub(crate) store: Store,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) running: Running,
    pub(crate) me: WorkerRow,
    pub(crate) stop: Stop,
}

impl Members {
    /// Serves the assigned queues until stopped, then waits for running executions.
    pub(crate) async fn run(mut self) {
        let mut served: HashMap<Uuid, Served> = HashMap::new();
        let mut stopping: Vec<JoinHandle<()>> = Vec::new();
        let mut alive = vec![self.me.id];
        let mut snapshot = self.snapshot.clone();
        while !self.stop.gently.is_cancelled() {
            let primaries: Vec<Uuid> = served.iter().filter(|(_, served)| served.role == Role::Primary).map(|(queue, _)| *queue).collect();
            measure::exclusive_queues(primaries.len());
            self.me.queues = primaries;
            self.me.running = self.running.count();
            self.me.oldest = self.consumption.in_hand.oldest();
            self.me.oldest_of = self.consumption.in_hand.oldest_of();
            // While the database is away, the workers that were seen last count as members; standbys and the broker do the rest.
            if let Some(seen) = self.beat().await {
                alive = seen;
            }
            let queues: HashMap<Uuid, DispatchPolicy> = snapshot
                .current()
                .integrations()
                .filter(|integration| integration.definition.trigger.policy().is_exclusive())
                .map(|integration| (integration.id, integration.definition.trigger.policy().clone()))
                .collect();
            self.follow(&alive, &queues, &mut served, &mut stopping);
            stopping.retain(|task| !task.is_finished());
            tokio::select! {
                () = self.stop.gently.cancelled() => {}
                () = snapshot.changed() => {}
                () = tokio::time::sleep(HEARTBEAT_INTERVAL) => {}
            }
        }
        for (_, served) in served {
            stopping.push(served.task);
        }
        for task in stopping {
            let _ = task.await;
        }
        let _ = tokio::time::timeout(STORE_TIMEOUT, self.store.remove_worker(self.me.id)).await;
    }

    async fn beat(&self) -> Option<Vec<Uuid>> {
        let store = &self.store;
        let answer = tokio::time::timeout(STORE_TIMEOUT, async {
            store.heartbeat(&self.me).await?;
            store.live_workers(WORKER_TTL).await
        });
        match answer.await {
            Ok(Ok(workers)) => Some(workers.into_iter().map(|worker| worker.id).collect()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the other workers cannot be seen at the moment");
                None
            }
            Err(_) => None,
        }
    }

    fn follow(
        &self,
        alive: &[Uuid],
        queues: &HashMap<Uuid, DispatchPolicy>,
        served: &mut HashMap<Uuid, Served>,
        stopping: &mut Vec<JoinHandle<()>>,
    ) {
        let ids: Vec<Uuid> = queues.keys().copied().collect();
        let assigned = assign(alive, &ids);
        let mut wanted: HashMap<Uuid, (Role, Uuid, &DispatchPolicy)> = HashMap::new();
        for (queue, policy) in queues {
            let Some(assigned) = assigned.get(queue) else { continue };
            if assigned.primary == self.me.id {
                wanted.insert(*queue, (Role::Primary, assigned.primary, policy));
            } else if assigned.standby == Some(self.me.id) {
                wanted.insert(*queue, (Role::Standby, assigned.primary, policy));
            }
        }
        let stale: Vec<Uuid> =
            served.iter().filter(|(queue, served)| !served.still_fits(wanted.get(queue))).map(|(queue, _)| *queue).collect();
        for queue in stale {
            if let Some(served) = served.remove(&queue) {
                served.stop.cancel();
                stopping.push(served.task);
            }
        }
        for (queue, (role, primary, policy)) in wanted {
            match served.get_mut(&queue) {
                // A standby that became the primary is subscribed already.
                Some(served) => (served.role, served.primary) = (role, primary),
                None => _ = served.insert(queue, self.serve(queue, role, primary, policy.clone())),
            }
        }
    }

    fn serve(&self, queue: Uuid, role: Role, primary: Uuid, policy: DispatchPolicy) -> Served {
        let stop = self.stop.gently.child_token();
        let delay = if role == Role::Primary { Duration::ZERO } else { STANDBY_DELAY };
        let until = Stop { gently: stop.clone(), now: self.stop.now.clone() };
        let serving = exclusive_queues::serve(self.consumption.clone(), self.snapshot.clone(), queue, policy.clone(), delay, until);
        let task = tokio::spawn(serving);
        Served { role, primary, policy, stop, task }
    }
}

impl Served {
    /// Returns true if the subscription can stay: same policy, and not before a primary that subscribed later.
    fn still_fits(&self, wanted: Option<&(Role, Uuid, &DispatchPolicy)>) -> bool {
        let Some((role, primary, policy)) = wanted else { return false };
        if **policy != self.policy || self.task.is_finished() {
            return false;
        }
        *role == Role::Primary || (self.role == Role::Standby && self.primary == *primary)
    }
}
