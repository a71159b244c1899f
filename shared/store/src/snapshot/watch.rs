//! Keeps a snapshot fresh for as long as the process runs.

use crate::database::listen::{Backoff, CHANGED, Listener, ONE_WAKE};
use crate::database::pool::Store;
use crate::error::StoreError;
use crate::snapshot::Snapshot;
use crate::snapshot::load::Loader;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Options of watching.
#[derive(Debug, Clone, Copy)]
pub struct WatchOptions {
    /// Interval at which the database is read even without a notification.
    pub reconcile: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self { reconcile: Duration::from_secs(10) }
    }
}

/// The newest snapshot, in memory. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotHandle {
    shared: Arc<Shared>,
    generations: watch::Receiver<u64>,
}

struct Shared {
    snapshot: ArcSwap<Snapshot>,
    began: Instant,
    /// Milliseconds after `began` at which the snapshot last matched the database.
    confirmed: AtomicU64,
}

impl SnapshotHandle {
    /// Returns a snapshot that is always empty, for a process that serves no calls.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self::fixed(Snapshot::default())
    }

    /// Returns a snapshot that never changes.
    #[must_use]
    pub fn fixed(snapshot: Snapshot) -> Self {
        let shared = Shared { snapshot: ArcSwap::from_pointee(snapshot), began: Instant::now(), confirmed: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), generations: watch::channel(0).1 }
    }

    /// Returns the newest snapshot. Hold it for one call, not for longer.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// Returns the number of the newest snapshot of this process, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.generations.borrow()
    }

    /// Waits for a snapshot newer than the last one that this clone has waited for. Never returns after shutdown.
    pub async fn changed(&mut self) {
        if self.generations.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns the time since the snapshot was last known to equal the database: at most about the reconcile interval, unless the database
    /// is away.
    #[must_use]
    pub fn age(&self) -> Duration {
        let confirmed = Duration::from_millis(self.shared.confirmed.load(Ordering::Relaxed));
        self.shared.began.elapsed().saturating_sub(confirmed)
    }
}

impl Shared {
    fn confirm(&self, asked_at: Instant) {
        let millis = asked_at.saturating_duration_since(self.began).as_millis();
        self.confirmed.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Store {
    /// Loads the snapshot and keeps it fresh until shutdown: a change is effective within a second, and while the database is away the last
    /// snapshot serves. The first load is retried until it succeeds, whether the database is away or not yet migrated.
    ///
    /// # Errors
    /// [`StoreError::ShutDown`] when shutdown comes before the first load.
    pub async fn watch(&self, shutdown: CancellationToken, options: WatchOptions) -> Result<SnapshotHandle, StoreError> {
        let mut loader = Loader::new(self.clone());
        let began = Instant::now();
        let first = shutdown.run_until_cancelled(first_load(&mut loader)).await.ok_or(StoreError::ShutDown)?;
        let (sender, generations) = watch::channel(first.generation());
        let shared = Arc::new(Shared { snapshot: ArcSwap::new(first), began, confirmed: AtomicU64::new(0) });
        shared.confirm(Instant::now());
        let mut follower = Follower { loader, shared: shared.clone(), sender, options };
        let store = self.clone();
        tokio::spawn(async move {
            shutdown.run_until_cancelled(follower.run(&store)).await;
        });
        Ok(SnapshotHandle { shared, generations })
    }
}

async fn first_load(loader: &mut Loader) -> Arc<Snapshot> {
    let mut backoff = Backoff::new();
    let mut logged_at = None;
    loop {
        let error = match loader.refresh().await {
            Ok(Some(snapshot)) => return snapshot,
            // No stored generation equals the loader's first one, so the table is empty.
            Ok(None) => StoreError::damaged("table snapshot_generations"),
            Err(error) => error,
        };
        if logged_at.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(10)) {
            tracing::warn!(error = %error, cause = %cause(&error), "waiting for the database");
            logged_at = Some(Instant::now());
        }
        backoff.pause().await;
    }
}

fn cause(error: &StoreError) -> String {
    forebay_contract::causes(error).join(": ")
}

struct Follower {
    loader: Loader,
    shared: Arc<Shared>,
    sender: watch::Sender<u64>,
    options: WatchOptions,
}

impl Follower {
    async fn run(&mut self, store: &Store) {
        let mut backoff = Backoff::new();
        let mut lost_at = None;
        loop {
            match self.follow_connection(store, &mut backoff, &mut lost_at).await {
                Ok(()) => tracing::info!("the connection that listens for changes was lost"),
                Err(error) if lost_at.is_none() => {
                    tracing::warn!(error = %error, cause = %cause(&error), "the database is not available: the last snapshot serves");
                    lost_at = Some(Instant::now());
                }
                Err(_) => {}
            }
            backoff.pause().await;
        }
    }

    /// Listens over one connection until it is lost or a load fails.
    async fn follow_connection(&mut self, store: &Store, backoff: &mut Backoff, lost_at: &mut Option<Instant>) -> Result<(), StoreError> {
        let mut listener = Listener::open(&store.server, CHANGED, ONE_WAKE).await?;
        // Changes before the connection listened were not announced to it.
        self.refresh().await?;
        *backoff = Backoff::new();
        if let Some(lost_at) = lost_at.take() {
            tracing::info!(outage_ms = lost_at.elapsed().as_millis() as u64, "the database is available again");
        }
        loop {
            match tokio::time::timeout(self.options.reconcile, listener.notified()).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) if listener.is_alive().await => {}
                Err(_) => return Ok(()),
            }
            self.refresh().await?;
        }
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        let changed = self.loader.refresh().await?;
        self.shared.confirm(asked_at);
        if let Some(snapshot) = changed {
            let generation = snapshot.generation();
            self.shared.snapshot.store(snapshot);
            self.sender.send_replace(generation);
        }
        Ok(())
    }
}
