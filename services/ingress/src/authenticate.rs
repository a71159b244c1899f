//! Authentication: an [`Access`] is had by a valid key, which is checked before the body is read, or by a signature over the body.

use crate::checks::LARGE_BODY;
use crate::problem::Problem;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use bytes::Bytes;
use forebay_contract::definition::{Authentication, Webhook};
use forebay_contract::signature::Claim;
use forebay_contract::{Name, UnixMicros};
use forebay_fairness::run_fairly;
use forebay_store::{ApiKey, Integration, SigningKey, Snapshot};
use std::sync::Arc;
use uuid::Uuid;

/// The header that carries an API key, besides `Authorization: Bearer`.
pub(crate) const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// An integration that the caller may use.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) integration: Arc<Integration>,
    pub(crate) credential: Credential,
}

/// Credential that a call was authenticated by.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// None: the endpoint is open.
    Open,
    /// An API key, which was sent.
    ApiKey(Arc<ApiKey>),
    /// A signing key.
    Signature(Arc<ApiKey>),
}

impl Credential {
    /// Returns the id of the key, of either kind.
    pub(crate) fn key(&self) -> Option<Uuid> {
        match self {
            Self::Open => None,
            Self::ApiKey(key) | Self::Signature(key) => Some(key.id),
        }
    }

    /// Returns the id that an execution records as its caller: only an API key can ask for the outcome later.
    pub(crate) fn caller(&self) -> Option<Uuid> {
        match self {
            Self::Open | Self::Signature(_) => None,
            Self::ApiKey(key) => Some(key.id),
        }
    }

    /// Returns whether the outcome of a call may be read. `caller`: the API key that called; absent: no API key did, and every
    /// credential that opens the integration reads the outcome.
    pub(crate) fn may_read(&self, caller: Option<Uuid>) -> bool {
        let Some(caller) = caller else { return true };
        match self {
            Self::Open => false,
            Self::ApiKey(key) | Self::Signature(key) => key.id == caller || key.reads_all_outcomes,
        }
    }
}

/// The caller, as far as it is known before the body is read.
pub(crate) enum Caller {
    /// It is known.
    Known(Access),
    /// Its signature is still to be checked.
    Signed(Signed),
}

/// A call with a signature that is still to be checked.
pub(crate) struct Signed {
    integration: Arc<Integration>,
    claim: Claim,
    keys: Vec<Arc<SigningKey>>,
}

impl Caller {
    /// Reads the caller from the head of a call.
    pub(crate) fn of(integration: Arc<Integration>, webhook: &Webhook, headers: &HeaderMap, snapshot: &Snapshot) -> Result<Self, Problem> {
        let Authentication::Signature(scheme) = &webhook.authentication else {
            return authenticate(integration, webhook, headers, snapshot).map(Self::Known);
        };
        let claim = scheme.claim(|name| headers.get(name)?.to_str().ok(), UnixMicros::now());
        let claim = claim.map_err(|error| Problem::not_signed(integration.definition.tenant.as_str(), scheme, &error))?;
        let keys = snapshot.signing_keys(integration.id).to_vec();
        Ok(Self::Signed(Signed { integration, claim, keys }))
    }
}

impl Signed {
    /// Checks the signature over the body.
    pub(crate) async fn check(self, body: &Bytes) -> Result<Access, Problem> {
        let Self { integration, claim, keys } = self;
        let signed = body.clone();
        let find = move || keys.iter().find(|key| claim.is_by(key.secret.expose(), &signed)).map(|signing| signing.key.clone());
        let found = match body.len() > LARGE_BODY {
            true => run_fairly(&integration.definition.tenant, find).await.map_err(|error| Problem::not_worked_on(&error))?,
            false => find(),
        };
        let tenant = integration.definition.tenant.as_str();
        match found {
            None => Err(Problem::wrong_signature(tenant)),
            Some(key) if has_ended(&key) => Err(Problem::ended_key(tenant)),
            Some(key) => {
                key.last_use.note(UnixMicros::now());
                Ok(Access { integration, credential: Credential::Signature(key) })
            }
        }
    }
}

/// Checks the caller's API key against the snapshot: a digest look-up, no I/O. A caller that signs its calls reads outcomes with such a key
/// too.
pub(crate) fn authenticate(
    integration: Arc<Integration>,
    webhook: &Webhook,
    headers: &HeaderMap,
    snapshot: &Snapshot,
) -> Result<Access, Problem> {
    if webhook.authentication == Authentication::None {
        return Ok(Access { integration, credential: Credential::Open });
    }
    let key = valid_key(integration.definition.tenant.as_str(), headers, snapshot)?;
    if !key.integrations.contains(&integration.id) {
        return Err(Problem::no_grant(&integration.definition.path().to_string()));
    }
    key.last_use.note(UnixMicros::now());
    Ok(Access { credential: Credential::ApiKey(key.clone()), integration })
}

/// The key of the tenant that the call carries.
fn valid_key<'a>(tenant: &str, headers: &HeaderMap, snapshot: &'a Snapshot) -> Result<&'a Arc<ApiKey>, Problem> {
    let Some(presented) = presented_key(headers) else { return Err(Problem::no_key(tenant)) };
    // Another tenant's key is no key here; that it exists is not for this caller to learn.
    match snapshot.key(tenant, presented) {
        Some(key) if has_ended(key) => Err(Problem::ended_key(tenant)),
        Some(key) => Ok(key),
        None => Err(Problem::wrong_key(tenant)),
    }
}

/// Refuses a call to a name that does not exist where names are hidden: as one to a name that needs a key.
pub(crate) fn refuse_unknown(tenant: &str, path: &str, headers: &HeaderMap, snapshot: &Snapshot) -> Problem {
    // A text that is not a valid name.
    if tenant.parse::<Name>().is_err() {
        return Problem::unknown_path(path);
    }
    valid_key(tenant, headers, snapshot).map_or_else(|problem| problem, |_| Problem::unknown_path(path))
}

/// Checks the key before anything else of an integration is shown, where names are hidden. An integration without a grant of the key is
/// unknown.
pub(crate) fn check_hidden(integration: &Integration, path: &str, headers: &HeaderMap, snapshot: &Snapshot) -> Result<(), Problem> {
    let key = valid_key(integration.definition.tenant.as_str(), headers, snapshot)?;
    if key.integrations.contains(&integration.id) { Ok(()) } else { Err(Problem::unknown_path(path)) }
}

/// Returns true if the key's time is over.
pub(crate) fn has_ended(key: &ApiKey) -> bool {
    key.expires_at.is_some_and(|end| UnixMicros::now() >= end)
}

/// The key that a call carries, in either header.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(API_KEY_HEADER) {
        return value.to_str().ok().map(str::trim).filter(|key| !key.is_empty());
    }
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    // Schemes are case-insensitive (RFC 9110, section 11.1).
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
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
        let (open, own, other) = (Credential::Open, Credential::ApiKey(key(1, false)), Credential::ApiKey(key(2, false)));
        let (all, own_and_all) = (Credential::ApiKey(key(2, true)), Credential::ApiKey(key(1, true)));
        let signed = Credential::Signature(key(2, false));
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
        for (credential, expected_key, caller) in
            [(Credential::Open, None, None), (Credential::ApiKey(key(1, false)), id, id), (Credential::Signature(key(1, false)), id, None)]
        {
            assert_eq!((credential.key(), credential.caller()), (expected_key, caller), "{credential:?}");
        }
    }

    #[test]
    fn a_key_is_found_in_either_header() {
        let key_of = |name: HeaderName, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            presented_key(&headers).map(str::to_owned)
        };
        assert_eq!(key_of(API_KEY_HEADER, "k1").as_deref(), Some("k1"));
        assert_eq!(key_of(AUTHORIZATION, "bearer  k1 ").as_deref(), Some("k1"));
        for value in ["Basic abc", "Bearer", "Bearer ", "", "k1"] {
            assert_eq!(key_of(AUTHORIZATION, value), None, "{value}");
        }
    }
}
