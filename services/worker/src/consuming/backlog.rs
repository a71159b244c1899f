//! Deliveries that wait in this worker for a place, by tenant, and their move to other queues when a tenant has too many.
//!
//! A queue that tenants share gives a worker a bounded number of messages. When most of these wait and are of one tenant, the calls of the
//! other tenants do not arrive. So a tenant with a backlog gets queues of its own, to which its waiting messages are moved; from then on
//! its calls are published there.

use forebay_broker::Broker;
use forebay_contract::{Name, SharedQueueNumber};
use forebay_store::{SnapshotHandle, TenantQueueOpener};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Maximum deliveries of one tenant that wait in this worker on a queue that it shares with others, before they are moved.
const MAX_WAITING: usize = 32;
/// Interval at which tenants with a backlog are checked, even when the snapshot has not changed.
const REVIEW_INTERVAL: Duration = Duration::from_secs(2);

/// The number of a shared queue to which a tenant's messages are to be moved; `None`: they stay.
type MoveTo = Option<SharedQueueNumber>;

/// The waiting deliveries of one kind of shared queue (calls or work). Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backlog {
    tenants: Arc<Tenants>,
    broker: Broker,
    snapshot: SnapshotHandle,
    opener: TenantQueueOpener,
}

type Tenants = Mutex<HashMap<Name, TenantBacklog>>;

struct TenantBacklog {
    waiting: usize,
    move_to: watch::Sender<MoveTo>,
}

/// A waiting delivery; it waits until this is dropped.
pub(crate) struct Waits {
    tenants: Arc<Tenants>,
    tenant: Name,
}

/// Notifies a waiting delivery that it is to be moved.
pub(crate) struct Relief(watch::Receiver<MoveTo>);

impl Backlog {
    /// Creates a backlog in which nothing waits.
    pub(crate) fn new(broker: Broker, snapshot: SnapshotHandle, opener: TenantQueueOpener) -> Self {
        Self { tenants: Arc::default(), broker, snapshot, opener }
    }

    /// Adds a waiting delivery of the tenant.
    pub(crate) fn wait(&self, tenant: &Name) -> (Waits, Relief) {
        let mut tenants = locked(&self.tenants);
        let backlog = tenants.entry(tenant.clone()).or_insert_with(|| TenantBacklog { waiting: 0, move_to: watch::Sender::new(None) });
        backlog.waiting += 1;
        let relief = Relief(backlog.move_to.subscribe());
        // `follow` checks the backlog again when more deliveries wait.
        if backlog.waiting == MAX_WAITING + 1 {
            self.relieve(tenant, backlog);
        }
        (Waits { tenants: self.tenants.clone(), tenant: tenant.clone() }, relief)
    }

    /// Moves waiting deliveries as soon as their tenant has queues of its own, until shutdown.
    pub(crate) async fn follow(self, shutdown: CancellationToken) {
        let mut snapshot = self.snapshot.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = snapshot.changed() => {}
                () = tokio::time::sleep(REVIEW_INTERVAL) => {}
            }
            for (tenant, backlog) in &*locked(&self.tenants) {
                if backlog.waiting > MAX_WAITING {
                    self.relieve(tenant, backlog);
                }
            }
        }
    }

    fn relieve(&self, tenant: &Name, backlog: &TenantBacklog) {
        if backlog.move_to.borrow().is_some() {
            return;
        }
        let snapshot = self.snapshot.current();
        match snapshot.tenant_queue(tenant.as_str()) {
            Some(own) => _ = backlog.move_to.send_replace(Some(own)),
            None if self.broker.topology().is_alone(tenant.as_str(), snapshot.tenants()) => {}
            None => self.opener.ask(tenant),
        }
    }
}

fn locked(tenants: &Tenants) -> MutexGuard<'_, HashMap<Name, TenantBacklog>> {
    // Nothing that can panic runs under the lock.
    tenants.lock()
}

impl Relief {
    /// Resolves with the number of the shared queue to which the delivery is to be moved, when that is another than `queue`.
    pub(crate) async fn moved_from(mut self, queue: SharedQueueNumber) -> SharedQueueNumber {
        let is_another = |move_to: &MoveTo| move_to.is_some_and(|number| number != queue);
        if let Ok(move_to) = self.0.wait_for(is_another).await
            && let Some(number) = *move_to
        {
            return number;
        }
        std::future::pending().await
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut tenants = locked(&self.tenants);
        let Some(backlog) = tenants.get_mut(&self.tenant) else { return };
        backlog.waiting -= 1;
        if backlog.waiting == 0 {
            tenants.remove(&self.tenant);
        }
    }
}
