//! All that accepting a call needs to know, in memory.

pub(crate) mod connections;
pub(crate) mod load;
pub(crate) mod watch;

use crate::access::api_key::ApiKey;
use crate::access::digests::{PastedDigests, key_digest};
use crate::access::signing::SigningKey;
use crate::definitions::integrations::Integration;
use crate::definitions::tenants::DocsAccess;
use crate::remote::remote_connections::SealedConnection;
use crate::triggers::pauses::{Paused, Pauses};
use crate::triggers::trigger_states::TriggerState;
use forebay_contract::{Name, SharedQueueNumber, UnixMicros};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// The installation at one moment. Look-ups do no I/O, and those that a call needs allocate nothing.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(crate) tenants: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Integration>>>,
    pub(crate) integrations: HashMap<Uuid, Arc<Integration>>,
    /// API keys by digest. In earlier versions several tenants could paste the same value, which then has several keys.
    pub(crate) keys: Arc<HashMap<[u8; 32], Vec<Arc<ApiKey>>>>,
    /// The key for digests of pasted keys; `None`: there is none, or this process cannot decrypt it.
    pub(crate) pasted: Option<PastedDigests>,
    /// Signing keys by integration.
    pub(crate) signing: Arc<HashMap<Uuid, Vec<Arc<SigningKey>>>>,
    pub(crate) triggers: Arc<HashMap<Uuid, TriggerState>>,
    pub(crate) docs: Arc<HashMap<Arc<str>, DocsAccess>>,
    pub(crate) connections: Arc<HashMap<(Name, Name), Arc<SealedConnection>>>,
    pub(crate) diagnoses: Arc<HashMap<Uuid, UnixMicros>>,
    pub(crate) tenant_queues: Arc<HashMap<Arc<str>, SharedQueueNumber>>,
    pub(crate) pauses: Arc<Pauses>,
    /// The integrations that have queues for paused calls.
    pub(crate) paused_queues: Arc<HashSet<Uuid>>,
    pub(crate) generation: u64,
}

impl Snapshot {
    /// Returns an installation with these integrations and halts and nothing else: for programs without a database, and for tests.
    #[must_use]
    pub fn of(integrations: impl IntoIterator<Item = Integration>, halts: HashMap<Uuid, TriggerState>) -> Self {
        let mut snapshot = Self { triggers: Arc::new(halts), ..Self::default() };
        for integration in integrations {
            let integration = Arc::new(integration);
            let (tenant, name) = (integration.definition.tenant.as_str().into(), integration.definition.name.as_str().into());
            snapshot.integrations.insert(integration.id, integration.clone());
            snapshot.tenants.entry(tenant).or_default().insert(name, integration);
        }
        snapshot
    }

    /// Returns the integration at `/{tenant}/{name}`, enabled or not.
    #[must_use]
    pub fn integration(&self, tenant: &str, name: &str) -> Option<&Arc<Integration>> {
        self.tenants.get(tenant)?.get(name)
    }

    /// Returns the integrations of a tenant by name, disabled ones included; `None`: no such tenant has any.
    #[must_use]
    pub fn tenant_integrations(&self, tenant: &str) -> Option<Vec<&Arc<Integration>>> {
        let mut integrations: Vec<&Arc<Integration>> = self.tenants.get(tenant)?.values().collect();
        integrations.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        Some(integrations)
    }

    /// Returns the readers of the documents that are made of the tenant's definitions.
    #[must_use]
    pub fn docs_access(&self, tenant: &str) -> DocsAccess {
        self.docs.get(tenant).copied().unwrap_or_default()
    }

    /// Returns the integration with this id.
    #[must_use]
    pub fn integration_by_id(&self, id: Uuid) -> Option<&Arc<Integration>> {
        self.integrations.get(&id)
    }

    /// Returns the key of a tenant that a caller presents; a key of another tenant is none. The look-up is by digest, so that its duration
    /// reveals nothing about the keys.
    #[must_use]
    pub fn key(&self, tenant: &str, presented: &str) -> Option<&Arc<ApiKey>> {
        let of = |digest: [u8; 32]| self.keys.get(&digest)?.iter().find(|key| key.tenant.as_str() == tenant);
        of(key_digest(presented)).or_else(|| of(self.pasted.as_ref()?.of(tenant, presented)))
    }

    /// Returns the signing keys of an integration.
    #[must_use]
    pub fn signing_keys(&self, integration: Uuid) -> &[Arc<SigningKey>] {
        self.signing.get(&integration).map_or(&[], Vec::as_slice)
    }

    /// Returns all integrations, in no order.
    pub fn integrations(&self) -> impl ExactSizeIterator<Item = &Arc<Integration>> {
        self.integrations.values()
    }

    /// Returns all API keys and signing keys, in no order; a signing key once for each integration that it opens.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.keys.values().flatten().chain(self.signing.values().flatten().map(|signing| &signing.key))
    }

    /// Returns the number of API keys.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }

    /// Returns the halt of a trigger; `None`: it runs.
    #[must_use]
    pub fn trigger_state(&self, integration: Uuid) -> Option<&TriggerState> {
        self.triggers.get(&integration)
    }

    /// Returns the pause for which no execution of an integration starts, with its nearest cause; `None`: executions start.
    #[must_use]
    pub fn paused(&self, integration: Uuid) -> Option<Paused> {
        self.pause_of(self.integrations.get(&integration)?)
    }

    /// Returns the pause of an integration of this snapshot, as [`Self::paused`] does.
    #[must_use]
    pub fn pause_of(&self, integration: &Integration) -> Option<Paused> {
        self.pauses.of(integration)
    }

    /// Returns the integrations that have queues for paused calls, in no order.
    pub fn paused_queues(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.paused_queues.iter().copied()
    }

    /// Returns true if the integration has queues for paused calls.
    #[must_use]
    pub fn has_paused_queues(&self, integration: Uuid) -> bool {
        self.paused_queues.contains(&integration)
    }

    /// Returns a tenant's connection, encrypted as it is stored.
    #[must_use]
    pub fn connection(&self, tenant: &Name, name: &Name) -> Option<&Arc<SealedConnection>> {
        self.connections.get(&(tenant.clone(), name.clone()))
    }

    /// Returns the time until which every payload of the integration's executions is recorded; `None`: diagnostics are off.
    #[must_use]
    pub fn diagnosed_until(&self, integration: Uuid) -> Option<UnixMicros> {
        self.diagnoses.get(&integration).copied()
    }

    /// Returns the number of the shared queues that belong to this tenant alone; `None`: it shares queues with others.
    #[must_use]
    pub fn tenant_queue(&self, tenant: &str) -> Option<SharedQueueNumber> {
        self.tenant_queues.get(tenant).copied()
    }

    /// Returns the numbers of all shared queues that belong to one tenant, in no order.
    pub fn tenant_queues(&self) -> impl Iterator<Item = SharedQueueNumber> + '_ {
        self.tenant_queues.values().copied()
    }

    /// Returns the tenants that have integrations, in no order.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.iter().filter(|(_, integrations)| !integrations.is_empty()).map(|(tenant, _)| &**tenant)
    }

    /// Returns its number among the snapshots of this process, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }
}
