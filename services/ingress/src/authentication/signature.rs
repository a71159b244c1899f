//! Calls that are signed.

use super::access::{Caller, Check, Credential, Head, Proof, Unverified, ended_key, has_ended};
use crate::problem::Problem;
use forebay_contract::UnixMicros;
use forebay_contract::authentication::{Claim, KeyUse, Signature, SignatureError, SignatureScheme};
use forebay_store::SigningKey;
use std::sync::Arc;

impl Check for Signature {
    fn check_head(&self, head: Head<'_>) -> Result<Caller, Problem> {
        let claim = self.scheme.claim(|name| head.headers.get(name)?.to_str().ok(), UnixMicros::now());
        let claim = claim.map_err(|error| not_signed(head.tenant(), &self.scheme, &error))?;
        let keys = head.snapshot.signing_keys(head.integration.id).to_vec();
        let proof = Box::new(Signed { claim, keys, tenant: head.tenant().to_owned() });
        Ok(Caller::Unverified(Unverified { integration: head.integration.clone(), proof }))
    }

    /// The head of a call does not show whether its sender can sign, so every sender is told how to sign.
    fn check_hidden(&self, _: Head<'_>, _: &str) -> Result<(), Problem> {
        Ok(())
    }
}

/// A signature before its check.
struct Signed {
    claim: Claim,
    keys: Vec<Arc<SigningKey>>,
    tenant: String,
}

impl Proof for Signed {
    fn verify(&self, body: &[u8]) -> Result<Credential, Problem> {
        let found = self.keys.iter().find(|key| self.claim.is_by(key.secret.expose(), body)).map(|signing| &signing.key);
        let Some(key) = found else { return Err(wrong_signature(&self.tenant)) };
        if has_ended(key) {
            return Err(ended_key(&self.tenant));
        }
        key.last_use.note(UnixMicros::now());
        Ok(Credential::Key(key.clone(), KeyUse::Signs))
    }
}

fn not_signed(realm: &str, scheme: &SignatureScheme, error: &SignatureError) -> Problem {
    let detail = format!("This endpoint accepts only signed calls ({}): {error}.", scheme.name());
    let challenge = format!("Signature realm=\"{realm}\", header=\"{}\"", scheme.header());
    Problem::unauthorized("Signature needed", detail, challenge)
}

fn wrong_signature(realm: &str) -> Problem {
    let detail = "The signature matches no signing key of this endpoint, or the body was changed after it was signed.";
    Problem::unauthorized("Signature not valid", detail, format!("Signature realm=\"{realm}\", error=\"invalid_signature\""))
}
