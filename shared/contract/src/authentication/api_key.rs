//! `authentication: api_key`: callers send an API key.

use super::{AuthenticationType, CallToProve, Choice, Instruction, KeyUse, OutcomeReaders, Refusal, SecurityScheme};
use serde_json::json;

/// Callers send an API key that is granted to the integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKey;

pub(super) static CHOICE: Choice =
    Choice { name: "api_key", label: "API key", hint: "Callers send X-API-Key, or Authorization: Bearer.", variants: None };

/// Examples of values of `authentication`.
pub(super) const EXAMPLES: &[&str] = &["api_key"];

impl AuthenticationType for ApiKey {
    fn name(&self) -> &'static str {
        CHOICE.name
    }

    fn summary(&self) -> String {
        "API key".to_owned()
    }

    fn details(&self) -> String {
        "API key".to_owned()
    }

    fn instruction(&self) -> Instruction {
        Instruction { text: "Needs an API key that is granted to it".to_owned(), header: None }
    }

    fn key_use(&self) -> Option<KeyUse> {
        Some(KeyUse::Sends)
    }

    fn outcome_readers(&self) -> OutcomeReaders {
        OutcomeReaders::KeyHolders
    }

    fn example(&self) -> Option<String> {
        Some("X-API-Key: KEY".to_owned())
    }

    fn headers(&self, key: &str, _: &CallToProve<'_>) -> Vec<(String, String)> {
        vec![("X-API-Key".to_owned(), key.to_owned())]
    }

    fn is_secret_header(&self, name: &str) -> bool {
        ["x-api-key", "authorization"].contains(&name)
    }

    fn security_schemes(&self) -> Vec<SecurityScheme> {
        vec![
            SecurityScheme { name: "apiKey".to_owned(), scheme: json!({ "type": "apiKey", "in": "header", "name": "X-API-Key" }) },
            SecurityScheme { name: "bearer".to_owned(), scheme: json!({ "type": "http", "scheme": "bearer" }) },
        ]
    }

    fn refusals(&self) -> &'static [Refusal] {
        &[
            Refusal { status: 401, headers: &["WWW-Authenticate"], meaning: "No API key, or one that is not valid here." },
            Refusal { status: 403, headers: &[], meaning: "The API key is valid, but not for this endpoint." },
        ]
    }

    fn variant(&self) -> Option<&'static str> {
        None
    }
}
