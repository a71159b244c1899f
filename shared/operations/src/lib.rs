//! The operations of people, each as one function: it checks the permission, does the operation, and writes an audit entry. The console's
//! API, its pages and the command all call these functions.

mod actor;
mod adoption;
mod alerts;
mod connections;
mod definitions;
mod depths;
mod difference;
mod error;
mod executions;
mod installation;
mod keys;
mod monitor;
mod password;
mod pauses;
mod people;
mod publishing;
mod retry;
mod rotation;
mod schedules;
mod tenants;
mod triggers;
mod unread_queues;

pub use actor::{Actor, Denied, Visible};
pub use adoption::{Adopted, Adoption};
pub use alerts::{NewAlert, PlannedAlert};
pub use connections::{NewConnection, PlannedConnection};
pub use definitions::{Planned, RolledBack, check_definition, definition_warnings};
pub use difference::{Difference, differences, text_differences};
pub use error::OperationError;
pub use installation::InstallationCheck;
pub use monitor::QueueState;
pub use pauses::Resumed;
pub use people::{FirstUser, PersonChange, SignInAttempt, Signed};
pub use retry::{Batch, Retried, RetryOptions};

use forebay_broker::Broker;
use forebay_runtime::settings::Settings;
use forebay_store::{SecretKeys, Store};
use forebay_workflow::{Engine, EngineError, EngineOptions};
use publishing::BrokerAccess;
use std::sync::Arc;
use std::time::Duration;

/// The reason for which the operations could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client that tests connections.
    #[error("connections cannot be tested")]
    Engine(#[from] EngineError),
}

/// The operations of people, with one store and one broker.
pub struct Operations {
    store: Store,
    keys: Option<Arc<SecretKeys>>,
    engine: Engine,
    broker: BrokerAccess,
    depths: depths::Depths,
    retention: Duration,
    passwords: password::Passwords,
}

impl Operations {
    /// Builds the operations; only the store is connected. `name` is the name of this process, for tools of the broker.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(settings: &Settings, store: Store) -> Result<Self, BuildError> {
        let mut options = EngineOptions::default();
        options.reach = settings.private_addresses.clone().into();
        // A test of a connection must not revoke the token of the workers without their notice.
        options.tokens = Some(Arc::new(store.clone()));
        let keys = settings.secret_key.as_ref().map(SecretKeys::from);
        Ok(Self {
            broker: BrokerAccess::new(Broker::from(settings), store.clone()),
            store,
            keys: keys.map(Arc::new),
            engine: Engine::new(options)?,
            depths: depths::Depths::default(),
            retention: settings.retention,
            passwords: password::Passwords::new(),
        })
    }

    /// Returns the retention of the history.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Returns the store, for operations that need no permission: signing in, health.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the keys that protect credentials.
    fn keys(&self) -> Result<&SecretKeys, OperationError> {
        self.keys.as_deref().ok_or_else(|| {
            let reason = "FOREBAY_SECRET_KEY is not set, and Forebay encrypts credentials with it: set it to the output of `openssl rand -hex 32`, \
                          to the same value in every process";
            OperationError::Refused(reason.to_owned())
        })
    }
}
