//! JSON Schemas of fields that several kinds of connection have.

use serde_json::{Value, json};

/// The field `authority` of `tls`.
pub(super) fn authority() -> Value {
    let about = "Certificates (PEM) of the authorities of which one must have signed the server's, for its name; no other is trusted. As \
                 text, { env: NAME } or { file: PATH }.";
    json!({ "description": about, "$ref": "#/$defs/secret" })
}

/// The field `certificate` of `tls`.
pub(super) fn certificate() -> Value {
    let about = "The server's own certificate (PEM) or its fingerprint, sha256:HEX: this one is trusted whatever its name, dates and \
                 authority are, and no other. As text, { env: NAME } or { file: PATH }.";
    json!({ "description": about, "$ref": "#/$defs/secret" })
}

/// A field that is a secret.
pub(super) fn secret(about: &str) -> Value {
    let description = format!("{about} As text, {{ env: NAME }} or {{ file: PATH }}; stored encrypted.");
    json!({ "$ref": "#/$defs/secret", "description": description })
}

/// A field that is a text.
pub(super) fn text(about: &str) -> Value {
    json!({ "description": about, "type": "string" })
}

/// The field `port`, without a default.
pub(super) fn port(about: &str) -> Value {
    json!({ "description": about, "type": "integer", "minimum": 1, "maximum": u16::MAX })
}

/// The address of an HTTP service.
pub(super) fn url(about: &str) -> Value {
    json!({ "description": about, "type": "string", "pattern": "^https?://[^@/]+(/.*)?$" })
}
