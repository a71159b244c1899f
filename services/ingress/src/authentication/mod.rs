//! Authentication: an [`Access`] results from a valid key, which is checked before the body is read, or from a signature over the body.
//!
//! Each type has a file, with the same name as in `forebay_contract::authentication`.

mod access;
mod api_key;
mod none;
mod signature;

pub(crate) use access::{Access, Caller, Credential, Head, has_ended};
pub(crate) use api_key::{presented_key, refuse_unknown};

use self::access::Check;
use crate::problem::Problem;
use forebay_contract::authentication::{Authentication, OutcomeReaders};
use forebay_contract::definition::Webhook;

fn check_of(authentication: &Authentication) -> &dyn Check {
    match authentication {
        Authentication::ApiKey(api_key) => api_key,
        Authentication::Signature(signature) => signature,
        Authentication::Open(open) => open,
    }
}

impl Caller {
    /// Reads the caller from the head of a call.
    pub(crate) fn of(webhook: &Webhook, head: Head<'_>) -> Result<Self, Problem> {
        check_of(&webhook.authentication).check_head(head)
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

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::authentication::KeyUse;
    use forebay_store::{ApiKey, LastUse};
    use std::collections::HashSet;
    use std::sync::Arc;
    use uuid::Uuid;

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
