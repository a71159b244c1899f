//! An installation that moves deliberately: to another broker, queue prefix or number of shared queues.

use crate::actor::Actor;
use crate::error::OperationError;
use crate::installation::InstallationCheck;
use forebay_broker::{ConsumersConfig, Inspector, Installation, Limits, Queue, RETRY_DELAYS, Topology};
use forebay_store::{BrokerPlace, Deed, Role, WORKER_TTL};
use serde_json::{Value, json};

/// How the installation stands, seen from this process, and what adopting its settings would change.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// What the database says; `None`: nothing is registered.
    pub stored: Option<BrokerPlace>,
    /// The settings of this process.
    pub here: BrokerPlace,
    /// The broker of this process, without credentials.
    pub broker: String,
    /// Whether that broker has the stored mark.
    pub is_marked: bool,
    /// Workers that gave a sign of life a moment ago.
    pub live_workers: usize,
}

impl Adoption {
    /// Whether the settings of this process are the installation's, and its broker too.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.is_marked && self.agrees()
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
        let is_marked = match &stored {
            Some(place) => Installation::is_marked(&self.url, &self.name, &mark_of(place)).await?,
            None => false,
        };
        Ok(Adoption { stored, here: self.here(), broker, is_marked, live_workers })
    }

    /// Makes the settings of this process the installation's: marks its broker, stores them, and takes an earlier mark from this broker.
    /// Nothing that is queued at this broker is left in a queue that nobody reads.
    ///
    /// # Errors
    /// [`OperationError::Refused`]: workers run with the other settings, or messages wait in queues that would be read no more; what the
    /// store and the broker say.
    pub async fn adopt(&self, actor: &Actor, adoption: &Adoption) -> Result<(), OperationError> {
        let who = actor.may_everywhere(Role::Administrator)?;
        if let Some(stored) = adoption.stored.as_ref().filter(|_| !adoption.agrees()) {
            if adoption.live_workers > 0 {
                let count = adoption.live_workers;
                return Err(OperationError::Refused(format!("{count} workers run with the present settings: stop all services first")));
            }
            if adoption.is_marked {
                self.refuse_what_is_left(stored).await?;
            }
        }
        Installation::mark_broker(&self.url, &self.name, &mark_of(&adoption.here)).await?;
        let deed = Deed {
            tenant: None,
            action: "installation.adopt",
            target: adoption.broker.clone(),
            before: adoption.stored.as_ref().map(audited),
            after: Some(audited(&adoption.here)),
        };
        self.store.replace_broker_place(&adoption.here, adoption.stored.as_ref(), who, &deed).await?;
        if let Some(stored) = adoption.stored.as_ref().filter(|_| adoption.is_marked) {
            Installation::remove_mark(&self.url, &self.name, &mark_of(stored)).await?;
        }
        Ok(())
    }

    /// Refuses when messages wait in queues of `stored` that the settings of this process do not read.
    async fn refuse_what_is_left(&self, stored: &BrokerPlace) -> Result<(), OperationError> {
        let is_renamed = stored.queue_prefix != self.queue_prefix;
        let first = if is_renamed { 0 } else { self.shared_queues };
        let mut queues = Vec::new();
        for lane in first..stored.shared_queues {
            queues.extend([Queue::Call(lane), Queue::Work(lane)]);
            queues.extend(RETRY_DELAYS.map(|seconds| Queue::Retry { lane, delay: seconds * 1000 }));
        }
        if is_renamed {
            queues.extend([Queue::Dead, Queue::Outcomes, Queue::Unreadable]);
            queues.extend(self.store.list_triggers(None).await?.iter().map(|row| Queue::Trigger(row.integration_id)));
        }
        // Only their names matter: nothing is declared.
        let limits = Limits { max_length: 1, max_bytes: 1 };
        let topology = Topology::new(&stored.queue_prefix, stored.shared_queues, limits, Installation::unchecked());
        let inspector = Inspector::new(ConsumersConfig { url: self.url.clone(), name: self.name.clone() }, topology.clone());
        let depths = inspector.depths(&queues).await?;
        let waiting = queues.iter().zip(depths).filter_map(|(queue, depth)| Some((queue, depth.filter(|depth| depth.ready > 0)?)));
        let left: Vec<String> = waiting.map(|(queue, depth)| format!("{} ({})", topology.name(*queue), depth.ready)).collect();
        if left.is_empty() {
            return Ok(());
        }
        let why = "messages wait in queues that would be read no more: let workers with the present settings empty them first";
        Err(OperationError::Refused(format!("{why}: {}", left.join(", "))))
    }
}

fn mark_of(place: &BrokerPlace) -> String {
    Installation::mark_name(&place.queue_prefix, place.mark)
}

fn audited(place: &BrokerPlace) -> Value {
    json!({ "mark": mark_of(place), "queuePrefix": place.queue_prefix, "sharedQueues": place.shared_queues })
}
