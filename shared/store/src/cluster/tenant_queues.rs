//! Shared queues that belong to one tenant, opened since it had a backlog on a queue that it shared with others.

use crate::cluster::declare::declared;
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::{Name, SharedQueueNumber};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// The lowest number of a queue that belongs to one tenant; the numbers of queues that tenants share are below.
pub const FIRST_TENANT_QUEUE: SharedQueueNumber = SharedQueueNumber::new(1000);
/// Maximum tenants with queues of their own: each pair of quorum queues costs the broker memory and throughput.
pub const MAX_TENANT_QUEUES: u16 = 200;

/// Time for which an answer of the store is used again.
const ASK_AGAIN_INTERVAL: Duration = Duration::from_secs(2);

/// Opens queues for tenants that have a backlog, with at most one request to the store for each tenant in 2 s. Cheap to clone.
#[derive(Clone)]
pub struct TenantQueueOpener {
    store: Store,
    declare: Arc<Declare>,
    requests: Arc<Mutex<HashMap<Name, Request>>>,
}

/// Declares the shared queues of a number at the broker; `false`: that failed.
type Declare = dyn Fn(SharedQueueNumber) -> BoxFuture<'static, bool> + Send + Sync;

/// A request to the store, and its result once it is there.
#[derive(Clone)]
struct Request {
    at: Instant,
    number: Arc<OnceCell<Option<SharedQueueNumber>>>,
}

impl TenantQueueOpener {
    /// Returns an opener. `declare` declares the shared queues of a number at the broker, and returns `false` when that fails.
    #[must_use]
    pub fn new<D: Future<Output = bool> + Send + 'static>(
        store: Store,
        declare: impl Fn(SharedQueueNumber) -> D + Send + Sync + 'static,
    ) -> Self {
        Self { store, declare: Arc::new(move |number| declare(number).boxed()), requests: Arc::default() }
    }

    /// Asks for queues of the tenant in the background. The snapshot has them once they are open.
    pub fn ask(&self, tenant: &Name) {
        let (opener, tenant) = (self.clone(), tenant.clone());
        tokio::spawn(async move { opener.open(&tenant).await });
    }

    /// Returns the number of the tenant's queues, and opens them where there are none. `None`: the store refused a moment ago.
    pub async fn open(&self, tenant: &Name) -> Option<SharedQueueNumber> {
        let number = {
            let mut requests = self.requests.lock();
            requests.retain(|_, request| request.at.elapsed() < ASK_AGAIN_INTERVAL);
            let new = || Request { at: Instant::now(), number: Arc::default() };
            requests.entry(tenant.clone()).or_insert_with(new).number.clone()
        };
        *number.get_or_init(|| self.open_now(tenant)).await
    }

    async fn open_now(&self, tenant: &Name) -> Option<SharedQueueNumber> {
        match self.store.open_tenant_queue(tenant, |number| (self.declare)(number)).await {
            Ok(Some(number)) => {
                tracing::info!(forebay.tenant = %tenant, queue = number.get(), "the tenant has a backlog: queues of its own were opened");
                Some(number)
            }
            Ok(None) => {
                tracing::warn!(
                    forebay.tenant = %tenant,
                    "the tenant has a backlog on a queue that it shares; {MAX_TENANT_QUEUES} tenants, the maximum, have queues of their own"
                );
                None
            }
            Err(error) => {
                tracing::warn!(forebay.tenant = %tenant, %error, "no queues could be opened for a tenant with a backlog; trying again");
                None
            }
        }
    }
}

impl Store {
    /// Gives the tenant queues of its own, effective on every process within a second, and returns their number; `None`:
    /// [`MAX_TENANT_QUEUES`] tenants have some already. A tenant that has some keeps them.
    ///
    /// New queues are declared at the broker before any process sees them: RabbitMQ 3.10 answers a second declaration before the queue
    /// has started, and closes the connection of a consumer then (`rabbit_quorum_queue:consume/3`, `noproc`).
    ///
    /// # Errors
    /// Those of the database, and [`StoreError::NotDeclared`] when `declare` returns `false` or takes more than 5 s.
    pub async fn open_tenant_queue<D>(
        &self,
        tenant: &Name,
        declare: impl FnOnce(SharedQueueNumber) -> D,
    ) -> Result<Option<SharedQueueNumber>, StoreError>
    where
        D: Future<Output = bool>,
    {
        let operation = "open the queues of a tenant";
        let failed = StoreError::during(operation);
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::TenantQueues]).await?;
        let select = "select number from tenant_queues where tenant = $1";
        if let Some(row) = transaction.query_opt(select, &[&tenant.as_str()]).await.map_err(failed)? {
            return number(row.get(0)).map(Some);
        }
        let open = "insert into tenant_queues (tenant, number)
                    select $1, coalesce(max(number) + 1, $2) from tenant_queues having count(*) < $3 returning number";
        let (first, max) = (i32::from(FIRST_TENANT_QUEUE.get()), i64::from(MAX_TENANT_QUEUES));
        let Some(row) = transaction.query_opt(open, &[&tenant.as_str(), &first, &max]).await.map_err(failed)? else {
            return Ok(None);
        };
        let opened = number(row.get(0))?;
        declared(declare(opened)).await?;
        transaction.commit_unaudited().await?;
        Ok(Some(opened))
    }

    /// Returns the numbers of all queues that belong to one tenant, with their tenants, by number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tenant_queues(&self) -> Result<Vec<(Name, SharedQueueNumber)>, StoreError> {
        let operation = "list the queues of tenants";
        let client = self.client(operation).await?;
        let sql = "select tenant, number from tenant_queues order by number";
        let rows = client.query(sql, &[]).await.map_err(StoreError::during(operation))?;
        rows.iter().map(|row| Ok((row.name("tenant")?, number(row.get("number"))?))).collect()
    }
}

/// Returns the number of each tenant's own queues.
pub(crate) async fn load(transaction: &Transaction<'_>) -> Result<HashMap<Arc<str>, SharedQueueNumber>, StoreError> {
    let rows = transaction.query("select tenant, number from tenant_queues", &[]).await.map_err(StoreError::during("load a snapshot"))?;
    rows.iter().map(|row| Ok((row.get::<_, &str>("tenant").into(), number(row.get("number"))?))).collect()
}

fn number(stored: i32) -> Result<SharedQueueNumber, StoreError> {
    u16::try_from(stored).map(SharedQueueNumber::new).map_err(|_| StoreError::damaged("number of a tenant's queue"))
}
