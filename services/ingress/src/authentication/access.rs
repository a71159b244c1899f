//! Callers, and the check of calls that each authentication type implements.

use crate::checks::LARGE_BODY;
use crate::problem::Problem;
use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use forebay_contract::UnixMicros;
use forebay_contract::authentication::KeyUse;
use forebay_fairness::run_fairly;
use forebay_store::{ApiKey, Integration, Snapshot};
use std::sync::Arc;
use uuid::Uuid;

/// Checks calls of one authentication type. No method has a default.
pub(super) trait Check {
    /// Reads the caller from the head of a call.
    fn check_head(&self, head: Head<'_>) -> Result<Caller, Problem>;

    /// Refuses a caller who must not learn that the endpoint exists, where names are hidden. `path` is the path of the call.
    fn check_hidden(&self, head: Head<'_>, path: &str) -> Result<(), Problem>;
}

/// A call before its body is read.
#[derive(Clone, Copy)]
pub(crate) struct Head<'c> {
    pub(crate) integration: &'c Arc<Integration>,
    pub(crate) headers: &'c HeaderMap,
    pub(crate) snapshot: &'c Snapshot,
}

impl Head<'_> {
    pub(super) fn tenant(&self) -> &str {
        self.integration.definition.tenant.as_str()
    }

    pub(super) fn access(&self, credential: Credential) -> Access {
        Access { integration: self.integration.clone(), credential }
    }
}

/// An integration that the caller may call, and the credential.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) integration: Arc<Integration>,
    pub(crate) credential: Credential,
}

/// The credential that authenticated a call.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// No credential: the endpoint is open.
    Open,
    /// A key, and how it was used.
    Key(Arc<ApiKey>, KeyUse),
}

impl Credential {
    /// Returns the id of the key, of either kind.
    pub(crate) fn key(&self) -> Option<Uuid> {
        match self {
            Self::Open => None,
            Self::Key(key, KeyUse::Sends | KeyUse::Signs) => Some(key.id),
        }
    }

    /// Returns the id that an execution records as its caller: only an API key can ask for the outcome later.
    pub(crate) fn caller(&self) -> Option<Uuid> {
        match self {
            Self::Open | Self::Key(_, KeyUse::Signs) => None,
            Self::Key(key, KeyUse::Sends) => Some(key.id),
        }
    }

    /// Returns true if the outcome of a call may be read. `caller` is the API key that called; if absent, no API key called, and every
    /// credential that opens the integration may read the outcome.
    pub(crate) fn may_read(&self, caller: Option<Uuid>) -> bool {
        let Some(caller) = caller else { return true };
        match self {
            Self::Open => false,
            Self::Key(key, KeyUse::Sends | KeyUse::Signs) => key.id == caller || key.reads_all_outcomes,
        }
    }
}

/// The caller, as far as it is known before the body is read.
pub(crate) enum Caller {
    /// The caller is known.
    Known(Access),
    /// The caller is known once the body is checked.
    Unverified(Unverified),
}

/// A call that is authenticated by its body.
pub(crate) struct Unverified {
    pub(super) integration: Arc<Integration>,
    pub(super) proof: Box<dyn Proof>,
}

/// The proof in the head of a call, such as a signature.
pub(super) trait Proof: Send {
    /// Checks the proof over the body.
    fn verify(&self, body: &[u8]) -> Result<Credential, Problem>;
}

impl Unverified {
    /// Checks the proof over the body.
    pub(crate) async fn verify(self, body: &Bytes) -> Result<Access, Problem> {
        let Self { integration, proof } = self;
        let verified = if body.len() > LARGE_BODY {
            let body = body.clone();
            let verify = move || proof.verify(&body);
            run_fairly(&integration.definition.tenant, verify).await.map_err(|error| Problem::not_worked_on(&error))?
        } else {
            proof.verify(body)
        };
        Ok(Access { integration, credential: verified? })
    }
}

/// Returns true if the key has expired.
pub(crate) fn has_ended(key: &ApiKey) -> bool {
    key.expires_at.is_some_and(|end| UnixMicros::now() >= end)
}

/// The problem of an expired key; only its holder receives it.
pub(super) fn ended_key(realm: &str) -> Problem {
    let detail = "The key has expired. Ask the operator to extend it or to create a new one.";
    Problem::unauthorized("Key expired", detail, format!("Bearer realm=\"{realm}\", error=\"invalid_token\""))
}
