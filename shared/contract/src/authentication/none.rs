//! `authentication: none`: anybody may call.

use super::{AuthenticationType, CallToProve, Choice, Instruction, KeyUse, OutcomeReaders, Refusal, SecurityScheme};

/// Anybody who can reach the address may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open;

pub(super) static CHOICE: Choice =
    Choice { name: "none", label: "Open", hint: "Anybody who reaches the address may call.", variants: None };

/// Examples of values of `authentication`.
pub(super) const EXAMPLES: &[&str] = &["none"];

impl AuthenticationType for Open {
    fn name(&self) -> &'static str {
        CHOICE.name
    }

    fn summary(&self) -> String {
        "open".to_owned()
    }

    fn details(&self) -> String {
        "None: it is open".to_owned()
    }

    fn instruction(&self) -> Instruction {
        Instruction { text: "Open: needs no API key".to_owned(), header: None }
    }

    fn key_use(&self) -> Option<KeyUse> {
        None
    }

    fn outcome_readers(&self) -> OutcomeReaders {
        OutcomeReaders::Anybody
    }

    fn example(&self) -> Option<String> {
        None
    }

    fn headers(&self, _: &str, _: &CallToProve<'_>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn is_secret_header(&self, _: &str) -> bool {
        false
    }

    fn security_schemes(&self) -> Vec<SecurityScheme> {
        Vec::new()
    }

    fn refusals(&self) -> &'static [Refusal] {
        &[]
    }

    fn variant(&self) -> Option<&'static str> {
        None
    }
}
