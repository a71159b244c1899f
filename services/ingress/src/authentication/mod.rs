//! Authentication: an [`Access`] results from a valid key, which is checked before the body is read, or from a signature over the body.
//!
//! Each type has a file, with the same name as in `forebay_contract::authentication`.

mod api_key;
mod none;
mod signature;

pub(crate) use api_key::{presented_key, refuse_unknown};

use crate::checks::LARGE_BODY;
use crate::problem::Problem;
use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use forebay_contract::UnixMicros;
use forebay_contract::authentication::{Authentication, KeyUse, OutcomeReaders};
use forebay_contract::definition::Webhook;
use forebay_fairness::run_fairly;
use forebay_store::{ApiKey, Integration, Snapshot};
use std::sync::Arc;
use uuid::Uuid;

/// Checks calls of one authentication type. No method has a default.
trait Check {
    /// Reads the caller from the head of a call.
    fn check_head(&self, head: Head<'_>) -> Result<Caller, Problem>;

    /// Refuses a caller who must not learn that the endpoint exists, where names are hidden. `path` is the path of the call.
    fn check_hidden(&self, head: Head<'_>, path: &str) -> Result<(), Problem>;
}

fn check_of(authentication: &Authentication) -> &dyn Check {
    match authentication {
        Authentication::ApiKey(api_key) => api_key,
        Authentication::Signature(signature) => signature,
        Authentication::Open(open) => open,
    }
}

/// A call before its body is read.
#[derive(Clone, Copy)]
pub(crate) struct Head<'c> {
    pub(crate) integration: &'c Arc<Integration>,
    pub(crate) headers: &'c HeaderMap,
    pub(crate) snapshot: &'c Snapshot,
}

impl Head<'_> {
    fn tenant(&self) -> &str {
        self.integration.definition.tenant.as_str()
    }

    fn access(&self, credential: Credential) -> Access {
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
    integration: Arc<Integration>,
    proof: Box<dyn Proof>,
}

/// The proof in the head of a call, such as a signature.
trait Proof: Send {
    /// Checks the proof over the body.
    fn verify(&self, body: &[u8]) -> Result<Credential, Problem>;
}

impl Caller {
    /// Reads the caller from the head of a call.
    pub(crate) fn of(webhook: &Webhook, head: Head<'_>) -> Result<Self, Problem> {
        check_of(&webhook.authentication).check_head(head)
    }
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

/// Authenticates a request for the outcome of a call: a digest look-up, no I/O. A caller that signs its calls also uses an API key for
/// this.
pub(crate) fn outcome_reader(webhook: &Webhook, head: Head<'_>) -> Result<Access, Problem> {
    match webhook.authentication.outcome_readers() {
        OutcomeReaders::Anybody => Ok(head.access(Credential::Open)),
        OutcomeReaders::KeyHolders => api_key::access(head),
    }
}

/// Checks a caller before the response reveals anything about an endpoint, where names are hidden.
pub(crate) fn check_hidden(webhook: &Webhook, head: Head<'_>, path: &str) -> Result<(), Problem> {
    check_of(&webhook.authentication).check_hidden(head, path)
}

/// Returns true if the key has expired.
pub(crate) fn has_ended(key: &ApiKey) -> bool {
    key.expires_at.is_some_and(|end| UnixMicros::now() >= end)
}

/// The problem of an expired key; only its holder receives it.
fn ended_key(realm: &str) -> Problem {
    let detail = "The key has expired. Ask the operator for a new one, or to move its end.";
    Problem::unauthorized("Key expired", detail, format!("Bearer realm=\"{realm}\", error=\"invalid_token\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_store::LastUse;
    use std::collections::HashSet;

    fn key(id: u128, reads_all_outcomes: bool) -> Arc<ApiKey> {
        Arc::new(ApiKey {
            id: Uuid::from_u128(id),
            tenant: "t".parse().unwrap(),
            label: "l".to_owned(),
            integrations: HashSet::new(),
            expires_at: None,
            reads_all_outcomes,
            last_use: LastUse::default(),
        })
    }

    #[test]
    fn an_outcome_is_for_the_key_that_called_or_one_that_reads_all() {
        let (open, own, other) =
            (Credential::Open, Credential::Key(key(1, false), KeyUse::Sends), Credential::Key(key(2, false), KeyUse::Sends));
        let (all, own_and_all) = (Credential::Key(key(2, true), KeyUse::Sends), Credential::Key(key(1, true), KeyUse::Sends));
        let signed = Credential::Key(key(2, false), KeyUse::Signs);
        for (caller, asking, may_read) in [
            (None, &open, true),
            (None, &own, true),
            (None, &all, true),
            (None, &signed, true),
            (Some(1), &open, false),
            (Some(1), &own, true),
            (Some(1), &own_and_all, true),
            (Some(1), &other, false),
            (Some(1), &all, true),
            (Some(1), &signed, false),
        ] {
            assert_eq!(asking.may_read(caller.map(Uuid::from_u128)), may_read, "{caller:?} {asking:?}");
        }
    }

    #[test]
    fn only_an_api_key_is_recorded_as_the_caller() {
        let id = Some(Uuid::from_u128(1));
        for (credential, expected_key, caller) in [
            (Credential::Open, None, None),
            (Credential::Key(key(1, false), KeyUse::Sends), id, id),
            (Credential::Key(key(1, false), KeyUse::Signs), id, None),
        ] {
            assert_eq!((credential.key(), credential.caller()), (expected_key, caller), "{credential:?}");
        }
    }
}
