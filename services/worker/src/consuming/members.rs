//! Keeps the exclusive queues of this worker in line with the assignment, which follows the live workers and the queues.

use super::activity::Activity;
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
/// Time for which a standby may be the active consumer beside a live primary. A primary that was lost when the standby became active is no
/// live worker any more by then, so this one has come back and waits behind the standby.
const FIRST_STANDBY_TIMEOUT: Duration = Duration::from_secs(WORKER_TTL.as_secs() + 2 * HEARTBEAT_INTERVAL.as_secs());
/// The time doubles up to this maximum with each attempt: a live primary that does not consume must not stop the queue again and again.
const MAX_STANDBY_TIMEOUT: Duration = Duration::from_secs(600);

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
    activity: Activity,
    /// A standby that has been the active consumer for so long subscribes again, behind the primary.
    standby_timeout: Duration,
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
            if let Some(workers) = self.beat().await {
                alive = workers;
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
        let mut assignments: HashMap<Uuid, (Role, Uuid, &DispatchPolicy)> = HashMap::new();
        for (queue, policy) in queues {
            let Some(assigned) = assigned.get(queue) else { continue };
            if assigned.primary == self.me.id {
                assignments.insert(*queue, (Role::Primary, assigned.primary, policy));
            } else if assigned.standby == Some(self.me.id) {
                assignments.insert(*queue, (Role::Standby, assigned.primary, policy));
            }
        }
        let mut standby_timeouts: HashMap<Uuid, Duration> = HashMap::new();
        for (queue, served) in served.extract_if(|queue, served| served.fit(assignments.get(queue)) != Fit::Stays) {
            if served.fit(assignments.get(&queue)) == Fit::KeepsFromPrimary {
                tracing::info!(forebay.integration.id = %queue, "the worker of this trigger is back: its standby subscribes again, behind it");
                standby_timeouts.insert(queue, (served.standby_timeout * 2).min(MAX_STANDBY_TIMEOUT));
            }
            served.stop.cancel();
            stopping.push(served.task);
        }
        for (queue, (role, primary, policy)) in assignments {
            match served.get_mut(&queue) {
                // A standby that became the primary is subscribed already.
                Some(served) => (served.role, served.primary) = (role, primary),
                None => {
                    let standby_timeout = standby_timeouts.get(&queue).copied().unwrap_or(FIRST_STANDBY_TIMEOUT);
                    served.insert(queue, self.serve(queue, role, primary, policy.clone(), standby_timeout));
                }
            }
        }
    }

    fn serve(&self, queue: Uuid, role: Role, primary: Uuid, policy: DispatchPolicy, standby_timeout: Duration) -> Served {
        let stop = self.stop.gently.child_token();
        let delay = if role == Role::Primary { Duration::ZERO } else { STANDBY_DELAY };
        let until = Stop { gently: stop.clone(), now: self.stop.now.clone() };
        let (consumption, snapshot, activity) = (self.consumption.clone(), self.snapshot.clone(), Activity::default());
        let serving = exclusive_queues::serve(consumption, snapshot, queue, policy.clone(), delay, activity.clone(), until);
        let task = tokio::spawn(serving);
        Served { role, primary, policy, activity, standby_timeout, stop, task }
    }
}

/// How a subscription fits the assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Stays,
    /// It ended, its policy changed, it is no longer assigned, or it is a standby that subscribed before its new primary.
    Changed,
    /// A standby that has been the active consumer for too long although the same primary is alive: it became active when the primary lost
    /// its connection, and the primary subscribed again behind it.
    KeepsFromPrimary,
}

impl Served {
    fn fit(&self, assignment: Option<&(Role, Uuid, &DispatchPolicy)>) -> Fit {
        let Some((role, primary, policy)) = assignment else { return Fit::Changed };
        if **policy != self.policy || self.task.is_finished() {
            return Fit::Changed;
        }
        match (role, self.role) {
            (Role::Primary, _) => Fit::Stays,
            (Role::Standby, Role::Primary) => Fit::Changed,
            (Role::Standby, Role::Standby) if self.primary != *primary => Fit::Changed,
            (Role::Standby, Role::Standby) if self.activity.since().is_some_and(|since| since.elapsed() >= self.standby_timeout) => {
                Fit::KeepsFromPrimary
            }
            (Role::Standby, Role::Standby) => Fit::Stays,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(role: Role, primary: Uuid) -> Served {
        let task = tokio::spawn(std::future::pending());
        let (policy, stop) = (DispatchPolicy::Ordered, CancellationToken::new());
        Served { role, primary, policy, activity: Activity::default(), standby_timeout: FIRST_STANDBY_TIMEOUT, stop, task }
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_that_stays_active_beside_a_live_primary_subscribes_again() {
        let (primary, other) = (Uuid::new_v4(), Uuid::new_v4());
        let standby = served(Role::Standby, primary);
        let fit = |role, primary| standby.fit(Some(&(role, primary, &DispatchPolicy::Ordered)));
        tokio::time::advance(2 * FIRST_STANDBY_TIMEOUT).await;
        assert_eq!(fit(Role::Standby, primary), Fit::Stays, "without a delivery it waits behind the primary");
        standby.activity.delivered();
        tokio::time::advance(FIRST_STANDBY_TIMEOUT - Duration::from_millis(1)).await;
        assert_eq!(fit(Role::Standby, primary), Fit::Stays, "the primary may be gone");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(fit(Role::Standby, primary), Fit::KeepsFromPrimary);
        assert_eq!(fit(Role::Primary, primary), Fit::Stays, "it has become the primary");
        assert_eq!(fit(Role::Standby, other), Fit::Changed, "another primary subscribes later");
        standby.activity.begin();
        assert_eq!(fit(Role::Standby, primary), Fit::Stays, "it has subscribed again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_primary_stays_active() {
        let me = Uuid::new_v4();
        let primary = served(Role::Primary, me);
        primary.activity.delivered();
        tokio::time::advance(10 * MAX_STANDBY_TIMEOUT).await;
        assert_eq!(primary.fit(Some(&(Role::Primary, me, &DispatchPolicy::Ordered))), Fit::Stays);
    }
}
