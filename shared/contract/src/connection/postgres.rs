//! Connections to PostgreSQL databases.

use super::ConnectionType;
use super::database::{self, DatabaseConnection};
use crate::fields::{Fields, Read};
use std::ops::Deref;

pub(super) const NAME: &str = "postgres";

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
    database::read(fields, 5432).map(PostgresConnection)
}
