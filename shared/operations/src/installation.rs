//! The check that this process belongs to the installation of its database: the same broker, queue prefix and number of shared queues.
//!
//! The first service that starts with a database registers its settings. From then on each process compares its own with them, and refuses
//! to work if they differ, with the reason: a message in other queues, or at another broker, would be confirmed and reach no worker.

use crate::error::OperationError;
use forebay_broker::{Broker, BrokerError, Installation};
use forebay_store::{BrokerPlace, Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Interval at which a service compares; an `adopt` is effective in every process after at most this time.
pub(crate) const COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// Pause of a service that waits for the database, or for the broker that it must register.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Compares the settings of a process with those in the database.
#[derive(Clone)]
pub struct InstallationCheck {
    pub(crate) store: Store,
    pub(crate) broker: Broker,
}

impl InstallationCheck {
    /// Nothing is compared yet. The result of each comparison is known to all connections of this broker.
    #[must_use]
    pub fn new(broker: Broker, store: Store) -> Self {
        Self { store, broker }
    }

    /// Compares the settings with the database, without the broker.
    ///
    /// # Errors
    /// [`OperationError::OtherBroker`]; those of the store.
    pub async fn compare(&self) -> Result<BrokerPlace, OperationError> {
        match self.store.broker_place().await? {
            Some(place) => self.compare_with(place),
            None => Err(OperationError::OtherBroker(UNREGISTERED.to_owned())),
        }
    }

    /// Starts a service: waits for the database, compares, registers the settings if none are registered, and verifies the broker. A broker
    /// that is away is verified later.
    ///
    /// # Errors
    /// [`OperationError::OtherBroker`]; those of the store, unless it is away or not migrated yet.
    pub async fn start(&self) -> Result<(), OperationError> {
        let mut is_logged = false;
        loop {
            match self.compare_or_register().await {
                Ok(()) => break,
                Err(OperationError::Store(error @ (StoreError::Unavailable { .. } | StoreError::NotMigrated { .. }))) => {
                    if !is_logged {
                        tracing::warn!(%error, "waiting for the database");
                        is_logged = true;
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                // `follow` registers it once it is available and can be marked.
                Err(OperationError::Broker(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.broker.verify().await {
            Err(BrokerError::NotOfInstallation(reason)) => Err(OperationError::OtherBroker(reason)),
            // The broker is unavailable: each connection is verified before it is used.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Compares repeatedly until the end of the process. While the database is away, the last result counts.
    pub async fn follow(self, ended: CancellationToken) {
        let mut logged = None;
        let mut pause = Duration::ZERO;
        while ended.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = COMPARE_INTERVAL;
            let (is_error, reason) = match self.compare_or_register().await {
                Ok(()) => (false, None),
                Err(OperationError::OtherBroker(reason)) => (true, Some(reason)),
                // The snapshot's watch logs it already, and the last result counts.
                Err(OperationError::Store(StoreError::Unavailable { .. })) => continue,
                Err(error) => {
                    // Nothing is registered yet, and nothing can be published before.
                    pause = RETRY_INTERVAL;
                    (false, Some(forebay_contract::with_causes(&error)))
                }
            };
            if reason != logged
                && let Some(reason) = &reason
            {
                match is_error {
                    true => tracing::error!(reason, "this process does not use the broker"),
                    false => tracing::warn!(reason, "the broker is not registered yet; retrying"),
                }
            }
            logged = reason;
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
        let marked = async { Ok::<_, OperationError>(self.broker.add_mark(&mark).await?) };
        let stored = self.store.register_broker_place(&place, marked).await?;
        if stored == place {
            tracing::info!(mark, queue_prefix = place.queue_prefix, shared_queues = place.shared_queues, "the broker is registered");
        }
        Ok(stored)
    }

    /// Returns the settings of this process, as a new registration.
    pub(crate) fn here(&self) -> BrokerPlace {
        let topology = self.broker.topology();
        BrokerPlace { mark: Uuid::new_v4(), queue_prefix: topology.prefix().to_owned(), shared_queues: topology.shared_queue_count().get() }
    }

    fn compare_with(&self, place: BrokerPlace) -> Result<BrokerPlace, OperationError> {
        let topology = self.broker.topology();
        let (prefix, shared_queues) = (topology.prefix(), topology.shared_queue_count().get());
        let mut differences = Vec::new();
        if place.queue_prefix != prefix {
            differences.push(difference("FOREBAY_QUEUE_PREFIX", &format!("{prefix:?}"), &format!("{:?}", place.queue_prefix)));
        }
        if place.shared_queues != shared_queues {
            differences.push(difference("FOREBAY_SHARED_QUEUES", &shared_queues.to_string(), &place.shared_queues.to_string()));
        }
        if differences.is_empty() {
            self.broker.installation().set_mark(&Installation::mark_name(&place.queue_prefix, place.mark));
            return Ok(place);
        }
        let reason = format!(
            "{}. The workers do not read the queues of this process. Use the settings of the running services. To change the settings of all \
             services, see `forebay installation adopt --help`",
            differences.join("; ")
        );
        self.broker.installation().refuse(&reason);
        Err(OperationError::OtherBroker(reason))
    }
}

const UNREGISTERED: &str = "no broker is registered in this database: start a service, such as `forebay dev`. If services of an older version run, \
                            run `forebay installation adopt` with their settings instead";

fn difference(setting: &str, here: &str, stored: &str) -> String {
    format!("{setting} is {here} here, but {stored} in the installation of this database")
}
