//! What people do with Forebay, each thing once: its permission is checked, it is done, and it is written into the audit log. The console's
//! API, its pages and the command are three ways to the same functions.

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
pub use people::{FirstUser, PersonChange, SignInAttempt, Signed};
pub use retry::{Batch, Retried, RetryOptions};

use forebay_broker::{ConsumersConfig, Inspector, Limits, PublisherConfig, Topology};
use forebay_connectors::ReachError;
use forebay_runtime::settings::Settings;
use forebay_store::{SecretKeys, Store};
use forebay_workflow::{Engine, EngineError, EngineOptions};
use publishing::BrokerAccess;
use std::sync::Arc;
use std::time::Duration;

/// The reason for which the operations cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The setting of private addresses is not one.
    #[error("FOREBAY_PRIVATE_ADDRESSES: {0}")]
    Reach(#[from] ReachError),
    /// The setting of the key is not one.
    #[error("FOREBAY_SECRET_KEY: {0}")]
    SecretKey(String),
    /// The HTTP client that tests connections.
    #[error("connections cannot be tested")]
    Engine(#[from] EngineError),
}

/// Everything that people can do, over one store and one broker.
pub struct Operations {
    store: Store,
    keys: Option<Arc<SecretKeys>>,
    engine: Engine,
    broker: BrokerAccess,
    depths: depths::Depths,
    topology: Topology,
    retention: Duration,
    passwords: password::Passwords,
}

impl Operations {
    /// Nothing is connected to yet but the store. `name`: of this process, for the broker's own tools.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(settings: &Settings, store: Store, name: &str) -> Result<Self, BuildError> {
        let mut options = EngineOptions::default();
        options.reach = settings.private_addresses.parse()?;
        // A test of a connection must not end the token of the workers unseen.
        options.tokens = Some(Arc::new(store.clone()));
        let keys = settings.secret_key.as_ref().map(SecretKeys::parse).transpose().map_err(BuildError::SecretKey)?;
        let limits = Limits { max_length: settings.queue_max_length, max_bytes: settings.queue_max_bytes };
        let check = InstallationCheck::new(settings, store.clone(), name);
        let topology = Topology::new(&settings.queue_prefix, settings.shared_queue_count, limits, check.installation().clone());
        let url = settings.amqp_url.expose().to_owned();
        let config = PublisherConfig {
            url: url.clone(),
            name: name.to_owned(),
            // What people start is little; one channel also keeps its order.
            channels: 1,
            confirm_timeout: settings.confirm_timeout,
        };
        let inspector = Inspector::new(ConsumersConfig { url, name: name.to_owned() }, topology.clone());
        Ok(Self {
            store,
            keys: keys.map(Arc::new),
            engine: Engine::new(options)?,
            broker: BrokerAccess::new(check, config, topology.clone(), inspector),
            depths: depths::Depths::default(),
            topology,
            retention: settings.retention,
            passwords: password::Passwords::new(),
        })
    }

    /// How long the history of executions is kept.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// For what needs no permission of anybody: signing in, health.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The keys that protect credentials.
    fn keys(&self) -> Result<&SecretKeys, OperationError> {
        self.keys.as_deref().ok_or_else(|| {
            let why =
                "credentials are stored encrypted: set FOREBAY_SECRET_KEY (`openssl rand -hex 32` makes one), the same for every process";
            OperationError::Refused(why.to_owned())
        })
    }
}
