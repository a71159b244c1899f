//! Connections: named credentials for remote systems, read from YAML or JSON.
//!
//! A secret is written as text, as `{ env: NAME }` (an environment variable of the person who applies the file) or as `{ file: PATH }`, and
//! is stored encrypted only.
//!
//! Each kind has a file: its type, its reader, its secrets, and their destination. `forebay_connectors` has a folder for the same kind.

use crate::fields::{Fields, Read};
use crate::name::Name;
use crate::published::KindSchema;
use serde_json::Value;
use std::ops::Deref;
use std::time::Duration;

mod amqp;
mod connection_type;
mod database;
mod described;
mod destination;
mod field_readers;
mod http;
mod mysql;
mod postgres;
mod read;
mod schema;
mod secrets;
mod sftp;
mod smtp;
#[cfg(test)]
mod tests;
mod tls;
mod token_store;
mod trust;

pub use amqp::AmqpConnection;
pub use connection_type::ConnectionType;
pub use database::DatabaseConnection;
pub use destination::Destination;
pub use http::{ClientCredentials, HttpAuthentication, HttpConnection};
pub use mysql::MysqlConnection;
pub use postgres::PostgresConnection;
pub(crate) use schema::schema;
pub use secrets::{SecretSource, take_field, take_secrets};
pub use sftp::{SftpConnection, SftpLogin};
pub use smtp::SmtpConnection;
pub use tls::Tls;
pub use token_store::{SharedToken, TokenFuture, TokenOwner, TokenStore, TokenStoreError, TokenTurn};
pub use trust::ServerTrust;

/// A valid connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Connection {
    /// The tenant that owns it.
    pub tenant: Name,
    /// Its name within the tenant.
    pub name: Name,
    /// For people.
    pub description: String,
    /// True if steps may use it; otherwise they fail.
    pub enabled: bool,
    /// The remote system.
    pub kind: ConnectionKind,
}

/// Declares the kinds in the order of pages. A line gives the variant, its type, and the module, which has its `NAME`, `SECRETS`, `read`,
/// `schema` and, for tests, `EXAMPLES`.
macro_rules! kinds {
    ($($(#[$about:meta])* $variant:ident($type:ident) in $module:ident),+ $(,)?) => {
        /// A remote system and its credentials. Everything that differs by kind is a method of [`ConnectionType`].
        #[derive(Debug, Clone, PartialEq)]
        pub enum ConnectionKind {
            $($(#[$about])* $variant($type)),+
        }

        impl Deref for ConnectionKind {
            type Target = dyn ConnectionType;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$variant(one) => one),+
                }
            }
        }

        static DECLARATIONS: [Declaration; [$($module::NAME),+].len()] = [$(Declaration {
            name: $module::NAME,
            read: |fields| $module::read(fields).map(ConnectionKind::$variant),
            secrets: $module::SECRETS,
            schema: $module::schema,
            #[cfg(test)]
            examples: $module::EXAMPLES,
        }),+];
    };
}

kinds! {
    /// An HTTP service.
    Http(HttpConnection) in http,
    /// A PostgreSQL database.
    Postgres(PostgresConnection) in postgres,
    /// A MySQL or MariaDB database.
    Mysql(MysqlConnection) in mysql,
    /// A mail server.
    Smtp(SmtpConnection) in smtp,
    /// A file server.
    Sftp(SftpConnection) in sftp,
    /// A message broker (AMQP 0-9-1).
    Amqp(AmqpConnection) in amqp,
}

/// Returns documents with each example, as declared.
#[cfg(test)]
pub(crate) fn examples() -> impl Iterator<Item = String> {
    DECLARATIONS.iter().flat_map(|declared| declared.examples).map(|example| format!("tenant: t\nconnection: c\n{example}"))
}

/// The form of a kind in documents.
struct Declaration {
    /// The field that selects this kind.
    name: &'static str,
    read: fn(Fields<'_>) -> Read<ConnectionKind>,
    /// Fields that are always secret, relative to the kind; `*` stands for any name.
    secrets: &'static [&'static [&'static str]],
    /// Its part of the JSON Schema.
    schema: fn() -> KindSchema,
    /// Examples, without the fields that every kind has: they cover all objects of the kind.
    #[cfg(test)]
    examples: &'static [&'static str],
}

/// Maximum time for one attempt to reach a remote system.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Connection {
    /// Returns true if a document is a connection and not a definition: it has a field `connection`.
    #[must_use]
    pub fn is_document(document: &Value) -> bool {
        document.get("connection").is_some()
    }
}
