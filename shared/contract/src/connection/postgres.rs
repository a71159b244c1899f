//! Connections to PostgreSQL databases.

use super::ConnectionType;
use super::database::{self, DatabaseConnection};
use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use std::ops::Deref;

pub(super) const NAME: &str = "postgres";

const DEFAULT_PORT: u16 = 5432;

pub(super) const SECRETS: &[&[&str]] = database::SECRETS;

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq)]
pub struct PostgresConnection(DatabaseConnection);

impl Deref for PostgresConnection {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.0
    }
}

impl ConnectionType for PostgresConnection {
    fn as_str(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        self.0.destination()
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<PostgresConnection> {
    database::read(fields, DEFAULT_PORT).map(PostgresConnection)
}

pub(super) fn schema() -> KindSchema {
    database::schema(&format!("A PostgreSQL database; port {DEFAULT_PORT} by default."))
}

#[cfg(test)]
pub(super) const EXAMPLES: &[&str] = &[
    "postgres: { host: h, database: d, username: u, tls: { certificate: 'sha256:0011223344556677889900112233445566778899001122334455667788990011' } }",
];
