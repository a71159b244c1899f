//! Caps: maximum numbers of things of one tenant, and the maximum size of a definition. Things above a cap continue to work.

use crate::error::StoreError;
use deadpool_postgres::Transaction;
use forebay_contract::Name;

/// The caps of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Integrations of a tenant, each with its trigger.
    pub integrations: usize,
    /// API keys of a tenant, signing keys included.
    pub keys: usize,
    /// Connections of a tenant.
    pub connections: usize,
    /// Bytes of a definition, as text and as JSON.
    pub definition_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { integrations: 1000, keys: 1000, connections: 1000, definition_bytes: 256 * 1024 }
    }
}

/// Things that are counted for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Integrations,
    Keys,
    Connections,
}

impl Caps {
    /// Checks that a tenant has no more of them than it may, after some were written in the transaction.
    ///
    /// The transaction is a change of the part that contains them, so no other one writes them meanwhile.
    pub(crate) async fn check(self, transaction: &Transaction<'_>, counted: Counted, tenant: &Name) -> Result<(), StoreError> {
        let (sql, what, setting, max) = match counted {
            Counted::Integrations => {
                ("select count(*) from integrations where tenant = $1", "integrations", "FOREBAY_MAX_INTEGRATIONS", self.integrations)
            }
            Counted::Keys => ("select count(*) from api_keys where tenant = $1", "API keys", "FOREBAY_MAX_KEYS", self.keys),
            Counted::Connections => {
                ("select count(*) from connections where tenant = $1", "connections", "FOREBAY_MAX_CONNECTIONS", self.connections)
            }
        };
        let row = transaction.query_one(sql, &[&tenant.as_str()]).await.map_err(StoreError::during("count the things of a tenant"))?;
        match usize::try_from(row.get::<_, i64>(0)) {
            Ok(count) if count > max => Err(StoreError::TooMany { tenant: tenant.clone(), what, count, max, setting }),
            _ => Ok(()),
        }
    }
}
