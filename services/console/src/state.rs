//! The state of the process that every request may use.

use crate::bulk_retry::Bulk;
use crate::device::Devices;
use crate::host_access::HostAccess;
use crate::oidc::Provider;
use crate::throttle::Throttle;
use forebay_contract::{Name, Secret};
use forebay_operations::{OperationError, Operations, Visible};
use forebay_runtime::forwarding::TrustedProxies;
use forebay_runtime::settings::TraceUrl;
use forebay_store::{ExecutionRow, OutcomeWatch, SnapshotHandle, TriggerPhase};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// The state of the process.
pub(crate) struct State {
    pub(crate) operations: Arc<Operations>,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) outcomes: OutcomeWatch,
    /// The client that sends test calls to the ingress.
    pub(crate) client: reqwest::Client,
    /// The public address of the ingress, without a slash at the end.
    pub(crate) ingress_url: String,
    /// The address at which this process reaches the ingress.
    pub(crate) ingress_internal_url: String,
    /// The address of a page that shows a trace, with `{trace}` for its id.
    pub(crate) trace_url: Option<TraceUrl>,
    /// True if the console is reached by HTTPS only.
    pub(crate) is_secure: bool,
    /// Proves that the user who creates the first administrator can read the log of this process.
    pub(crate) setup_code: Secret,
    pub(crate) throttle: Throttle,
    pub(crate) devices: Devices,
    /// Proxies whose headers contain the address of the client.
    pub(crate) proxies: TrustedProxies,
    /// True if a user exists; once true, it stays so.
    pub(crate) has_users: AtomicBool,
    /// Single sign-on; `None`: it is not set up.
    pub(crate) oidc: Option<Provider>,
    /// The access of the person at the host.
    pub(crate) host: Option<HostAccess>,
    pub(crate) bulk: Bulk,
    /// Ends streams.
    pub(crate) shutdown: CancellationToken,
}

impl State {
    /// Returns true if a user exists. It costs nothing once it is true, since everybody may cause it.
    pub(crate) async fn has_users(&self) -> Result<bool, OperationError> {
        if self.has_users.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let has_users = self.operations.store().has_users().await?;
        self.has_users.store(has_users, Ordering::Relaxed);
        Ok(has_users)
    }

    /// Returns the address of the trace of an execution; empty if it has none, or no page for traces is set.
    pub(crate) fn trace_of(&self, row: &ExecutionRow) -> String {
        let (Some(url), Some(trace)) = (&self.trace_url, row.trace) else { return String::new() };
        url.of(&trace.simple().to_string())
    }

    /// Returns the number of halted triggers of the visible tenants, from the snapshot.
    pub(crate) fn halted(&self, visible: &Visible) -> usize {
        let snapshot = self.snapshot.current();
        let is_halted = |id| snapshot.trigger_state(id).is_some_and(|state| state.phase == TriggerPhase::Halted);
        snapshot.integrations().filter(|one| visible.has(&one.definition.tenant) && is_halted(one.id)).count()
    }

    /// Returns the visible tenants that have integrations.
    pub(crate) fn tenants(&self, visible: &Visible) -> Vec<Name> {
        let snapshot = self.snapshot.current();
        let mut tenants: Vec<Name> =
            snapshot.integrations().map(|one| one.definition.tenant.clone()).filter(|name| visible.has(name)).collect();
        if let Visible::Only(named) = visible {
            tenants.extend(named.iter().cloned());
        }
        tenants.sort();
        tenants.dedup();
        tenants
    }
}
