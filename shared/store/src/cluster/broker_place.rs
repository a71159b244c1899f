//! The broker and the queue prefix of the installation: stored once, and compared by each process.

use crate::database::audit_event::{AuditEvent, Principal};
use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::pool::Store;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use uuid::Uuid;

const READ: &str = "read the broker of the installation";
const REGISTER: &str = "register the broker of the installation";

/// The broker and the queues of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlace {
    /// The name of the exchange that marks the broker. Each registration has a new one, so that the mark of an earlier broker proves
    /// nothing.
    pub mark: Uuid,
    /// The text before the name of every queue; may be empty.
    pub queue_prefix: String,
    /// Shared queues of each kind, at least 1.
    pub shared_queues: u16,
}

impl Store {
    /// Returns the stored place; `None`: no service has been started with this database yet.
    ///
    /// # Errors
    /// A database that is away or not migrated.
    pub async fn broker_place(&self) -> Result<Option<BrokerPlace>, StoreError> {
        let client = self.client(READ).await?;
        let sql = "select broker_mark, queue_prefix, shared_queues from installation";
        let row = client.query_opt(sql, &[]).await.map_err(StoreError::during(READ))?;
        Ok(row.as_ref().and_then(of_row))
    }

    /// Stores `place` where none is stored, and returns the place that is stored then. `mark` runs first and puts the mark on the broker. Of
    /// several processes at once, only the one whose place is stored runs it. After its error nothing is stored.
    ///
    /// # Errors
    /// Those of `mark`; a database that is away or not migrated.
    pub async fn register_broker_place<E: From<StoreError>>(
        &self,
        place: &BrokerPlace,
        mark: impl Future<Output = Result<(), E>>,
    ) -> Result<BrokerPlace, E> {
        let mut client = self.client(REGISTER).await?;
        let transaction = ChangeTransaction::begin(&mut client, REGISTER, NO_PART).await?;
        if let Some(stored) = locked(&transaction).await? {
            return Ok(stored);
        }
        mark.await?;
        save(&transaction, place).await?;
        transaction.commit_unaudited().await?;
        Ok(place.clone())
    }

    /// Stores `place` instead of `instead_of`, whose mark is on the broker already, with its entry in the audit log.
    ///
    /// # Errors
    /// [`StoreError::Changed`]: another place is stored by now; a database that is away or not migrated.
    pub async fn replace_broker_place(
        &self,
        place: &BrokerPlace,
        instead_of: Option<&BrokerPlace>,
        principal: &Principal,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut client = self.client(REGISTER).await?;
        let transaction = ChangeTransaction::begin(&mut client, REGISTER, NO_PART).await?;
        if locked(&transaction).await?.as_ref() != instead_of {
            return Err(StoreError::Changed { what: "the installation's broker".to_owned() });
        }
        save(&transaction, place).await?;
        transaction.commit(principal, std::slice::from_ref(event)).await
    }

    /// Returns every integration that may have had a queue of its own: those that are stored, and those that only the history of executions
    /// names.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn integrations_ever(&self) -> Result<Vec<Uuid>, StoreError> {
        let client = self.client(READ).await?;
        // From one id to the next by the index: reading millions of executions would take too long.
        let sql = "with recursive ids (id) as (
                       (select integration_id from executions order by integration_id limit 1)
                       union all
                       select (select e.integration_id from executions e where e.integration_id > ids.id order by e.integration_id limit 1)
                       from ids where ids.id is not null)
                   select id from ids where id is not null union select id from integrations";
        let rows = client.query(sql, &[]).await.map_err(StoreError::during(READ))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Returns the stored place, locked until the transaction ends.
async fn locked(transaction: &Transaction<'_>) -> Result<Option<BrokerPlace>, StoreError> {
    let sql = "select broker_mark, queue_prefix, shared_queues from installation for update";
    let row = transaction.query_opt(sql, &[]).await.map_err(StoreError::during(REGISTER))?;
    let row = row.ok_or(StoreError::NotFound { what: "the installation's row".to_owned() })?;
    Ok(of_row(&row))
}

async fn save(transaction: &Transaction<'_>, place: &BrokerPlace) -> Result<(), StoreError> {
    let sql = "update installation set broker_mark = $1, queue_prefix = $2, shared_queues = $3, registered_at = now()";
    let shared_queues = i32::from(place.shared_queues);
    let saved = transaction.execute(sql, &[&place.mark, &place.queue_prefix, &shared_queues]).await;
    saved.map(drop).map_err(StoreError::during(REGISTER))
}

fn of_row(row: &tokio_postgres::Row) -> Option<BrokerPlace> {
    // Constraints of the table: either all of them are null or none is, and the number fits.
    Some(BrokerPlace {
        mark: row.get::<_, Option<Uuid>>("broker_mark")?,
        queue_prefix: row.get::<_, Option<String>>("queue_prefix")?,
        shared_queues: row.get::<_, Option<i32>>("shared_queues")?.try_into().ok()?,
    })
}
