//! The authentication of a webhook's callers.
//!
//! Each authentication type has a file: its form in definitions, its descriptions for people and programs, and how a caller uses it. The
//! ingress has a file of the same name, which checks calls.

mod api_key;
mod authentication_type;
mod none;
mod read;
mod schema;
mod signature;

pub use api_key::ApiKey;
pub use authentication_type::{
    AuthenticationType, CallToProve, Choice, Instruction, KeyUse, OutcomeReaders, Refusal, SecurityScheme, Variants,
};
pub use none::Open;
pub(crate) use read::read;
pub(crate) use schema::schema;
pub use signature::{Claim, CodeEncoding, HmacAlgorithm, HmacScheme, Sender, Signature, SignatureError, SignatureScheme, TOLERANCE};

use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use std::fmt;
use std::ops::Deref;

/// Declares the types in the order of pages. A line gives the variant, whose type has the same name, the module, which has its `CHOICE` and
/// `EXAMPLES`, and the form in definitions: `as word`, or `as object` with the `read` and `schema` of the module.
macro_rules! types {
    ($($(#[$about:meta])* $variant:ident in $module:ident as $form:ident),+ $(,)?) => {
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

        static DECLARATIONS: [Declaration; [$(stringify!($variant)),+].len()] = [$(Declaration {
            choice: &$module::CHOICE,
            written: written!($form, $variant, $module),
            examples: $module::EXAMPLES,
        }),+];
    };
}

macro_rules! written {
    (word, $variant:ident, $module:ident) => {
        Written::Word(|| Authentication::$variant($variant))
    };
    (object, $variant:ident, $module:ident) => {
        Written::Object(|fields| $module::read(fields).map(Authentication::$variant), $module::schema)
    };
}

types! {
    /// A holder of an API key that is granted to the integration.
    ApiKey in api_key as word,
    /// A caller that signs with a signing key that is granted to the integration.
    Signature in signature as object,
    /// Anybody, as the definition explicitly says.
    Open in none as word,
}

/// The form of a type in definitions.
struct Declaration {
    choice: &'static Choice,
    written: Written,
    /// Examples of values of `authentication`, for messages and tests: they cover all objects of the type.
    examples: &'static [&'static str],
}

/// Either a word, or an object with a field named after the type.
enum Written {
    /// The value of the word.
    Word(fn() -> Authentication),
    /// The reader of the object, and its part of the JSON Schema.
    Object(fn(&Fields<'_>) -> Read<Authentication>, fn() -> KindSchema),
}

impl Authentication {
    /// Returns the default of definitions.
    #[must_use]
    pub fn usual() -> Self {
        Self::ApiKey(ApiKey)
    }

    /// Returns the types as choices, in the order of pages.
    pub fn choices() -> impl Iterator<Item = &'static Choice> {
        DECLARATIONS.iter().map(|declared| declared.choice)
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
    DECLARATIONS.iter().flat_map(|declared| declared.examples).map(document)
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}
