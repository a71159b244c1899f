//! Connections to MySQL and MariaDB databases.

use super::database::{self, DatabaseConnection};
use super::{ConnectionType, ServerTrust};
use crate::fields::{Fields, Read};
use crate::published::KindSchema;
use std::ops::Deref;

pub(super) const NAME: &str = "mysql";

const DEFAULT_PORT: u16 = 3306;

pub(super) const SECRETS: &[&[&str]] = database::SECRETS;

/// A MySQL or MariaDB database.
#[derive(Debug, Clone, PartialEq)]
pub struct MysqlConnection(DatabaseConnection);

impl Deref for MysqlConnection {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.0
    }
}

impl ConnectionType for MysqlConnection {
    fn as_str(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        self.0.destination()
    }
}

pub(super) fn read(fields: Fields<'_>) -> Read<MysqlConnection> {
    let problems = fields.problems();
    let path = fields.path_of("tls.certificate");
    let read = database::read(fields, DEFAULT_PORT)?;
    match read.trust {
        // The MySQL client supports only authorities.
        ServerTrust::Certificate(_) => {
            Err(problems.add(path, "is not possible for mysql: give the certificate's authority as tls.authority"))
        }
        ServerTrust::Machine | ServerTrust::Authority(_) => Ok(MysqlConnection(read)),
    }
}

pub(super) fn schema() -> KindSchema {
    database::schema(&format!("A MySQL or MariaDB database; port {DEFAULT_PORT} by default."))
}

#[cfg(test)]
pub(super) const EXAMPLES: &[&str] = &["mysql: { host: h, database: d, username: u, password: { file: /p }, tls: disable }"];
