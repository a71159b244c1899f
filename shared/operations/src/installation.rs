//! Whether this process belongs to the installation of its database: the same broker, queue prefix and number of shared queues.
//!
//! The first service that starts with a database registers its own. From then on they are compared by each process, and what does not
//! agree is refused with the reason: a message in other queues, or at another broker, is confirmed and reaches no worker.

use crate::error::OperationError;
use forebay_broker::{BrokerError, Installation};
use forebay_runtime::settings::Settings;
use forebay_store::{BrokerPlace, Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often a service compares; an `adopt` is effective in every process after at most this long.
pub(crate) const COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// Pause of a service that waits for the database, or for the broker that it is to register.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Compares the settings of a process with what the database says.
#[derive(Clone)]
pub struct InstallationCheck {
    pub(crate) store: Store,
    pub(crate) queue_prefix: String,
    pub(crate) shared_queues: u16,
    pub(crate) url: String,
    /// The name of its connections.
    pub(crate) name: String,
    installation: Installation,
}

impl InstallationCheck {
    /// Nothing is compared yet. `name`: of this process, for the broker's own tools.
    #[must_use]
    pub fn new(settings: &Settings, store: Store, name: &str) -> Self {
        Self {
            store,
            queue_prefix: settings.queue_prefix.clone(),
            shared_queues: settings.shared_queue_count,
            url: settings.amqp_url.expose().to_owned(),
            name: name.to_owned(),
            installation: Installation::unknown(),
        }
    }

    /// What the connections to the broker go by.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Compares the settings with the database; the broker is not asked.
    ///
    /// # Errors
    /// [`OperationError::OtherBroker`]; those of the store.
    pub async fn compare(&self) -> Result<BrokerPlace, OperationError> {
        match self.store.broker_place().await? {
            Some(place) => self.compare_with(place),
            None => Err(OperationError::OtherBroker(UNREGISTERED.to_owned())),
        }
    }

    /// For a service that starts: waits for the database, compares, registers what nobody has registered yet, and looks at the broker. A
    /// broker that is away is none of its concern: it is looked at once it is there.
    ///
    /// # Errors
    /// [`OperationError::OtherBroker`]; those of the store, unless it is away or not migrated yet.
    pub async fn start(&self) -> Result<(), OperationError> {
        let mut is_said = false;
        loop {
            match self.compare_or_register().await {
                Ok(()) => break,
                Err(OperationError::Store(error @ (StoreError::Unavailable { .. } | StoreError::NotMigrated { .. }))) => {
                    if !is_said {
                        tracing::warn!(%error, "waiting for the database");
                        is_said = true;
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                // `follow` registers it once it is there and lets itself be marked.
                Err(OperationError::Broker(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.installation.verify_broker(&self.url, &self.name).await {
            Err(BrokerError::NotOfInstallation(why)) => Err(OperationError::OtherBroker(why)),
            // Away: each connection is verified before it is used.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Compares again and again until the end of the process. While the database is away, what is known stays.
    pub async fn follow(self, ended: CancellationToken) {
        let mut said = None;
        let mut pause = Duration::ZERO;
        while ended.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = COMPARE_INTERVAL;
            let (is_error, now) = match self.compare_or_register().await {
                Ok(()) => (false, None),
                Err(OperationError::OtherBroker(why)) => (true, Some(why)),
                // The snapshot's watch says so already, and what is known stays.
                Err(OperationError::Store(StoreError::Unavailable { .. })) => continue,
                Err(error) => {
                    // Nothing is registered yet, and nothing can be published before it is.
                    pause = RETRY_INTERVAL;
                    (false, Some(forebay_contract::with_causes(&error)))
                }
            };
            match &now {
                Some(why) if now != said && is_error => tracing::error!(reason = why, "this process does not use the broker"),
                Some(why) if now != said => tracing::warn!(reason = why, "the broker is not registered yet; trying again"),
                _ => {}
            }
            said = now;
        }
    }

    async fn compare_or_register(&self) -> Result<(), OperationError> {
        let place = match self.store.broker_place().await? {
            Some(place) => place,
            None => self.register().await?,
        };
        self.compare_with(place).map(drop)
    }

    async fn register(&self) -> Result<BrokerPlace, OperationError> {
        let place = self.here();
        let mark = Installation::mark_name(&place.queue_prefix, place.mark);
        let marked = async { Ok::<_, OperationError>(Installation::mark_broker(&self.url, &self.name, &mark).await?) };
        let stored = self.store.register_broker_place(&place, marked).await?;
        if stored == place {
            tracing::info!(mark, queue_prefix = place.queue_prefix, shared_queues = place.shared_queues, "the broker is registered");
        }
        Ok(stored)
    }

    /// The settings of this process, as a new registration.
    pub(crate) fn here(&self) -> BrokerPlace {
        BrokerPlace { mark: Uuid::new_v4(), queue_prefix: self.queue_prefix.clone(), shared_queues: self.shared_queues }
    }

    fn compare_with(&self, place: BrokerPlace) -> Result<BrokerPlace, OperationError> {
        let mut wrong = Vec::new();
        if place.queue_prefix != self.queue_prefix {
            wrong.push(differs("FOREBAY_QUEUE_PREFIX", &format!("{:?}", self.queue_prefix), &format!("{:?}", place.queue_prefix)));
        }
        if place.shared_queues != self.shared_queues {
            wrong.push(differs("FOREBAY_SHARED_QUEUES", &self.shared_queues.to_string(), &place.shared_queues.to_string()));
        }
        if wrong.is_empty() {
            self.installation.set_mark(&Installation::mark_name(&place.queue_prefix, place.mark));
            return Ok(place);
        }
        let why = format!(
            "{}. Its workers read other queues than this process would write to. Set what the running services have; to change it for all of \
             them, see `forebay installation adopt --help`",
            wrong.join("; ")
        );
        self.installation.refuse(&why);
        Err(OperationError::OtherBroker(why))
    }
}

const UNREGISTERED: &str = "no service has been started with this database yet, so it is not known at which broker its workers are: start one, such \
                            as `forebay dev`; beside services of an older version, run `forebay installation adopt` with their settings";

fn differs(setting: &str, here: &str, stored: &str) -> String {
    format!("{setting} is {here} here, and {stored} in the installation of this database")
}
