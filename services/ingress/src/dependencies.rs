//! The dependencies of handlers.

use crate::checks::CheckCache;
use crate::dispatch::BrokerDispatch;
use crate::documents::Documents;
use crate::limit::InFlight;
use crate::rate::Rates;
use crate::receive::BodyBudget;
use forebay_contract::IdIssuer;
use forebay_runtime::forwarding::TrustedProxies;
use forebay_runtime::telemetry::Traces;
use forebay_store::{SnapshotHandle, Store};
use std::time::Duration;

/// The dependencies of handlers, built alike in production and in tests.
pub(crate) struct Dependencies {
    pub(crate) snapshot: SnapshotHandle,
    pub(crate) store: Store,
    pub(crate) dispatch: BrokerDispatch,
    pub(crate) checks: CheckCache,
    pub(crate) ids: IdIssuer,
    pub(crate) in_flight: InFlight,
    pub(crate) rates: Rates,
    pub(crate) bodies: BodyBudget,
    pub(crate) documents: Documents,
    pub(crate) proxies: TrustedProxies,
    pub(crate) max_body_bytes: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) retention: Duration,
    /// True if callers without a valid key cannot tell missing names from names that need one.
    pub(crate) hides_names: bool,
    pub(crate) traces: Traces,
}
