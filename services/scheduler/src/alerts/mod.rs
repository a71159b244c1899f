//! Watches alerts: looks at each of them every few seconds, and tells who has to be told. Any number of schedulers may do it at once:
//! each alert is claimed by one of them for a look. Where it stands is stored before anything is sent, so that a restart repeats nothing.

mod decide;
mod gather;
mod observe;
mod tell;

use crate::SchedulerError;
use crate::alerts::decide::{Pace, decide};
use crate::alerts::gather::Gathering;
use crate::alerts::tell::Teller;
use forebay_broker::{ConsumersConfig, Inspector, Topology};
use forebay_connectors::ReachError;
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

/// Alerts in one claim; they are looked at all at once.
const MAX_AT_ONCE: u32 = 16;
/// Longer than a look takes with a message that runs into its timeout.
const LEASE: Duration = Duration::from_secs(60);
/// Of the time between two looks: how often it is seen whether one has to be made.
const ROUNDS: u32 = 5;
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// What watches alerts.
pub(crate) struct Watcher {
    store: Store,
    gathering: Gathering,
    teller: Teller,
    /// How often each alert is looked at.
    every: Duration,
    /// This process among the schedulers.
    me: Uuid,
}

impl Watcher {
    /// Nothing is looked at yet. It reaches what a worker with these settings reaches.
    pub(crate) fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        topology: Topology,
        ids: IdIssuer,
    ) -> Result<Self, SchedulerError> {
        let mut options = EngineOptions::default();
        options.reach = settings.private_addresses.parse().map_err(|error: ReachError| SchedulerError::Reach(error.to_string()))?;
        options.tokens = Some(Arc::new(store.clone()));
        let keys = settings.secret_key.as_ref().map(SecretKeys::parse).transpose().map_err(SchedulerError::SecretKey)?;
        let (engine, every) = (Engine::new(options)?, settings.alert_interval);
        let connections = Arc::new(Connections::new(snapshot.clone(), keys));
        let broker = ConsumersConfig { url: settings.amqp_url.expose().to_owned(), name: format!("{} alerts", settings.worker_name) };
        let gathering = Gathering { store: store.clone(), snapshot, inspector: Inspector::new(broker, topology.clone()), topology };
        Ok(Self { store, gathering, teller: Teller { engine, connections, ids, every }, every, me: Uuid::new_v4() })
    }

    /// Watches until shutdown. A look that has begun is finished first.
    pub(crate) async fn run_until(self, shutdown: Shutdown) {
        let pause = (self.every / ROUNDS).max(MIN_INTERVAL);
        while !shutdown.is_triggered() {
            match AssertUnwindSafe(self.round()).catch_unwind().await {
                // There may be more.
                Ok(Ok(count)) if count >= MAX_AT_ONCE as usize => continue,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "alerts cannot be looked at; trying again"),
                // It is logged already, and the others are still watched.
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.wait() => {}
            }
        }
    }

    /// Looks at what is due; how many alerts that were.
    async fn round(&self) -> Result<usize, StoreError> {
        let due = self.store.claim_alerts(self.me, MAX_AT_ONCE, self.every, LEASE).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let workers = self.gathering.workers().await?;
        let looks = join_all(due.iter().map(async |due| {
            let looked = self.look(due, &workers).await;
            looked.and(self.store.release_alert(self.me, due.id).await)
        }));
        looks.await.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(due.len())
    }

    async fn look(&self, due: &DueAlert, workers: &gather::Workers) -> Result<(), StoreError> {
        let observations = self.gathering.observe(due, workers).await?;
        let look = decide(due, &observations, &Pace::new(self.every, due.alert.repeat));
        let is_new = look.notice.is_some() || !look.changed.is_empty() || !look.forgotten.is_empty();
        if is_new && !self.store.save_alert_look(self.me, due, &look).await? {
            return Ok(());
        }
        let telling = match (&look.notice, &due.pending) {
            (Some((notice, _)), _) => self.teller.tell(due, notice, &[], 0).await,
            (None, Some(pending)) if due.try_at.is_none_or(|at| at <= due.now) => {
                self.teller.tell(due, pending, &due.delivered, due.attempts).await
            }
            _ => return Ok(()),
        };
        self.store.record_telling(due.id, &telling).await
    }
}
