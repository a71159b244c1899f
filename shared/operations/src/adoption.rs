//! Adoption: an installation moves deliberately to another broker, queue prefix or number of shared queues.
//!
//! A move at the same broker must not leave messages in queues that are no longer read, and services may run during it:
//!
//! ```text
//! check the queues -> close -> wait until each service has noticed -> check again -> new place
//!                                                                           \-> reopen, if messages wait
//! ```
//!
//! A closed installation has a place that differs only in its mark, which no broker has, so that no service uses the broker. Its broker has
//! the exchange [`Installation::closed_name`] instead, so that a command after an interrupted one recognizes the broker.

use crate::actor::Actor;
use crate::error::OperationError;
use crate::installation::{COMPARE_INTERVAL, InstallationCheck};
use crate::unread_queues::UnreadQueues;
use forebay_broker::{BrokerError, Installation};
use forebay_store::{AuditAction, AuditEvent, BrokerPlace, Principal, Role, WORKER_TTL};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Maximum time until no service uses a closed broker: each service compares its settings, and completes its publishes.
const CLOSE_TIMEOUT: Duration = COMPARE_INTERVAL.saturating_add(Duration::from_secs(5));

/// The state of the installation, seen from this process, and the change that adopting its settings would make.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The place in the database; `None`: none is registered.
    pub stored: Option<BrokerPlace>,
    /// The settings of this process.
    pub here: BrokerPlace,
    /// The broker of this process, without credentials.
    pub broker: String,
    /// True if that broker has the stored mark.
    pub is_marked: bool,
    /// True if that broker was closed for a move that did not complete: no service uses it.
    pub is_closed: bool,
    /// Workers that reported recently.
    pub live_workers: usize,
}

/// A completed adoption.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// The new state of the installation.
    pub now: Adoption,
    /// The reason for which an earlier mark is still at the broker; `None`: it is not.
    pub mark_left: Option<String>,
}

impl Adoption {
    /// Returns true if the settings and the broker of this process are those of the installation.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.is_marked && self.agrees()
    }

    /// Returns true if other queues of the same broker are used from then on. Services that still run are stopped from using the earlier
    /// ones first.
    #[must_use]
    pub fn is_move(&self) -> bool {
        self.stored.is_some() && !self.agrees() && (self.is_marked || self.is_closed)
    }

    fn agrees(&self) -> bool {
        let queues = |place: &BrokerPlace| (place.queue_prefix.clone(), place.shared_queues);
        self.stored.as_ref().is_some_and(|stored| queues(stored) == queues(&self.here))
    }
}

impl InstallationCheck {
    /// Reads the state from the database and the broker; changes nothing.
    ///
    /// # Errors
    /// Those of the store and the broker.
    pub async fn adoption(&self) -> Result<Adoption, OperationError> {
        let stored = self.store.broker_place().await?;
        let broker = self.broker.place();
        let live_workers = self.store.live_workers(WORKER_TTL).await?.len();
        let (is_marked, is_closed) = match &stored {
            Some(place) => {
                let is_marked = self.broker.is_marked(&mark_of(place)).await?;
                (is_marked, !is_marked && self.broker.is_marked(&closed_of(place)).await?)
            }
            None => (false, false),
        };
        Ok(Adoption { stored, here: self.here(), broker, is_marked, is_closed, live_workers })
    }

    /// Makes the settings of this process those of the installation: marks its broker, stores them, and removes an earlier mark from this
    /// broker.
    ///
    /// If queues of this broker would no longer be read, the broker is closed to all services first. Calls that they accepted before they
    /// noticed are then in the queues, and the adoption is refused. A service that cannot reach the database does not notice.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: workers run with the other settings, or messages wait in queues that would no longer be read; those of
    /// the store and the broker. The earlier settings are then restored; if that failed, the message says so.
    pub async fn adopt(&self, actor: &Actor, adoption: &Adoption) -> Result<Adopted, OperationError> {
        let principal = actor.may_everywhere(Role::Administrator)?;
        let Some(stored) = adoption.stored.as_ref().filter(|_| !adoption.agrees()) else {
            return self.replace(adoption, adoption.stored.as_ref(), principal).await;
        };
        refuse_workers(adoption.live_workers)?;
        if !adoption.is_move() {
            // The queues are at another broker.
            return self.replace(adoption, Some(stored), principal).await;
        }
        let unread = UnreadQueues::of_move(self, stored, &adoption.here).await?;
        if unread.is_empty() {
            return self.replace(adoption, Some(stored), principal).await;
        }
        if adoption.is_marked {
            unread.refuse_messages().await?;
        }
        // Also if the broker is already closed: from the new mark, another command that runs at the same time notices this one.
        let closed = BrokerPlace { mark: Uuid::new_v4(), ..stored.clone() };
        self.broker.add_mark(&closed_of(&closed)).await?;
        let moved = async {
            self.close(adoption, stored, &closed, principal).await?;
            tokio::time::sleep(CLOSE_TIMEOUT).await;
            unread.refuse_messages().await?;
            refuse_workers(self.store.live_workers(WORKER_TTL).await?.len())?;
            self.replace(adoption, Some(&closed), principal).await
        };
        match moved.await {
            Ok(adopted) => Ok(adopted),
            Err(error) => Err(self.reopen(&closed, error).await),
        }
    }

    /// Makes every service stop using the broker, at its next comparison or connection.
    async fn close(
        &self,
        adoption: &Adoption,
        stored: &BrokerPlace,
        closed: &BrokerPlace,
        principal: &Principal,
    ) -> Result<(), OperationError> {
        let event = audit_event(AuditAction::InstallationClose, adoption, closed);
        self.store.replace_broker_place(closed, Some(stored), principal, &event).await?;
        Ok(self.remove_marks(stored).await?)
    }

    /// Gives the broker the mark of the closed place, so that services continue; nothing else of the place has changed. Returns the error
    /// for the caller.
    async fn reopen(&self, closed: &BrokerPlace, error: OperationError) -> OperationError {
        let reopened = async {
            self.broker.add_mark(&mark_of(closed)).await?;
            self.broker.remove_mark(&closed_of(closed)).await
        };
        match reopened.await {
            Ok(()) => error,
            Err(failure) => OperationError::Failed(format!(
                "{error}. The earlier settings could not be restored ({}), so no service uses the broker: run `forebay installation adopt` \
                 with the earlier settings",
                message_of(&failure)
            )),
        }
    }

    async fn replace(
        &self,
        adoption: &Adoption,
        instead_of: Option<&BrokerPlace>,
        principal: &Principal,
    ) -> Result<Adopted, OperationError> {
        let here = &adoption.here;
        self.broker.add_mark(&mark_of(here)).await?;
        self.store.replace_broker_place(here, instead_of, principal, &audit_event(AuditAction::InstallationAdopt, adoption, here)).await?;
        // From here on the adoption is complete, even if something fails.
        let is_here = adoption.is_marked || adoption.is_closed;
        let removed = match instead_of.filter(|_| is_here) {
            Some(earlier) => self.remove_marks(earlier).await,
            None => Ok(()),
        };
        let now = Adoption { stored: Some(here.clone()), is_marked: true, is_closed: false, ..adoption.clone() };
        Ok(Adopted { now, mark_left: removed.err().map(|error| message_of(&error)) })
    }

    async fn remove_marks(&self, place: &BrokerPlace) -> Result<(), BrokerError> {
        for name in [mark_of(place), closed_of(place)] {
            self.broker.remove_mark(&name).await?;
        }
        Ok(())
    }
}

fn refuse_workers(live: usize) -> Result<(), OperationError> {
    match live {
        0 => Ok(()),
        1 => Err(OperationError::Refused("1 worker runs with the installation's settings: stop all services first".to_owned())),
        _ => Err(OperationError::Refused(format!("{live} workers run with the installation's settings: stop all services first"))),
    }
}

fn mark_of(place: &BrokerPlace) -> String {
    Installation::mark_name(&place.queue_prefix, place.mark)
}

fn closed_of(place: &BrokerPlace) -> String {
    Installation::closed_name(&place.queue_prefix, place.mark)
}

/// Returns the text of an error of the broker with its cause.
fn message_of(error: &BrokerError) -> String {
    forebay_contract::with_causes(error)
}

fn audit_event(action: AuditAction, adoption: &Adoption, after: &BrokerPlace) -> AuditEvent {
    AuditEvent {
        tenant: None,
        action,
        target: adoption.broker.clone(),
        before: adoption.stored.as_ref().map(audited),
        after: Some(audited(after)),
    }
}

fn audited(place: &BrokerPlace) -> Value {
    json!({ "mark": mark_of(place), "queuePrefix": place.queue_prefix, "sharedQueues": place.shared_queues })
}
