//! Connections to file servers.

use super::field_readers::{port, required, secret};
use super::{ConnectionType, described};
use crate::fields::{Fields, Read};
use crate::published::{KindSchema, exactly_one};
use crate::secret::Secret;
use serde_json::json;

pub(super) const NAME: &str = "sftp";

const DEFAULT_PORT: u16 = 22;

/// Secret fields, relative to the kind.
pub(super) const SECRETS: &[&[&str]] = &[&["password"], &["private_key"], &["passphrase"]];

/// A file server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SftpConnection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub username: String,
    /// The credentials of the user.
    pub login: SftpLogin,
    /// The host key's fingerprint, `SHA256:...` as `ssh-keygen -l` writes it.
    pub host_key: String,
    /// The folder of relative paths; empty: the home folder of the user.
    pub folder: String,
}

/// The credentials of a user of a file server.
#[derive(Debug, Clone, PartialEq)]
pub enum SftpLogin {
    /// A password.
    Password(Secret),
    /// A private key.
    PrivateKey {
        /// OpenSSH or PEM.
        key: Secret,
        /// The passphrase of the key; absent: the key is not encrypted.
        passphrase: Option<Secret>,
    },
}

impl ConnectionType for SftpConnection {
    fn as_str(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        let Self { host, port, username: _, login: _, host_key, folder: _ } = self;
        vec![("host", host.clone()), ("port", port.to_string()), ("host_key", host_key.clone())]
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<SftpConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let port = port(&fields);
    let username = required(&fields, "username", "the user name");
    let login = login(&fields);
    let host_key = required(&fields, "host_key", "the host key's fingerprint: `ssh-keyscan HOST | ssh-keygen -lf -` prints SHA256:...");
    if let Ok(key) = &host_key
        && !key.starts_with("SHA256:")
    {
        fields.problem("host_key", "must be a fingerprint such as SHA256:...");
    }
    let folder = fields.text_or_blank("folder");
    fields.finish();
    Ok(SftpConnection {
        host: host?,
        port: port?.unwrap_or(DEFAULT_PORT),
        username: username?,
        login: login?,
        host_key: host_key?,
        folder: folder?.unwrap_or_default(),
    })
}

fn login(fields: &Fields<'_>) -> Read<SftpLogin> {
    let (password, key) = (secret(fields, "password", false), secret(fields, "private_key", false));
    let passphrase = secret(fields, "passphrase", false);
    match (password?, key?, passphrase?) {
        (Some(password), None, None) => Ok(SftpLogin::Password(password)),
        (Some(password), None, Some(_)) if fields.is_stored() => Ok(SftpLogin::Password(password)),
        (Some(_), None, Some(_)) => Err(fields.problem("passphrase", "is for private_key: remove it, or use a key")),
        (None, Some(key), passphrase) => Ok(SftpLogin::PrivateKey { key, passphrase }),
        (None, None, _) | (Some(_), Some(_), _) => Err(fields.problem_here("needs one of password, private_key")),
    }
}

pub(super) fn schema() -> KindSchema {
    let mut port = described::port("TCP port.");
    port["default"] = json!(DEFAULT_PORT);
    let mut host_key = described::text("The host key's fingerprint, as ssh-keygen -l writes it.");
    host_key["pattern"] = json!("^SHA256:");
    let connection = json!({
        "description": "A file server.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "host": described::text("Host name or address."),
            "port": port,
            "username": described::text("User name."),
            "password": described::secret("Password."),
            "private_key": described::secret("Private key, OpenSSH or PEM."),
            "passphrase": described::secret("Of the private key."),
            "host_key": host_key,
            "folder": described::text("Folder under which paths that are not absolute are.")
        },
        "required": ["host", "username", "host_key"],
        "oneOf": exactly_one(&["password", "private_key"])
    });
    KindSchema::new(json!({ "$ref": "#/$defs/sftpConnection" }), json!({ "sftpConnection": connection }))
}

#[cfg(test)]
pub(super) const EXAMPLES: &[&str] = &["sftp: { host: h, username: u, private_key: { file: /k }, host_key: 'SHA256:a' }"];
