//! The methods of every authentication type, and the types that they return.

use crate::unix_time::UnixMicros;
use serde_json::Value;

/// An authentication type. No method has a default: a new type does not compile until it has all of them.
pub trait AuthenticationType {
    /// Returns the word, or the field, of definitions.
    fn name(&self) -> &'static str;

    /// Returns a short name, such as `signed (GitHub)`.
    fn summary(&self) -> String;

    /// Returns the [`summary`](Self::summary) with the value that callers send, for a separate line.
    fn details(&self) -> String;

    /// Returns an instruction for callers.
    fn instruction(&self) -> Instruction;

    /// Returns the use of a tenant's key by callers; `None`: they need no key.
    fn key_use(&self) -> Option<KeyUse>;

    /// Returns the callers that may read the outcomes of calls.
    fn outcome_readers(&self) -> OutcomeReaders;

    /// Returns an example of the header that authenticates callers, with placeholders for secrets; `None`: they need none.
    fn example(&self) -> Option<String>;

    /// Returns the headers of a call by the holder of `key`.
    fn headers(&self, key: &str, call: &CallToProve<'_>) -> Vec<(String, String)>;

    /// Returns true if a header of a call, by its name in lower case, contains a secret: messages, logs and history do not contain it.
    fn is_secret_header(&self, name: &str) -> bool;

    /// Returns the security schemes of OpenAPI, one of which a call must satisfy; empty: calls need none.
    fn security_schemes(&self) -> Vec<SecurityScheme>;

    /// Returns the responses to calls that are not authenticated, by status.
    fn refusals(&self) -> &'static [Refusal];

    /// Returns the variant that the form of a definition shows as chosen; `None`: the type has no [`Variants`].
    fn variant(&self) -> Option<&'static str>;
}

impl dyn AuthenticationType {
    /// Returns true if callers need a key of the tenant.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.key_use().is_some()
    }
}

/// The use of a tenant's key by callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// They send it: an API key, which is recorded as the caller and can ask for the outcome.
    Sends,
    /// They sign with it: a signing key, which is not sent and cannot ask for anything.
    Signs,
}

/// The callers that may read the outcomes of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeReaders {
    /// Everybody who knows the id of the execution.
    Anybody,
    /// Holders of an API key that is granted to the integration.
    KeyHolders,
}

/// A sentence for callers, without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The text.
    pub text: String,
    /// A header at the end of the sentence, shown as code.
    pub header: Option<String>,
}

/// The parts of a call that a proof covers.
#[derive(Debug, Clone, Copy)]
pub struct CallToProve<'c> {
    /// A unique id of the call, if the proof contains one.
    pub id: &'c str,
    /// The body.
    pub body: &'c [u8],
    /// The time of the call.
    pub now: UnixMicros,
}

/// A security scheme of OpenAPI 3.1.
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityScheme {
    /// Its name among the components.
    pub name: String,
    /// The Security Scheme Object.
    pub scheme: Value,
}

/// A response to calls that are not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The headers of the response.
    pub headers: &'static [&'static str],
    /// The problem.
    pub meaning: &'static str,
}

/// A type as a choice of the form of a definition.
#[derive(Debug)]
pub struct Choice {
    /// The word, or the field, of definitions.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// An explanation of one sentence.
    pub hint: &'static str,
    /// A second choice, if there is one.
    pub variants: Option<Variants>,
}

/// A second choice in a form, after the type.
#[derive(Debug)]
pub struct Variants {
    /// The name of the form's field.
    pub field: &'static str,
    /// Its label.
    pub label: &'static str,
    /// An explanation of one sentence.
    pub hint: &'static str,
    /// Values with their labels.
    pub choices: fn() -> Vec<(&'static str, &'static str)>,
    /// Returns the value of `authentication` for a choice; `before` is the value in the definition.
    pub write: fn(before: Option<Value>, chosen: &str) -> Value,
}
