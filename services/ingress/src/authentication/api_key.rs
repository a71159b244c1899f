//! Calls that carry an API key.

use super::access::{Access, Caller, Check, Credential, Head, ended_key, has_ended};
use crate::problem::Problem;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use forebay_contract::authentication::{ApiKey as ByApiKey, KeyUse};
use forebay_contract::{Name, UnixMicros};
use forebay_store::{ApiKey, Snapshot};
use std::sync::Arc;

/// The header that carries an API key, besides `Authorization: Bearer`.
const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

impl Check for ByApiKey {
    fn check_head(&self, head: Head<'_>) -> Result<Caller, Problem> {
        access(head).map(Caller::Known)
    }

    /// Where names are hidden, an endpoint that the key may not call is answered as an unknown one.
    fn check_hidden(&self, head: Head<'_>, path: &str) -> Result<(), Problem> {
        let key = valid_key(head.tenant(), head.headers, head.snapshot)?;
        if key.integrations.contains(&head.integration.id) { Ok(()) } else { Err(Problem::unknown_path(path)) }
    }
}

/// Checks the API key against the snapshot: a digest look-up, no I/O.
pub(super) fn access(head: Head<'_>) -> Result<Access, Problem> {
    let key = valid_key(head.tenant(), head.headers, head.snapshot)?;
    if !key.integrations.contains(&head.integration.id) {
        return Err(Problem::no_grant(&head.integration.definition.path().to_string()));
    }
    key.last_use.note(UnixMicros::now());
    Ok(head.access(Credential::Key(key.clone(), KeyUse::Sends)))
}

/// Refuses a call to a name that does not exist where names are hidden: the response is that of a name that needs a key.
pub(crate) fn refuse_unknown(tenant: &str, path: &str, headers: &HeaderMap, snapshot: &Snapshot) -> Problem {
    // The text is not a valid name.
    if tenant.parse::<Name>().is_err() {
        return Problem::unknown_path(path);
    }
    valid_key(tenant, headers, snapshot).map_or_else(|problem| problem, |_| Problem::unknown_path(path))
}

/// Returns the key of the tenant that the call carries.
fn valid_key<'a>(tenant: &str, headers: &HeaderMap, snapshot: &'a Snapshot) -> Result<&'a Arc<ApiKey>, Problem> {
    let Some(presented) = presented_key(headers) else { return Err(no_key(tenant)) };
    // The key of another tenant is not valid here, and the caller must not learn that it exists.
    match snapshot.key(tenant, presented) {
        Some(key) if has_ended(key) => Err(ended_key(tenant)),
        Some(key) => Ok(key),
        None => Err(wrong_key(tenant)),
    }
}

/// Returns the key that a call carries, in either header.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(API_KEY_HEADER) {
        return value.to_str().ok().map(str::trim).filter(|key| !key.is_empty());
    }
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    // Schemes are case-insensitive (RFC 9110, section 11.1).
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

fn no_key(realm: &str) -> Problem {
    let detail = "This endpoint needs an API key: send it as 'X-API-Key: KEY' or 'Authorization: Bearer KEY'.";
    Problem::unauthorized("API key needed", detail, format!("Bearer realm=\"{realm}\""))
}

fn wrong_key(realm: &str) -> Problem {
    let detail = "The API key is not valid here. Check that it is complete and was not deleted.";
    Problem::unauthorized("API key not valid", detail, format!("Bearer realm=\"{realm}\", error=\"invalid_token\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

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
