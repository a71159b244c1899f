//! Connections for steps: read from the snapshot and decrypted once.

use crate::remote::remote_connections::SealedConnection;
use crate::seal::SecretKeys;
use crate::snapshot::watch::SnapshotHandle;
use forebay_contract::Name;
use forebay_contract::connection::Connection;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The stored form of a connection when it was opened, and the opened connection.
type Opened = (Arc<SealedConnection>, Arc<Connection>);

/// The connections of every tenant, for a process that uses them.
pub struct Connections {
    snapshot: SnapshotHandle,
    keys: Option<SecretKeys>,
    opened: Mutex<HashMap<(Name, Name), Opened>>,
}

impl Connections {
    /// Returns the connections of a snapshot. `keys`: the keys of the settings; without them no connection can be used.
    #[must_use]
    pub fn new(snapshot: SnapshotHandle, keys: Option<SecretKeys>) -> Self {
        Self { snapshot, keys, opened: Mutex::default() }
    }

    /// Returns a tenant's connection that steps may use.
    ///
    /// # Errors
    /// No connection has this name, it is not enabled, or it cannot be decrypted; the message has the remedy.
    pub fn get(&self, tenant: &Name, name: &Name) -> Result<Arc<Connection>, ExecutionError> {
        let refused = |message: String| ExecutionError::permanent(ErrorCode::Connection, message);
        let Some(sealed) = self.snapshot.current().connection(tenant, name).cloned() else {
            return Err(refused(format!(
                "there is no connection '{name}' in the tenant '{tenant}': `forebay connections list --tenant {tenant}` shows those there are"
            )));
        };
        let key = (tenant.clone(), name.clone());
        let mut opened = self.opened.lock();
        let connection = match opened.get(&key) {
            Some((opened_from, connection)) if Arc::ptr_eq(opened_from, &sealed) || **opened_from == *sealed => connection.clone(),
            _ => {
                let Some(keys) = &self.keys else {
                    return Err(refused(format!("the connection '{name}' cannot be decrypted: this process has no FOREBAY_SECRET_KEY")));
                };
                let connection = sealed.open(keys).map_err(|error| refused(format!("the connection '{name}' cannot be used: {error}")))?;
                let connection = Arc::new(connection);
                opened.insert(key, (sealed, connection.clone()));
                connection
            }
        };
        match connection.enabled {
            true => Ok(connection),
            false => Err(refused(format!(
                "the connection '{name}' is not enabled: `forebay connections enable {tenant}/{name}` lets steps use it"
            ))),
        }
    }
}
