//! The limit of calls in flight in this process.

use crate::problem::Problem;
use crate::shares::{Bound, Holder, Refused, Share, Shares};
use forebay_contract::Name;

/// Maximum calls of a tenant, as a multiple of the calls that are still free.
const TENANT_SHARE: usize = 4;

/// Counts calls from their admission to their response.
#[derive(Clone)]
pub(crate) struct InFlight {
    calls: Shares,
    max: usize,
}

/// A call in flight; dropping it frees its place, after the response or when the caller hangs up.
pub(crate) struct InFlightCall(#[expect(dead_code, reason = "its drop makes room")] Share);

impl InFlight {
    pub(crate) fn new(max: usize) -> Self {
        Self { calls: Shares::new(max), max }
    }

    pub(crate) fn enter(&self, tenant: &Name) -> Result<InFlightCall, Problem> {
        let bound = Bound { holder: Holder::Tenant(tenant.clone()), numerator: TENANT_SHARE, denominator: 1 };
        let mut call = self.calls.share([Some(bound), None, None, None]);
        match call.grow(1) {
            Ok(()) => Ok(InFlightCall(call)),
            Err(Refused::UsedUp) => Err(Problem::too_many(self.max)),
            Err(Refused::Bound(_)) => Err(Problem::too_many_of_tenant(tenant.as_str())),
        }
    }

    pub(crate) fn now(&self) -> usize {
        self.calls.held()
    }
}
