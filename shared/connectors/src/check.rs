//! Tests of connections.

use crate::concealment::Concealment;
use crate::connector::Test;
use crate::{Connectors, Target, connector_of};
use forebay_contract::connection::Connection;
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use std::sync::Arc;
use std::time::Duration;

/// Maximum time of one test.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

impl Connectors {
    /// Connects and signs in, changes nothing, and describes the remote system: `PostgreSQL 15.6, database 'crm', as 'forebay'`. A
    /// connection that is not enabled can be tested too.
    ///
    /// # Errors
    /// The problem, and the remedy.
    pub async fn test(&self, client: &reqwest::Client, connection: &Connection) -> Result<String, String> {
        let mut connection = connection.clone();
        connection.enabled = true;
        let connection = Arc::new(connection);
        let target = Target(&connection);
        let test = Test { connectors: self, client, connection: &connection };
        let reached = tokio::time::timeout(CHECK_TIMEOUT, connector_of(&connection.kind).test(test)).await;
        let reached = reached.unwrap_or_else(|_| {
            let message =
                format!("{target} did not answer within {}; check host, port and what is between", format_duration(CHECK_TIMEOUT));
            Err(ExecutionError::transient(ErrorCode::Timeout, message))
        });
        reached.map_err(|error| Concealment::of(&connection).conceal(&error.message))
    }
}
