//! Builds the worker and runs it until shutdown.

use crate::adapters::{PublishedExecutions, StoredExecutions};
use crate::consuming::{Backlog, Consumption, InHand, Kind, Members, PausedQueues, Places, Stop, serve_all, serve_dead};
use crate::execution::{ExecutionParts, Executions, Running};
use crate::recording::{Announcer, RecordDestination, Recorder, Statistics, drain_spool};
use crate::store_health::StoreHealth;
use forebay_broker::{Broker, Publisher, PublisherState};
use forebay_contract::{IdIssuer, UnixMicros};
use forebay_runtime::health::Health;
use forebay_runtime::settings::Settings;
use forebay_runtime::shutdown::Shutdown;
use forebay_runtime::telemetry::Traces;
use forebay_store::{Connections, SecretKeys, SnapshotHandle, Store, StoreError, TenantQueueOpener, WorkerRow};
use forebay_workflow::{Engine, EngineError, EngineOptions};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Number of publishing channels: for replies and spooled outcomes.
const PUBLISHER_CHANNELS: NonZeroU8 = NonZeroU8::new(2).unwrap();
const OBSERVE_INTERVAL: Duration = Duration::from_millis(500);
/// Interval at which old partitions are dropped and new ones created; any worker does it for all.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(600);

/// The reason for which the worker could not be built.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The store could not be asked.
    #[error("the worker cannot be built")]
    Store(#[from] StoreError),
    /// The workflow engine could not be created.
    #[error("the workflow engine cannot be started")]
    Engine(#[from] EngineError),
}

/// A built worker.
pub struct Worker {
    consumption: Consumption,
    store: Store,
    snapshot: SnapshotHandle,
    announcer: Announcer,
    statistics: Statistics,
    running: Running,
    broker: Broker,
    settings: Settings,
    health: Health,
    broker_shutdown: CancellationToken,
    records: RecordDestination,
}

impl Worker {
    /// Creates the engine and starts the connection for replies; nothing is consumed yet.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn build(
        settings: &Settings,
        store: Store,
        snapshot: SnapshotHandle,
        health: Health,
        broker: Broker,
        traces: Traces,
    ) -> Result<Self, WorkerError> {
        let mut options = EngineOptions::default();
        // A call of a step continues the trace of its span.
        options.inject = Some(Arc::new(forebay_runtime::telemetry::current_traceparent));
        options.reach = settings.private_addresses.clone().into();
        options.tokens = Some(Arc::new(store.clone()));
        forebay_fairness::set_memory_budget(settings.worker_memory);
        let engine = Engine::new(options)?;
        let broker_shutdown = CancellationToken::new();
        let (consumers, replies) = (broker.consumers("worker"), broker.replies(broker_shutdown.clone()));
        let keys = settings.secret_key.as_ref().map(SecretKeys::from);
        let announcer = Announcer::default();
        let store_health = StoreHealth::default();
        let installation_key = store.id_key().await?;
        let key = broker.message_key(&installation_key);
        let publisher = broker.publisher("worker replies", PUBLISHER_CHANNELS, key.clone(), broker_shutdown.clone());
        let records =
            RecordDestination { store: store.clone(), health: store_health.clone(), publisher: publisher.clone(), key: key.clone() };
        let recorder = Recorder::start(records.clone(), announcer.clone());
        let (statistics, running) = (Statistics::default(), Running::default());
        let executions = Executions::new(ExecutionParts {
            engine,
            store: Arc::new(StoredExecutions { store: store.clone(), health: store_health, recorder }),
            broker: Arc::new(PublishedExecutions {
                publisher: publisher.clone(),
                replies,
                broker: broker.clone(),
                snapshot: snapshot.clone(),
            }),
            snapshot: snapshot.clone(),
            connections: Connections::new(snapshot.clone(), keys),
            ids: IdIssuer::new(&installation_key),
            statistics: statistics.clone(),
            running: running.clone(),
            worker: settings.worker_name.clone(),
            traces,
            execution_timeout: settings.execution_timeout,
        });
        health.expect("worker broker");
        let consumption = Consumption { executions: Arc::new(executions), consumers, publisher, key, in_hand: InHand::default() };
        let settings = settings.clone();
        Ok(Self { consumption, store, snapshot, announcer, statistics, running, broker, settings, health, broker_shutdown, records })
    }

    /// Consumes until shutdown, then waits for running executions, at most for the drain time.
    ///
    /// # Errors
    /// None at present; operations that fail while running are repeated.
    pub async fn run_until(self, shutdown: Shutdown) -> Result<(), WorkerError> {
        // Consuming begins when replies can be sent.
        tokio::select! {
            () = self.consumption.publisher.ready() => {}
            () = shutdown.wait() => {
                self.broker_shutdown.cancel();
                return Ok(());
            }
        }
        let stop = Stop { gently: shutdown.token(), now: CancellationToken::new() };
        let concurrency = usize::from(self.settings.worker_concurrency);
        let publisher = self.consumption.publisher.clone();
        let opener = TenantQueueOpener::new(self.store.clone(), move |number| publisher.clone().declare_shared(number));
        let paused = PausedQueues::new(self.store.clone(), self.consumption.publisher.clone(), self.snapshot.clone());
        let kinds = [true, false].map(|is_awaited| {
            let backlog = Backlog::new(self.broker.clone(), self.snapshot.clone(), opener.clone());
            Kind { is_awaited, places: Places::new(concurrency), count: concurrency, backlog, paused: paused.clone() }
        });
        for kind in &kinds {
            tokio::spawn(kind.backlog.clone().follow(self.broker_shutdown.clone()));
        }
        let shared = serve_all(self.consumption.clone(), kinds, self.broker.topology().clone(), self.snapshot.clone(), stop.clone());
        let mut tasks = vec![tokio::spawn(shared)];
        tasks.push(tokio::spawn(serve_dead(self.consumption.clone(), stop.clone())));
        let me = WorkerRow {
            id: Uuid::new_v4(),
            name: self.settings.worker_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: UnixMicros::now(),
            concurrency: self.settings.worker_concurrency.into(),
            running: 0,
            queues: Vec::new(),
            oldest: Vec::new(),
            oldest_of: Vec::new(),
            last_seen: UnixMicros::default(),
        };
        let statistics = self.statistics.clone().flush_until(self.store.clone(), me.id, self.broker_shutdown.clone());
        let announcing = self.announcer.clone().run_until(self.store.clone(), self.broker_shutdown.clone());
        let telling = tokio::spawn(async move { tokio::join!(statistics, announcing) });
        let members = Members {
            consumption: self.consumption.clone(),
            store: self.store.clone(),
            snapshot: self.snapshot.clone(),
            running: self.running.clone(),
            me,
            stop: stop.clone(),
        };
        tasks.push(tokio::spawn(members.run()));
        let Consumption { consumers, publisher, .. } = self.consumption.clone();
        let spool = tokio::spawn(drain_spool(self.records.clone(), consumers.clone(), self.broker_shutdown.clone()));
        let observer = tokio::spawn(observe(publisher, self.health.clone()));
        let maintainer = tokio::spawn(maintain(self.store.clone(), self.settings.retention));

        shutdown.wait().await;
        self.health.stopping();
        let drained = async {
            for task in &mut tasks {
                let _ = task.await;
            }
        };
        if shutdown.until_drain_deadline(drained).await.is_none() {
            tracing::warn!("executions still run at the end of the drain time; they will be delivered again");
            stop.now.cancel();
        }
        observer.abort();
        maintainer.abort();
        self.broker_shutdown.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(2), async { tokio::join!(spool, telling) }).await;
        consumers.close().await;
        Ok(())
    }
}

async fn observe(publisher: Publisher, health: Health) {
    loop {
        let (is_connected, detail) = match publisher.state() {
            PublisherState::Ready | PublisherState::Blocked => (true, "connected"),
            PublisherState::Away => (false, "no connection"),
            PublisherState::NotOfInstallation => (false, "not this installation's broker (the log says why)"),
        };
        health.set("worker broker", is_connected, detail);
        tokio::time::sleep(OBSERVE_INTERVAL).await;
    }
}

async fn maintain(store: Store, retention: Duration) {
    loop {
        if let Err(error) = store.maintain(UnixMicros::now(), retention).await {
            tracing::warn!(%error, "the history's partitions could not be maintained; trying again later");
        }
        tokio::time::sleep(MAINTENANCE_INTERVAL).await;
    }
}
