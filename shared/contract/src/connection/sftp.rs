//! Connections to file servers.

use super::ConnectionType;
use super::read::{port, required, secret};
use crate::fields::{Fields, Read};
use crate::secret::Secret;

pub(super) const NAME: &str = "sftp";

/// Fields that are secrets, under the kind's.
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
    /// How the user signs in.
    pub login: SftpLogin,
    /// The host key's fingerprint, `SHA256:...` as `ssh-keygen -l` writes it.
    pub host_key: String,
    /// Folder under which paths that are not absolute are; empty: the user's own.
    pub folder: String,
}

/// How a user signs in to a file server.
#[derive(Debug, Clone, PartialEq)]
pub enum SftpLogin {
    /// By password.
    Password(Secret),
    /// By a private key.
    PrivateKey {
        /// OpenSSH or PEM.
        key: Secret,
        /// Absent: the key is not encrypted.
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
        port: port?.unwrap_or(22),
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
