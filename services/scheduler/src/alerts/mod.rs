//! Evaluates alert rules and sends notifications. Several schedulers share the rules: one scheduler at a time claims a rule. The states are
//! stored before anything is sent, so that a restart repeats no notification.

mod decide;
mod gather;
mod notify;
mod observe;

use crate::alerts::decide::{Pace, decide};
use crate::alerts::gather::Gathering;
use crate::alerts::notify::Notifier;
use crate::error::SchedulerError;
use forebay_broker::Broker;
use forebay_contract::IdIssuer;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use forebay_store::{Connections, DueAlert, SecretKeys, SnapshotHandle, Store, StoreError};
use forebay_workflow::{Engine, EngineOptions};
use futures_util::FutureExt;
use futures_util::future::join_all;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Maximum alert rules in one claim; they are evaluated in parallel.
const MAX_CLAIMED: u32 = 16;
/// Duration of a claim; longer than an evaluation with a notification that reaches its timeout.
const LEASE: Duration = Duration::from_secs(60);
/// Number of claims within an interval.
const ROUNDS_PER_INTERVAL: u32 = 5;
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// Evaluates alert rules.
pub(crate) struct Watcher {
    store: Store,
    gathering: Gathering,
    notifier: Notifier,
    /// Time between two evaluations of a rule.
    interval: Duration,
    /// The id of this process, which distinguishes schedulers.
    me: Uuid,
}

impl Watcher {
    /// Builds the watcher. It may reach the same addresses as a worker with these settings.
    pub(crate) fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        broker: Broker,
        ids: IdIssuer,
    ) -> Result<Self, SchedulerError> {
        let mut options = EngineOptions::default();
        options.reach = settings.private_addresses.clone().into();
        options.tokens = Some(Arc::new(store.clone()));
        let keys = settings.secret_key.as_ref().map(SecretKeys::from);
        let (engine, interval) = (Engine::new(options)?, settings.alert_interval);
        let connections = Arc::new(Connections::new(snapshot.clone(), keys));
        let gathering = Gathering { store: store.clone(), snapshot, inspector: broker.inspector("alerts"), broker };
        Ok(Self { store, gathering, notifier: Notifier { engine, connections, ids, interval }, interval, me: Uuid::new_v4() })
    }

    /// Evaluates rules until shutdown. An evaluation that has begun is finished first.
    pub(crate) async fn run_until(self, shutdown: Shutdown) {
        let pause = (self.interval / ROUNDS_PER_INTERVAL).max(MIN_INTERVAL);
        while !shutdown.is_triggered() {
            match AssertUnwindSafe(self.round()).catch_unwind().await {
                // There may be more.
                Ok(Ok(count)) if count >= MAX_CLAIMED as usize => continue,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "alert rules cannot be evaluated; trying again"),
                // The panic is logged already, and the other rules are evaluated.
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.wait() => {}
            }
        }
    }

    /// Evaluates the rules that are due, and returns their number.
    async fn round(&self) -> Result<usize, StoreError> {
        let due = self.store.claim_alerts(self.me, MAX_CLAIMED, self.interval, LEASE).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let workers = self.gathering.workers().await?;
        let evaluations = join_all(due.iter().map(async |due| {
            let evaluated = self.evaluate(due, &workers).await;
            evaluated.and(self.store.release_alert(self.me, due.id).await)
        }));
        evaluations.await.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(due.len())
    }

    async fn evaluate(&self, due: &DueAlert, workers: &gather::Workers) -> Result<(), StoreError> {
        let observations = self.gathering.observe(due, workers).await?;
        let evaluation = decide(due, &observations, &Pace::new(self.interval, due.alert.repeat));
        let is_new = evaluation.notification.is_some() || !evaluation.changed.is_empty() || !evaluation.forgotten.is_empty();
        if is_new && !self.store.save_alert_evaluation(self.me, due, &evaluation).await? {
            return Ok(());
        }
        let result = match (&evaluation.notification, &due.pending) {
            (Some((notification, _)), _) => self.notifier.notify(due, notification, &[], 0).await,
            (None, Some(pending)) if due.try_at.is_none_or(|at| at <= due.now) => {
                self.notifier.notify(due, pending, &due.delivered, due.attempts).await
            }
            _ => return Ok(()),
        };
        self.store.record_notification(due.id, &result).await
    }
}
