//! Builds the scheduler and runs it until shutdown: publishes due runs, then sleeps until the next due time or a change.

use crate::alerts::Watcher;
use crate::error::SchedulerError;
use crate::publish::Publishing;
use forebay_broker::{Broker, PublisherState};
use forebay_contract::IdIssuer;
use forebay_runtime::health::Health;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use forebay_store::{SnapshotHandle, Store, StoreError};
use std::num::NonZeroU8;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Maximum schedules in one claim.
const MAX_AT_ONCE: u32 = 64;
/// Maximum sleep, after which a change without a notification is noticed.
const MAX_SLEEP: Duration = Duration::from_secs(5);
/// Pause while all due schedules are claimed by another scheduler.
const MIN_SLEEP: Duration = Duration::from_millis(50);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// Interval at which the broker is checked while it is away.
const BROKER_INTERVAL: Duration = Duration::from_millis(100);
/// The name of its health check.
const BROKER: &str = "scheduler broker";
const DATABASE: &str = "scheduler database";

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
    /// Starts the connection to the broker, which may complete later; nothing is published yet.
    ///
    /// # Errors
    /// [`SchedulerError`].
    pub async fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        broker: Broker,
    ) -> Result<Self, SchedulerError> {
        let installation_key = store.id_key().await?;
        let (ids, key) = (IdIssuer::new(&installation_key), broker.message_key(&installation_key));
        let broker_shutdown = CancellationToken::new();
        // Runs are few; one channel also keeps the order of each schedule.
        let publisher = broker.publisher("scheduler", NonZeroU8::MIN, key, broker_shutdown.clone());
        let alerts = Watcher::build(settings, store.clone(), snapshot.clone(), broker.clone(), ids.clone())?;
        let publishing = Publishing { publisher, broker, ids, snapshot: snapshot.clone() };
        health.expect(BROKER);
        health.expect(DATABASE);
        Ok(Self { clock: Clock { publishing, store, snapshot, health, broker_shutdown }, alerts })
    }

    /// Publishes due runs and evaluates alert rules, until shutdown. Work that has begun is finished first.
    ///
    /// # Errors
    /// None at present; operations that fail while running are repeated.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), SchedulerError> {
        // They are independent: a slow notification does not delay runs.
        let alerts = tokio::spawn(self.alerts.run_until(shutdown.clone()));
        self.clock.run_until(&shutdown).await;
        // It catches its own panics.
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
        // Runs are not claimed while they cannot be published.
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
