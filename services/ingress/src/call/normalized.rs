//! The third stage: an envelope that is valid by the definition.

use super::authenticated::{Authenticated, Body};
use super::received::Call;
use crate::authentication::Access;
use crate::checks::Checks;
use crate::dependencies::Dependencies;
use crate::normalize::normalize;
use crate::problem::Problem;
use crate::shares::Share;
use forebay_contract::envelope::Envelope;
use std::sync::Arc;

/// A call as an envelope that is valid by its definition.
pub(super) struct Normalized<'r>(Parts<'r>);

/// The parts of a [`Normalized`] call.
pub(super) struct Parts<'r> {
    pub(super) call: Call<'r>,
    pub(super) access: Access,
    pub(super) envelope: Envelope,
    pub(super) checks: Option<Arc<Checks>>,
    pub(super) memory: Share,
}

impl<'r> Normalized<'r> {
    pub(super) async fn new(authenticated: Authenticated<'r>, dependencies: &Dependencies) -> Result<Self, Problem> {
        let (call, access, Body { bytes, memory }) = authenticated.into_parts();
        let webhook = call.endpoint.webhook;
        let id = dependencies.ids.issue(access.integration.id);
        let id = id.map_err(|_| Problem::internal("The system provides no random bytes for an execution id."))?;
        let envelope = normalize(&access, webhook, call.request, bytes, id, call.trace.clone())?;
        let checks = dependencies.checks.of(&access.integration, webhook)?;
        if let Some(checks) = &checks {
            checks.body(&envelope, webhook.max_bytes).await?;
        }
        Ok(Self(Parts { call, access, envelope, checks, memory }))
    }

    pub(super) fn into_parts(self) -> Parts<'r> {
        self.0
    }
}
