//! Who may call a webhook.
//!
//! Each authentication type is one file: how definitions write it, what people and programs are told of it, and how a caller uses it. The
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

/// Declares the types in the order in which people see them. A line gives the variant, which holds the type of the same name, and the
/// module, which has its `DECLARATION`.
macro_rules! types {
    ($($(#[$about:meta])* $variant:ident in $module:ident),+ $(,)?) => {
        /// Who may call a webhook. Everything that differs by type is a method of [`AuthenticationType`].
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
    /// Anybody: the definition says so.
    Open in none,
}

/// One authentication type. No method has a default: a new type does not compile before all of it is decided.
pub trait AuthenticationType {
    /// The word, or the field, by which definitions name it.
    fn name(&self) -> &'static str;

    /// Names it in a few words, such as `signed (GitHub)`.
    fn summary(&self) -> String;

    /// As [`summary`](Self::summary), with what callers send: for a line of its own.
    fn details(&self) -> String;

    /// Says to callers what to do.
    fn instruction(&self) -> Instruction;

    /// How callers use a key of the tenant; `None`: they need no key.
    fn key_use(&self) -> Option<KeyUse>;

    /// Who reads the outcomes of calls.
    fn outcome_readers(&self) -> OutcomeReaders;

    /// The header with which callers prove who they are, with words in the place of what is secret; `None`: they need none.
    fn example(&self) -> Option<String>;

    /// The headers of a call by the holder of `key`.
    fn headers(&self, key: &str, call: &CallToProve<'_>) -> Vec<(String, String)>;

    /// Whether a header of a call, by its name in small letters, holds what is secret: it is in no message, no log and no history.
    fn is_secret_header(&self, name: &str) -> bool;

    /// The security schemes of OpenAPI of which a call must fulfil one; empty: calls need none.
    fn security_schemes(&self) -> Vec<SecurityScheme>;

    /// The answers to calls that are not authenticated, by their status.
    fn refusals(&self) -> &'static [Refusal];

    /// The variant that the form of a definition shows as chosen; `None`: the type has no [`Variants`].
    fn variant(&self) -> Option<&'static str>;
}

impl dyn AuthenticationType {
    /// Whether callers need a key of the tenant.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.key_use().is_some()
    }
}

/// How callers use a key of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// They send it: an API key, which is recorded as the caller and can ask for the outcome.
    Sends,
    /// They sign with it: a signing key, which is not sent and cannot ask for anything.
    Signs,
}

/// Who reads the outcomes of an endpoint's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeReaders {
    /// Who knows the id of the execution.
    Anybody,
    /// Holders of an API key that is granted to the integration.
    KeyHolders,
}

/// A sentence for callers, without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The words.
    pub text: String,
    /// A header line that the sentence ends with, as code.
    pub header: Option<String>,
}

/// The parts of a call that a proof is made of.
#[derive(Debug, Clone, Copy)]
pub struct CallToProve<'c> {
    /// Unique id of the call, where the proof has one.
    pub id: &'c str,
    /// The body.
    pub body: &'c [u8],
    /// When the call is made.
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

/// An answer to calls that are not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Headers that say more.
    pub headers: &'static [&'static str],
    /// The problem.
    pub meaning: &'static str,
}

/// A type as a choice of the form of a definition.
#[derive(Debug)]
pub struct Choice {
    /// The word, or the field, by which definitions name it.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// One sentence.
    pub hint: &'static str,
    /// A second choice, where there is one.
    pub variants: Option<Variants>,
}

/// The second choice of a form, after that of the type.
#[derive(Debug)]
pub struct Variants {
    /// Name of the form's field.
    pub field: &'static str,
    /// Its label.
    pub label: &'static str,
    /// One sentence.
    pub hint: &'static str,
    /// Values with their labels.
    pub choices: fn() -> Vec<(&'static str, &'static str)>,
    /// The value of `authentication` for a choice. `before`: the value that the definition has.
    pub write: fn(before: Option<Value>, chosen: &str) -> Value,
}

/// How definitions write a type.
struct Declaration {
    choice: Choice,
    written: Written,
    /// Examples of what `authentication` can be, for messages and tests: all objects of the type are in one of them.
    examples: &'static [&'static str],
}

/// Either a word, or an object with a field of the type's name.
enum Written {
    /// The value of the word.
    Word(fn() -> Authentication),
    /// The reader of the field, and its part of the JSON Schema.
    Field(fn(&Fields<'_>) -> Read<Authentication>, fn() -> KindSchema),
}

impl Authentication {
    /// Where a definition says nothing.
    #[must_use]
    pub fn usual() -> Self {
        Self::ApiKey(ApiKey)
    }

    /// The types as choices, in the order in which people see them.
    pub fn choices() -> impl Iterator<Item = &'static Choice> {
        DECLARATIONS.iter().map(|declaration| &declaration.choice)
    }

    /// The choice that this one is.
    #[must_use]
    pub fn is_choice(&self, choice: &Choice) -> bool {
        self.name() == choice.name
    }
}

/// Documents with each example, as it is declared.
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
