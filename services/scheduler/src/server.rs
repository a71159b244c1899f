//! Builds the scheduler and runs it until shutdown: publishes due runs, then sleeps until the next due time or a change.

use crate::alerts::Watcher;
use crate::publish::Publishing;
use forebay_broker::{Installation, Limits, MessageKey, Publisher, PublisherConfig, PublisherState, Topology};
use forebay_contract::IdIssuer;
use forebay_runtime::health::Health;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use forebay_store::{SnapshotHandle, Store, StoreError};
use forebay_workflow::EngineError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Schedules in one claim.
const MAX_AT_ONCE: u32 = 64;
/// Maximum sleep, after which a change that nobody announced is noticed.
const MAX_SLEEP: Duration = Duration::from_secs(5);
/// Pause when all that is due is another scheduler's at the moment.
const MIN_SLEEP: Duration = Duration::from_millis(50);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// Interval at which the broker is checked while it is away.
const BROKER_INTERVAL: Duration = Duration::from_millis(100);
/// The names of its health checks.
const BROKER: &str = "scheduler broker";
const DATABASE: &str = "scheduler database";

/// The reason for which the scheduler could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// A setting cannot be used.
    #[error("FOREBAY_SECRET_KEY: {0}")]
    SecretKey(String),
    /// A setting cannot be used.
    #[error("FOREBAY_PRIVATE_ADDRESSES: {0}")]
    Reach(String),
    /// The engine that sends notifications could not be built.
    #[error("what sends alerts cannot be started")]
    Engine(#[from] EngineError),
    /// The store could not give the installation's key.
    #[error("the installation's id key cannot be read")]
    Store(#[from] StoreError),
}

/// A built scheduler.
pub struct Scheduler {
    clock: Clock,
    alerts: Watcher,
}

/// Publishes due runs.
struct Clock {
    publishing: Publishing,
    store: Store,
    snapshot: SnapshotHandle,
    health: Health,
    broker_shutdown: CancellationToken,
}

impl Scheduler {
    /// Starts the connection to the broker, which may come later; nothing is published yet.
    ///
    /// # Errors
    /// [`SchedulerError`].
    pub async fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        installation: Installation,
    ) -> Result<Self, SchedulerError> {
        let installation_key = store.id_key().await?;
        let (ids, key) = (IdIssuer::new(&installation_key), MessageKey::new(&installation_key, false));
        let broker_shutdown = CancellationToken::new();
        let limits = Limits { max_length: settings.queue_max_length, max_bytes: settings.queue_max_bytes };
        let topology = Topology::new(&settings.queue_prefix, settings.shared_queue_count, limits, installation);
        let config = PublisherConfig {
            url: settings.amqp_url.expose().to_owned(),
            name: format!("{} scheduler", settings.worker_name),
            // Runs are few; one channel also keeps the order of each schedule.
            channels: 1,
            confirm_timeout: settings.confirm_timeout,
        };
        let publisher = Publisher::start(config, topology.clone(), broker_shutdown.clone());
        let alerts = Watcher::build(settings, store.clone(), snapshot.clone(), topology.clone(), ids.clone())?;
        let publishing = Publishing { publisher, topology, ids, snapshot: snapshot.clone(), key };
        health.expect(BROKER);
        health.expect(DATABASE);
        Ok(Self { clock: Clock { publishing, store, snapshot, health, broker_shutdown }, alerts })
    }

    /// Publishes due runs and evaluates alert rules, until shutdown. Work that has begun is finished first.
    ///
    /// # Errors
    /// None at present; what fails while running is tried again.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), SchedulerError> {
        // Neither waits for the other: a message that is slow to send delays no run.
        let alerts = tokio::spawn(self.alerts.run_until(shutdown.clone()));
        self.clock.run_until(&shutdown).await;
        // It catches its panics.
        let _ = alerts.await;
        Ok(())
    }
}

impl Clock {
    async fn run_until(mut self, shutdown: &Shutdown) {
        let mut backoff = FIRST_BACKOFF;
        while !shutdown.is_triggered() {
            let pause = match self.round().await {
                Ok(pause) => {
                    backoff = FIRST_BACKOFF;
                    pause
                }
                Err(error) => {
                    tracing::warn!(%error, "due runs have to wait; trying again");
                    self.health.set(DATABASE, false, "away");
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                    backoff / 2
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.snapshot.changed() => {}
                () = shutdown.wait() => {}
            }
        }
        self.health.stopping();
        self.broker_shutdown.cancel();
    }

    /// Publishes the runs that are due, and returns the time until the next round.
    async fn round(&self) -> Result<Duration, StoreError> {
        let state = self.publishing.publisher.state();
        let detail = match state {
            PublisherState::Ready => "publishing",
            PublisherState::Blocked => "the broker accepts no messages (memory or disk alarm)",
            PublisherState::Away => "no connection",
            PublisherState::NotOfInstallation => "not this installation's broker (the log says why)",
        };
        self.health.set(BROKER, state == PublisherState::Ready, detail);
        // Nothing is claimed that could not be published.
        if state != PublisherState::Ready {
            return Ok(BROKER_INTERVAL);
        }
        let claimed = self.store.claim_schedules(MAX_AT_ONCE, |due| self.publishing.due(due)).await?;
        self.health.set(DATABASE, true, "connected");
        if claimed > 0 {
            return Ok(Duration::ZERO);
        }
        let next = self.store.until_next_schedule().await?.unwrap_or(MAX_SLEEP);
        Ok(if next.is_zero() { MIN_SLEEP } else { next.min(MAX_SLEEP) })
    }
}
