//! Whether a connection works, for the operator who wrote it.

use super::{Connectors, Target, sql};
use forebay_contract::connection::{Connection, ConnectionKind};
use std::sync::Arc;

impl Connectors {
    /// Connects and signs in anew, changes nothing, and says what was reached: `PostgreSQL 15.6, database 'crm', as 'forebay'`.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub async fn test(&self, connection: &Connection) -> Result<String, String> {
        let connection = Arc::new(connection.clone());
        let target = Target(&connection);
        let reached = match &connection.kind {
            ConnectionKind::Postgres(database) => sql::postgres::test(self, &connection, database).await,
            ConnectionKind::Mysql(database) => sql::mysql::test(self, &connection, database).await,
            _ => Err(target.is_no("connection that can be tested")),
        };
        reached.map_err(|error| error.message)
    }
}
