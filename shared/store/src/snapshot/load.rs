//! Loading a snapshot from the database. Only changed parts are read and parsed again.

use crate::access::api_key::{ApiKey, LastUse};
use crate::access::digests;
use crate::access::signing::{self, SigningKey};
use crate::cluster::{paused_queues, tenant_queues};
use crate::database::change_transaction::Part;
use crate::database::pool::Store;
use crate::database::row::ReadRow;
use crate::definitions::integrations::Integration;
use crate::definitions::tenants;
use crate::error::StoreError;
use crate::history::diagnoses;
use crate::remote::remote_connections;
use crate::seal::SecretKeys;
use crate::snapshot::Snapshot;
use crate::triggers::{pauses, trigger_states};
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

const OPERATION: &str = "load a snapshot";

/// The generation of each part that the snapshot holds; below every stored one at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Generations {
    integrations: i64,
    keys: i64,
    triggers: i64,
    tenants: i64,
    connections: i64,
    diagnostics: i64,
    tenant_queues: i64,
    pauses: i64,
}

const NOTHING: Generations =
    Generations { integrations: -1, keys: -1, triggers: -1, tenants: -1, connections: -1, diagnostics: -1, tenant_queues: -1, pauses: -1 };

/// The newest snapshot, and the generations of its parts.
pub(crate) struct Loader {
    store: Store,
    loaded: Generations,
    snapshot: Arc<Snapshot>,
}

impl Loader {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, loaded: NOTHING, snapshot: Arc::default() }
    }

    /// Returns the new snapshot if something has changed.
    pub(crate) async fn refresh(&mut self) -> Result<Option<Arc<Snapshot>>, StoreError> {
        let mut client = self.store.client(OPERATION).await?;
        let stored = read_generations(&client).await?;
        if stored == self.loaded {
            return Ok(None);
        }
        let failed = StoreError::during(OPERATION);
        // All parts as they were at one moment: a key never comes before the integration that it opens.
        let transaction =
            client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await.map_err(failed)?;
        let stored = read_generations(&transaction).await?;
        let mut next = Snapshot::clone(&self.snapshot);
        if stored.integrations != self.loaded.integrations {
            load_integrations(&transaction, &mut next, self.loaded.integrations, stored.integrations).await?;
        }
        if stored.keys != self.loaded.keys {
            load_keys(&transaction, self.store.secret_keys.as_deref(), &mut next).await?;
        }
        if stored.triggers != self.loaded.triggers {
            next.triggers = Arc::new(trigger_states::load_halted(&transaction).await?);
        }
        if stored.tenants != self.loaded.tenants {
            next.docs = Arc::new(tenants::load(&transaction).await?);
        }
        if stored.connections != self.loaded.connections {
            next.connections = Arc::new(remote_connections::load(&transaction).await?);
        }
        if stored.diagnostics != self.loaded.diagnostics {
            next.diagnoses = Arc::new(diagnoses::load(&transaction).await?);
        }
        if stored.tenant_queues != self.loaded.tenant_queues {
            next.tenant_queues = Arc::new(tenant_queues::load(&transaction).await?);
        }
        if stored.pauses != self.loaded.pauses {
            next.pauses = Arc::new(pauses::load(&transaction).await?);
            next.paused_queues = Arc::new(paused_queues::load(&transaction).await?);
        }
        transaction.rollback().await.map_err(failed)?;
        next.generation += 1;
        self.snapshot = Arc::new(next);
        self.loaded = stored;
        Ok(Some(self.snapshot.clone()))
    }
}

async fn read_generations(client: &impl deadpool_postgres::GenericClient) -> Result<Generations, StoreError> {
    let failed = StoreError::during(OPERATION);
    let statement = client.prepare_cached("select part, generation from snapshot_generations").await.map_err(failed)?;
    let rows = client.query(&statement, &[]).await.map_err(failed)?;
    let of = |part: Part| rows.iter().find(|row| row.get::<_, &str>("part") == part.as_str()).map_or(0, |row| row.get("generation"));
    Ok(Generations {
        integrations: of(Part::Integrations),
        keys: of(Part::Keys),
        triggers: of(Part::Triggers),
        tenants: of(Part::Tenants),
        connections: of(Part::Connections),
        diagnostics: of(Part::Diagnostics),
        tenant_queues: of(Part::TenantQueues),
        pauses: of(Part::Pauses),
    })
}

/// Brings the integrations from the generation `loaded` to `stored`. A database that was restored from a backup is older than what is
/// loaded, and is read whole.
async fn load_integrations(transaction: &Transaction<'_>, next: &mut Snapshot, loaded: i64, stored: i64) -> Result<(), StoreError> {
    let failed = StoreError::during(OPERATION);
    let since = if stored < loaded { NOTHING.integrations } else { loaded };
    if since == NOTHING.integrations {
        next.tenants.clear();
        next.integrations.clear();
        // The first load of a large installation may take longer than a statement of daily work.
        transaction.batch_execute("set local statement_timeout = '60s'").await.map_err(failed)?;
    }
    let sql = format!(
        "select i.tenant, i.name, {} from integrations i
         join integration_versions v on v.integration_id = i.id and v.version = i.current_version where i.changed > $1",
        Integration::COLUMNS
    );
    let statement = transaction.prepare_cached(&sql).await.map_err(failed)?;
    for row in transaction.query(&statement, &[&since]).await.map_err(failed)? {
        put_integration(next, &row);
    }
    Ok(())
}

fn put_integration(next: &mut Snapshot, row: &Row) {
    let (id, tenant, name): (Uuid, &str, &str) = (row.get("id"), row.get("tenant"), row.get("name"));
    match Integration::of_row(row) {
        Ok(integration) => {
            let integration = Arc::new(integration);
            next.integrations.insert(id, integration.clone());
            if !next.tenants.contains_key(tenant) {
                next.tenants.insert(tenant.into(), HashMap::new());
            }
            if let Some(names) = next.tenants.get_mut(tenant) {
                names.insert(name.into(), integration);
            }
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(
                integration.tenant = tenant,
                integration.name = name,
                integration.version = row.get::<_, i32>("current_version"),
                error = %error,
                cause,
                "an integration is left out, and its calls get 404: this process cannot read its definition. Apply the integration again with the field \
                 that the cause names corrected, or upgrade this process if a newer Forebay wrote the definition"
            );
            next.integrations.remove(&id);
            if let Some(names) = next.tenants.get_mut(tenant) {
                names.remove(name);
            }
        }
    }
}

/// Loads all keys: there are few, and deleted ones must go. Keys that have not changed keep their allocation.
async fn load_keys(transaction: &Transaction<'_>, secrets: Option<&SecretKeys>, next: &mut Snapshot) -> Result<(), StoreError> {
    let failed = StoreError::during(OPERATION);
    let sql = "select k.digest, k.id, k.tenant, k.label, k.expires_at, k.sealed, k.sealed_by, k.reads_all_outcomes,
                   array(select g.integration_id from api_key_grants g where g.key_id = k.id) as integrations
               from api_keys k";
    let statement = transaction.prepare_cached(sql).await.map_err(failed)?;
    let rows = transaction.query(&statement, &[]).await.map_err(failed)?;
    let before: HashMap<Uuid, Arc<ApiKey>> = next.keys().map(|key| (key.id, key.clone())).collect();
    let mut keys: HashMap<[u8; 32], Vec<Arc<ApiKey>>> = HashMap::with_capacity(rows.len());
    let mut signing: HashMap<Uuid, Vec<Arc<SigningKey>>> = HashMap::new();
    for row in rows {
        let digest: &[u8] = row.get("digest");
        let digest: [u8; 32] = digest.try_into().map_err(|_| StoreError::damaged("key digest"))?;
        let id = row.get("id");
        let key = ApiKey {
            id,
            tenant: row.name("tenant")?,
            label: row.get("label"),
            integrations: row.get::<_, Vec<Uuid>>("integrations").into_iter().collect(),
            expires_at: row.optional_time("expires_at"),
            reads_all_outcomes: row.get("reads_all_outcomes"),
            last_use: LastUse::default(),
        };
        let key = match before.get(&id) {
            Some(before) if **before == key => before.clone(),
            _ => Arc::new(key),
        };
        let (Some(sealed), Some(by)) = (row.get::<_, Option<&[u8]>>("sealed"), row.get::<_, Option<&[u8]>>("sealed_by")) else {
            keys.entry(digest).or_default().push(key);
            continue;
        };
        match signing::open(secrets, &key.tenant, id, sealed, by) {
            Ok(secret) => {
                let opened = Arc::new(SigningKey { key, secret });
                for integration in &opened.key.integrations {
                    signing.entry(*integration).or_default().push(opened.clone());
                }
            }
            Err(error) => {
                let (label, tenant) = (key.label.as_str(), key.tenant.as_str());
                tracing::error!(key.label = label, key.tenant = tenant, %error, "a signing key is left out: calls signed with it get 401");
            }
        }
    }
    next.pasted = match digests::load(transaction, secrets).await {
        Ok(pasted) => pasted,
        Err(error @ (StoreError::Invalid { .. } | StoreError::Damaged { .. })) => {
            tracing::error!(%error, "keys that were pasted are left out: calls with them get 401");
            None
        }
        Err(error) => return Err(error),
    };
    (next.keys, next.signing) = (Arc::new(keys), Arc::new(signing));
    Ok(())
}
