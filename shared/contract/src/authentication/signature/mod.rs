//! `authentication: { signature: ... }`: callers sign the body.

mod read;
mod scheme;

pub(super) use read::{read, schema};
pub use scheme::{Claim, CodeEncoding, HmacAlgorithm, HmacScheme, Sender, SignatureError, SignatureScheme, TOLERANCE};

use super::{AuthenticationType, CallToProve, Choice, Instruction, KeyUse, OutcomeReaders, Refusal, SecurityScheme, Variants};
use serde_json::{Value, json};

/// Callers sign with a signing key that is granted to the integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The scheme of signatures.
    pub scheme: SignatureScheme,
}

/// The variant of a scheme that a definition writes out.
const HMAC: &str = "hmac";

pub(super) static CHOICE: Choice = Choice {
    name: "signature",
    label: "Signed",
    hint: "Callers sign the body with a key that both sides know.",
    variants: Some(Variants {
        field: "signed_by",
        label: "Signed as by",
        hint: "Another scheme: its header, hash and encoding are in the text.",
        choices: variants,
        write,
    }),
};

/// Examples of values of `authentication`.
pub(super) const EXAMPLES: &[&str] = &["{ signature: github }", "{ signature: { header: X-Signature } }"];

impl AuthenticationType for Signature {
    fn name(&self) -> &'static str {
        CHOICE.name
    }

    fn summary(&self) -> String {
        format!("signed ({})", self.scheme.name())
    }

    fn details(&self) -> String {
        format!("Signed ({}): {}", self.scheme.name(), self.scheme.header())
    }

    fn instruction(&self) -> Instruction {
        Instruction { text: format!("Takes calls that are signed ({})", self.scheme.name()), header: self.example() }
    }

    fn key_use(&self) -> Option<KeyUse> {
        Some(KeyUse::Signs)
    }

    fn outcome_readers(&self) -> OutcomeReaders {
        OutcomeReaders::KeyHolders
    }

    fn example(&self) -> Option<String> {
        Some(format!("{}: {}", self.scheme.header(), self.scheme.form()))
    }

    fn headers(&self, key: &str, call: &CallToProve<'_>) -> Vec<(String, String)> {
        self.scheme.sign(key, call.id, call.body, call.now)
    }

    /// A signature is valid for one body only, and its key cannot be derived from it.
    fn is_secret_header(&self, _: &str) -> bool {
        false
    }

    fn security_schemes(&self) -> Vec<SecurityScheme> {
        let header = self.scheme.header();
        // Fewer characters are allowed in names of components than in names of headers.
        let name_character = |one: char| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' };
        let name = format!("signature-{}", header.chars().map(name_character).collect::<String>());
        let description = format!("{}: {}, made of the body with a signing key.", self.scheme.name(), self.scheme.form());
        let scheme = json!({ "type": "apiKey", "in": "header", "name": header, "description": description });
        vec![SecurityScheme { name, scheme }]
    }

    fn refusals(&self) -> &'static [Refusal] {
        &[Refusal {
            status: 401,
            headers: &["WWW-Authenticate"],
            meaning: "Not signed, too long ago, or not with a signing key of this endpoint.",
        }]
    }

    fn variant(&self) -> Option<&'static str> {
        let found = Sender::WORDS.iter().find(|(_, sender)| self.scheme == SignatureScheme::Of(*sender));
        Some(found.map_or(HMAC, |(word, _)| word))
    }
}

fn variants() -> Vec<(&'static str, &'static str)> {
    Sender::WORDS.iter().map(|(word, sender)| (*word, sender.name())).chain([(HMAC, "Another scheme (HMAC)")]).collect()
}

/// Returns the value for a choice; a scheme that is written out stays unchanged if it is still the choice.
fn write(before: Option<Value>, chosen: &str) -> Value {
    let before = before.filter(Value::is_object);
    let scheme = before.as_ref().and_then(|before| before.get("signature"));
    let is_unchanged = scheme.is_some_and(|scheme| match chosen {
        HMAC => scheme.is_object(),
        "" => true,
        sender => scheme == sender,
    });
    match (before, chosen) {
        (Some(before), _) if is_unchanged => before,
        (_, HMAC) => json!({ "signature": { "header": "X-Signature" } }),
        (_, "") => json!({ "signature": "github" }),
        (_, sender) => json!({ "signature": sender }),
    }
}
