//! The authentication of a webhook's callers.
//!
//! Each authentication type has a file: its form in definitions, its descriptions for people and programs, and how a caller uses it. The
//! ingress has a file of the same name, which checks calls.

mod api_key;
mod none;
mod read;
mod schema;
mod signature;

pub use api_key::ApiKey;
pub use none::Open;
pub(crate) use read::read;
pub(crate) use schema::schema;
pub use signature::{Claim, CodeEncoding, HmacAlgorithm, HmacScheme, Sender, Signature, SignatureError, SignatureScheme, TOLERANCE};

use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use crate::unix_time::UnixMicros;
use serde_json::Value;
use std::fmt;
use std::ops::Deref;

/// Declares the types in the order of pages. A line gives the variant, whose type has the same name, and the module, which has its
/// `DECLARATION`.
macro_rules! types {
    ($($(#[$about:meta])* $variant:ident in $module:ident),+ $(,)?) => {
        /// The authentication of a webhook's callers. Everything that differs by type is a method of [`AuthenticationType`].
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Authentication {
            $($(#[$about])* $variant($variant)),+
        }

        impl Deref for Authentication {
            type Target = dyn AuthenticationType;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$variant(one) => one),+
                }
            }
        }

        const DECLARATIONS: [&Declaration; [$(stringify!($variant)),+].len()] = [$(&$module::DECLARATION),+];
    };
}

types! {
    /// A holder of an API key that is granted to the integration.
    ApiKey in api_key,
    /// A caller that signs with a signing key that is granted to the integration.
    Signature in signature,
    /// Anybody, as the definition explicitly says.
    Open in none,
}

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

/// The form of a type in definitions.
struct Declaration {
    choice: Choice,
    written: Written,
    /// Examples of values of `authentication`, for messages and tests: they cover all objects of the type.
    examples: &'static [&'static str],
}

/// Either a word, or an object with a field named after the type.
enum Written {
    /// The value of the word.
    Word(fn() -> Authentication),
    /// The reader of the field, and its part of the JSON Schema.
    Field(fn(&Fields<'_>) -> Read<Authentication>, fn() -> KindSchema),
}

impl Authentication {
    /// Returns the default of definitions.
    #[must_use]
    pub fn usual() -> Self {
        Self::ApiKey(ApiKey)
    }

    /// Returns the types as choices, in the order of pages.
    pub fn choices() -> impl Iterator<Item = &'static Choice> {
        DECLARATIONS.iter().map(|declaration| &declaration.choice)
    }

    /// Returns true if it is of this choice.
    #[must_use]
    pub fn is_choice(&self, choice: &Choice) -> bool {
        self.name() == choice.name
    }
}

/// Returns documents with each example, as declared.
#[cfg(test)]
pub(crate) fn examples() -> impl Iterator<Item = String> {
    let document = |example| format!("tenant: t\nname: n\ntrigger: {{ webhook: {{ authentication: {example} }} }}");
    DECLARATIONS.into_iter().flat_map(|declared| declared.examples).map(document)
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}
