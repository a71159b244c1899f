//! What every request may use.

use crate::auth::HostAccess;
use crate::device::Devices;
use crate::oidc::Provider;
use crate::pages::bulk::Bulk;
use crate::throttle::Throttle;
use forebay_contract::Name;
use forebay_operations::{OperationError, Operations, Visible};
use forebay_runtime::forwarding::TrustedProxies;
use forebay_store::{ExecutionRow, OutcomeWatch, SnapshotHandle, TriggerPhase};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// One a process.
pub(crate) struct State {
    pub(crate) operations: Arc<Operations>,
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) outcomes: OutcomeWatch,
    /// Calls that people try go to the ingress by it.
    pub(crate) client: reqwest::Client,
    /// Where callers reach the ingress, without a slash at the end.
    pub(crate) ingress_url: String,
    /// Where this process reaches it.
    pub(crate) ingress_internal_url: String,
    /// Where a trace is shown, with `{trace}` for its id.
    pub(crate) trace_url: Option<String>,
    /// Whether people reach the console by HTTPS only.
    pub(crate) is_secure: bool,
    /// Proves that who makes the first administrator reads this process's log.
    pub(crate) setup_code: String,
    pub(crate) throttle: Throttle,
    pub(crate) devices: Devices,
    /// Proxies whose headers say who calls.
    pub(crate) proxies: TrustedProxies,
    /// Somebody can sign in: once known, it is so for good.
    pub(crate) has_users: AtomicBool,
    /// Single sign-on, where it is set up.
    pub(crate) oidc: Option<Provider>,
    /// Who may act as the person at the host.
    pub(crate) host: Option<HostAccess>,
    pub(crate) bulk: Bulk,
    /// Ends what follows.
    pub(crate) shutdown: CancellationToken,
}

impl State {
    /// Returns whether anybody can sign in. Everybody may ask, so it costs nothing once it is so.
    pub(crate) async fn has_users(&self) -> Result<bool, OperationError> {
        if self.has_users.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let has_users = self.operations.store().has_users().await?;
        self.has_users.store(has_users, Ordering::Relaxed);
        Ok(has_users)
    }

    /// Where the trace of an execution is shown; empty: it is of none, or nobody has said where traces are kept.
    pub(crate) fn trace_of(&self, row: &ExecutionRow) -> String {
        let (Some(url), Some(trace)) = (&self.trace_url, row.trace) else { return String::new() };
        url.replace("{trace}", &trace.simple().to_string())
    }

    /// Halted triggers among the tenants that somebody sees, without asking the database.
    pub(crate) fn halted(&self, seen: &Visible) -> usize {
        let snapshot = self.snapshot.current();
        let is_halted = |id| snapshot.trigger_state(id).is_some_and(|state| state.phase == TriggerPhase::Halted);
        snapshot.integrations().filter(|one| seen.has(&one.definition.tenant) && is_halted(one.id)).count()
    }

    /// The tenants that somebody sees and that have integrations.
    pub(crate) fn tenants(&self, seen: &Visible) -> Vec<Name> {
        let snapshot = self.snapshot.current();
        let mut tenants: Vec<Name> =
            snapshot.integrations().map(|one| one.definition.tenant.clone()).filter(|name| seen.has(name)).collect();
        if let Visible::Only(named) = seen {
            tenants.extend(named.iter().cloned());
        }
        tenants.sort();
        tenants.dedup();
        tenants
    }
}
