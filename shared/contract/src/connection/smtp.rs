//! Connections to mail servers.

use super::read::{port, required, secret};
use super::tls::{Tls, secured, tls};
use super::{ConnectionType, ServerTrust};
use crate::fields::{Fields, Read};
use crate::mail_address::MailAddress;
use crate::secret::Secret;

pub(super) const NAME: &str = "smtp";

/// Fields that are secrets, under the kind's.
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
    /// Which certificate the server must show.
    pub trust: ServerTrust,
    /// User name and password; absent: no sign-in.
    pub login: Option<(String, Secret)>,
    /// The sender where a step names none.
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
    // A stored connection may have a sender that no step uses.
    if let Ok(text) = &from
        && !fields.is_stored()
        && let Err(error) = MailAddress::parse(text)
    {
        fields.problem("from", error.to_string());
    }
    fields.finish();
    let (tls, trust) = tls?;
    // RFC 8314, section 3.3, and RFC 6409, section 3.1.
    let default_port = if tls == Tls::Require { 465 } else { 587 };
    Ok(SmtpConnection { host: host?, port: port?.unwrap_or(default_port), tls, trust, login: login?, from: from? })
}
