//! An installation that moves deliberately: to another broker, queue prefix or number of shared queues.
//!
//! A move at the same broker must not leave messages in queues that nobody reads any more, and services may run while it is made:
//!
//! ```text
//! look at the queues -> close -> wait until each service has noticed -> look again -> new place
//!                                                                            \-> reopen, where messages wait
//! ```
//!
//! A closed installation has a place that differs only in its mark, which no broker has: no service uses the broker. Its broker has the
//! exchange [`Installation::closed_name`] instead, so that a command which follows an interrupted one knows the broker again.

use crate::actor::Actor;
use crate::error::OperationError;
use crate::installation::{COMPARE_INTERVAL, InstallationCheck};
use crate::unread_queues::UnreadQueues;
use forebay_broker::{BrokerError, Installation};
use forebay_store::{AuditAction, AuditEvent, BrokerPlace, Principal, Role, WORKER_TTL};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Maximum time after which no service uses a closed broker: it compares, and finishes what it was publishing by then.
const NOTICED_WITHIN: Duration = COMPARE_INTERVAL.saturating_add(Duration::from_secs(5));

/// How the installation stands, seen from this process, and what adopting its settings would change.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// Those of the database; `None`: nothing is registered.
    pub stored: Option<BrokerPlace>,
    /// The settings of this process.
    pub here: BrokerPlace,
    /// The broker of this process, without credentials.
    pub broker: String,
    /// True if that broker has the stored mark.
    pub is_marked: bool,
    /// True if that broker was closed for a move that did not end: no service uses it.
    pub is_closed: bool,
    /// Workers that gave a sign of life a moment ago.
    pub live_workers: usize,
}

/// An adoption that is done.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// How the installation stands now.
    pub now: Adoption,
    /// The reason for which an earlier mark is still at the broker; `None`: it is not.
    pub mark_left: Option<String>,
}

impl Adoption {
    /// Returns true if the settings of this process are the installation's, and its broker too.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.is_marked && self.agrees()
    }

    /// Returns true if other queues of the same broker are used from then on. Services that still run are kept from the earlier ones first.
    #[must_use]
    pub fn is_move(&self) -> bool {
        self.stored.is_some() && !self.agrees() && (self.is_marked || self.is_closed)
    }

    fn agrees(&self) -> bool {
        let of = |place: &BrokerPlace| (place.queue_prefix.clone(), place.shared_queues);
        self.stored.as_ref().is_some_and(|stored| of(stored) == of(&self.here))
    }
}

impl InstallationCheck {
    /// Looks at the database and the broker; changes nothing.
    ///
    /// # Errors
    /// What the store and the broker say.
    pub async fn adoption(&self) -> Result<Adoption, OperationError> {
        let stored = self.store.broker_place().await?;
        let broker = Installation::place_of(&self.url)?;
        let live_workers = self.store.live_workers(WORKER_TTL).await?.len();
        let (is_marked, is_closed) = match &stored {
            Some(place) => {
                let is_marked = Installation::is_marked(&self.url, &self.name, &mark_of(place)).await?;
                (is_marked, !is_marked && Installation::is_marked(&self.url, &self.name, &closed_of(place)).await?)
            }
            None => (false, false),
        };
        Ok(Adoption { stored, here: self.here(), broker, is_marked, is_closed, live_workers })
    }

    /// Makes the settings of this process the installation's: marks its broker, stores them, and removes an earlier mark from this broker.
    ///
    /// Where that leaves queues of this broker unread, the broker is closed to all services first. Calls that they accepted before they
    /// noticed are in the queues by then, and the adoption is refused. A service that cannot reach the database meanwhile does not notice.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: workers run with the other settings, or messages wait in queues that would be read no more; what the
    /// store and the broker say. The settings from before count again then; the message says so where they could not be restored.
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
        // Also where it is closed already: by its new mark another command that is at it finds that it is not the only one.
        let closed = BrokerPlace { mark: Uuid::new_v4(), ..stored.clone() };
        Installation::mark_broker(&self.url, &self.name, &closed_of(&closed)).await?;
        let moved = async {
            self.close(adoption, stored, &closed, principal).await?;
            tokio::time::sleep(NOTICED_WITHIN).await;
            unread.refuse_messages().await?;
            refuse_workers(self.store.live_workers(WORKER_TTL).await?.len())?;
            self.replace(adoption, Some(&closed), principal).await
        };
        match moved.await {
            Ok(adopted) => Ok(adopted),
            Err(error) => Err(self.reopen(&closed, error).await),
        }
    }

    /// Makes every service stop using the broker, as soon as it compares or connects.
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

    /// Gives the broker the mark of the closed place, so that services go on; nothing else of the place has changed. Returns the error to tell.
    async fn reopen(&self, closed: &BrokerPlace, error: OperationError) -> OperationError {
        let reopened = async {
            Installation::mark_broker(&self.url, &self.name, &mark_of(closed)).await?;
            Installation::remove_mark(&self.url, &self.name, &closed_of(closed)).await
        };
        match reopened.await {
            Ok(()) => error,
            Err(failure) => OperationError::Failed(format!(
                "{error}. The settings from before could not be restored ({}), so no service uses the broker: run `forebay installation \
                 adopt` with them",
                told(&failure)
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
        Installation::mark_broker(&self.url, &self.name, &mark_of(here)).await?;
        self.store.replace_broker_place(here, instead_of, principal, &audit_event(AuditAction::InstallationAdopt, adoption, here)).await?;
        // It is done from here on, whatever fails.
        let is_here = adoption.is_marked || adoption.is_closed;
        let removed = match instead_of.filter(|_| is_here) {
            Some(earlier) => self.remove_marks(earlier).await,
            None => Ok(()),
        };
        let now = Adoption { stored: Some(here.clone()), is_marked: true, is_closed: false, ..adoption.clone() };
        Ok(Adopted { now, mark_left: removed.err().map(|error| told(&error)) })
    }

    async fn remove_marks(&self, place: &BrokerPlace) -> Result<(), BrokerError> {
        for name in [mark_of(place), closed_of(place)] {
            Installation::remove_mark(&self.url, &self.name, &name).await?;
        }
        Ok(())
    }
}

fn refuse_workers(live: usize) -> Result<(), OperationError> {
    match live {
        0 => Ok(()),
        1 => Err(OperationError::Refused("1 worker runs with the present settings: stop all services first".to_owned())),
        _ => Err(OperationError::Refused(format!("{live} workers run with the present settings: stop all services first"))),
    }
}

fn mark_of(place: &BrokerPlace) -> String {
    Installation::mark_name(&place.queue_prefix, place.mark)
}

fn closed_of(place: &BrokerPlace) -> String {
    Installation::closed_name(&place.queue_prefix, place.mark)
}

/// An error of the broker with its cause.
fn told(error: &BrokerError) -> String {
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
