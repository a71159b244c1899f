//! The integrations that have queues for paused calls.

use crate::cluster::declare::declared;
use crate::database::change_transaction::{ChangeTransaction, Part};
use crate::database::pool::Store;
use crate::error::StoreError;
use deadpool_postgres::GenericClient;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Mutex;
use uuid::Uuid;

/// Opens queues for paused calls, once for each integration. Cheap to clone.
#[derive(Clone)]
pub struct PausedQueueOpener {
    store: Store,
    declare: Arc<Declare>,
    /// The integrations whose queues are open. Locked while queues are opened, since a pause concerns many deliveries at once.
    open: Arc<Mutex<HashSet<Uuid>>>,
}

/// Declares the queues of an integration at the broker; `false`: that failed.
type Declare = dyn Fn(Uuid) -> BoxFuture<'static, bool> + Send + Sync;

impl PausedQueueOpener {
    /// Returns an opener. `declare` declares the queues of an integration at the broker, and returns `false` when that fails.
    #[must_use]
    pub fn new<D: Future<Output = bool> + Send + 'static>(store: Store, declare: impl Fn(Uuid) -> D + Send + Sync + 'static) -> Self {
        Self { store, declare: Arc::new(move |integration| declare(integration).boxed()), open: Arc::default() }
    }

    /// Returns once the queues of the integration are open.
    ///
    /// # Errors
    /// Those of the database, and [`StoreError::NotDeclared`].
    pub async fn open(&self, integration: Uuid) -> Result<(), StoreError> {
        let mut open = self.open.lock().await;
        if !open.contains(&integration) {
            self.store.open_paused_queues(integration, (self.declare)(integration)).await?;
            open.insert(integration);
        }
        Ok(())
    }
}

impl Store {
    /// Returns the integrations that have queues for paused calls, in no order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn paused_queues(&self) -> Result<HashSet<Uuid>, StoreError> {
        let client = self.client("list the queues of paused calls").await?;
        load(&client).await
    }

    /// Records that an integration has queues for paused calls, after they are declared at the broker.
    async fn open_paused_queues(&self, integration: Uuid, declaration: impl Future<Output = bool>) -> Result<(), StoreError> {
        let operation = "open the queues of paused calls";
        let mut client = self.client(operation).await?;
        let transaction = ChangeTransaction::begin(&mut client, operation, &[Part::Pauses]).await?;
        let sql = "insert into paused_queues (integration_id) values ($1) on conflict do nothing";
        transaction.execute(sql, &[&integration]).await.map_err(StoreError::during(operation))?;
        declared(declaration).await?;
        transaction.commit_unaudited().await
    }
}

/// Returns the integrations that have queues for paused calls.
pub(crate) async fn load(client: &impl GenericClient) -> Result<HashSet<Uuid>, StoreError> {
    let rows = client.query("select integration_id from paused_queues", &[]).await;
    Ok(rows.map_err(StoreError::during("load the queues of paused calls"))?.iter().map(|row| row.get("integration_id")).collect())
}
