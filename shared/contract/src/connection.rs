//! A connection: named credentials for a remote system, as an operator wrote it in YAML or JSON.
//!
//! Secrets are written as text, as `{ env: NAME }` (an environment variable of the one who applies the file) or as
//! `{ file: PATH }`, and stored encrypted only.

use crate::definition::DefinitionError;
use crate::fields::Origin;
use crate::name::Name;
use crate::secret::Secret;
use serde_json::Value;
use std::time::Duration;

mod destination;
mod read;
mod secrets;
#[cfg(test)]
mod tests;
mod token_store;
mod trust;

pub use destination::Destination;
pub use secrets::{SecretSource, take_field, take_secrets};
pub use token_store::{SharedToken, TokenFuture, TokenOwner, TokenStore, TokenStoreError, TokenTurn};
pub use trust::ServerTrust;

/// One connection, checked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Connection {
    /// The tenant that owns it.
    pub tenant: Name,
    /// Its name within the tenant.
    pub name: Name,
    /// For people.
    pub description: String,
    /// Steps on a connection that is not enabled fail.
    pub enabled: bool,
    /// The remote system.
    pub kind: ConnectionKind,
}

/// A remote system and how to sign in to it.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionKind {
    /// An HTTP service.
    Http(HttpConnection),
    /// A PostgreSQL database.
    Postgres(DatabaseConnection),
    /// A MySQL or MariaDB database.
    Mysql(DatabaseConnection),
    /// A mail server.
    Smtp(SmtpConnection),
    /// A file server.
    Sftp(SftpConnection),
    /// A message broker (AMQP 0-9-1).
    Amqp(AmqpConnection),
}

impl ConnectionKind {
    /// The field of a document that makes a connection this kind.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
            Self::Smtp(_) => "smtp",
            Self::Sftp(_) => "sftp",
            Self::Amqp(_) => "amqp",
        }
    }
}

/// An HTTP service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpConnection {
    /// Its address, `http://` or `https://`; paths of steps go under it.
    pub url: String,
    /// Which certificate the server must show. For a `token_url` on another host, an authority is trusted beside those of the machine, and
    /// a certificate counts for nothing: it is that of this connection's host.
    pub trust: ServerTrust,
    /// How calls are authenticated.
    pub authentication: HttpAuthentication,
    /// Headers of every call, by name.
    pub headers: Vec<(String, Secret)>,
}

/// How calls to an HTTP service are authenticated.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpAuthentication {
    /// Not at all.
    None,
    /// RFC 7617.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A key in a header.
    ApiKey {
        /// The header's name.
        header: String,
        /// The key.
        value: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
    /// RFC 6749, section 4.4: client credentials. The token is reused until shortly before it expires.
    OAuth2 {
        /// Where tokens come from.
        token_url: String,
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// Space-separated; empty: none asked for.
        scope: String,
        /// More parameters of the token request, such as `audience`.
        parameters: Vec<(String, String)>,
        /// Whether the client's credentials travel in the body, and not as Basic authentication.
        in_body: bool,
    },
}

/// A database.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DatabaseConnection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// User name.
    pub username: String,
    /// Password; empty: none.
    pub password: Secret,
    /// Transport security.
    pub tls: Tls,
    /// Which certificate the server must show.
    pub trust: ServerTrust,
    /// Maximum connections of one worker.
    pub pool: usize,
}

/// Transport security of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Required from the first byte, the certificate checked.
    Require,
    /// Required, begun in clear text (SMTP STARTTLS).
    StartTls,
    /// None.
    Disable,
}

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

/// A message broker.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AmqpConnection {
    /// `amqp://` or `amqps://`, credentials included.
    pub url: Secret,
    /// Which certificate the broker must show.
    pub trust: ServerTrust,
}

/// Maximum time for one attempt to reach a remote system.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Connection {
    /// Whether a document is a connection and not a definition: it has a field `connection`.
    #[must_use]
    pub fn is_document(document: &Value) -> bool {
        document.get("connection").is_some()
    }

    /// Reads one connection from its JSON shape, in which every secret is text.
    ///
    /// # Errors
    /// Every problem found, each with the path of the field and never the value of a secret.
    pub fn from_value(document: &Value) -> Result<Self, DefinitionError> {
        read::connection(document, Origin::Written)
    }

    /// Reads a connection that an earlier version of Forebay accepted and stored. Rules that are newer than it do not hold, so that an
    /// upgrade stops nothing: an empty field counts as absent.
    ///
    /// # Errors
    /// As [`Self::from_value`].
    pub fn from_stored(document: &Value) -> Result<Self, DefinitionError> {
        read::connection(document, Origin::Stored)
    }
}
