//! Connections to mail servers.

use super::field_readers::{port, required, secret};
use super::tls::{Tls, secured, tls};
use super::{ConnectionType, ServerTrust, described};
use crate::fields::{Fields, Read};
use crate::mail_address::MailAddress;
use crate::published::{KindSchema, exactly_one};
use crate::secret::Secret;
use serde_json::json;

pub(super) const NAME: &str = "smtp";

/// Secret fields, relative to the kind.
pub(super) const SECRETS: &[&[&str]] = &[&["password"]];

/// A mail server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SmtpConnection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Transport security.
    pub tls: Tls,
    /// The certificate that the server must present.
    pub trust: ServerTrust,
    /// User name and password; absent: no sign-in.
    pub login: Option<(String, Secret)>,
    /// The default sender of steps.
    pub from: String,
}

impl ConnectionType for SmtpConnection {
    fn as_str(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        let Self { host, port, tls, trust, login: _, from: _ } = self;
        vec![("host", host.clone()), ("port", port.to_string()), ("tls", secured(*tls, trust))]
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<SmtpConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let words = [("require", Tls::Require), ("starttls", Tls::StartTls), ("disable", Tls::Disable)];
    let tls = tls(&fields, &words, Tls::StartTls, &words[..2]);
    let port = port(&fields);
    let (username, password) = (fields.text("username"), secret(&fields, "password", false));
    let login = match (username, password) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(Some(username)), Ok(Some(password))) => Ok(Some((username, password))),
        (Ok(Some(_)), Ok(None)) => Err(fields.problem("password", "is required")),
        (Ok(None), Ok(Some(_))) => Err(fields.problem("username", "is required where a password is given")),
        (Err(reported), _) | (_, Err(reported)) => Err(reported),
    };
    let from = required(&fields, "from", "the sender, such as 'Forebay <forebay@example.com>'");
    // The sender of a stored connection may be invalid if no step uses it.
    if let Ok(text) = &from
        && !fields.is_stored()
        && let Err(error) = MailAddress::parse(text)
    {
        fields.problem("from", error.to_string());
    }
    fields.finish();
    let (tls, trust) = tls?;
    // The ports of RFC 8314, section 3.3, and RFC 6409, section 3.1.
    let default_port = if tls == Tls::Require { 465 } else { 587 };
    Ok(SmtpConnection { host: host?, port: port?.unwrap_or(default_port), tls, trust, login: login?, from: from? })
}

pub(super) fn schema() -> KindSchema {
    let trust = json!({
        "description": "Which certificate the mail server must show.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "mode": { "description": "When TLS begins.", "enum": ["require", "starttls"], "default": "starttls" },
            "authority": described::authority(),
            "certificate": described::certificate()
        },
        "oneOf": exactly_one(&["authority", "certificate"])
    });
    let connection = json!({
        "description": "A mail server.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "host": described::text("Host name or address."),
            "port": described::port("TCP port; default 465 with tls: require, else 587."),
            "tls": {
                "description": "Transport security. An object says which certificate is trusted.",
                "oneOf": [{ "enum": ["require", "starttls", "disable"] }, { "$ref": "#/$defs/mailServerTrust" }],
                "default": "starttls"
            },
            "username": described::text("User name; absent: no sign-in."),
            "password": described::secret("Password."),
            "from": described::text("The sender where a step names none.")
        },
        "required": ["host", "from"],
        "dependentRequired": { "username": ["password"], "password": ["username"] }
    });
    KindSchema::new(json!({ "$ref": "#/$defs/smtp" }), json!({ "mailServerTrust": trust, "smtp": connection }))
}

#[cfg(test)]
pub(super) const EXAMPLES: &[&str] = &[
    r#"smtp: { host: h, from: a@b.example, username: u, password: p, tls: { mode: require, authority: "-----BEGIN CERTIFICATE-----MIIBLjCB4aADAgECAhQIAvJMlusfsMTksA4DjfKLc5pDATAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkyMTU4MjRaGA8yMTI2MTEwNTIxNTgyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAI4tdMzRZs72BZu+ImLtdQYVQ1qrmUb7oOJgSJOewQgOo1MwUTAdBgNVHQ4EFgQUrXXyGLYHhOrIpyrc0NLo52WN2uQwHwYDVR0jBBgwFoAUrXXyGLYHhOrIpyrc0NLo52WN2uQwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBaG39+bDeKBLdnJs27pXTFt7+gl2XqDbyE73zSrPW6RwD9y3raSQQzJW3Pnx5bweWVpqbhWulPoxkAFohAu/wI-----END CERTIFICATE-----" } }"#,
];
