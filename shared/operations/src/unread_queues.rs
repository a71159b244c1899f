//! The queues that nobody reads any more after a move of the installation at the same broker.

use crate::error::OperationError;
use crate::installation::InstallationCheck;
use forebay_broker::{ConsumersConfig, Depth, Inspector, Installation, Limits, Queue, RETRY_DELAYS, Topology};
use forebay_contract::SharedQueueNumber;
use forebay_store::BrokerPlace;
use std::time::Duration;

/// A message on its way from one queue to another is in neither for a moment, and has arrived after this pause.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Queues of the earlier place that the new one does not read.
pub(crate) struct UnreadQueues {
    /// From these the broker itself moves messages on to the others: they are looked at first.
    delayed: Vec<Queue>,
    others: Vec<Queue>,
    topology: Topology,
    inspector: Inspector,
}

impl UnreadQueues {
    /// Those of a move from `earlier` to `new`. AMQP lists no queues: those of integrations are known by the database and its history.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn of_move(check: &InstallationCheck, earlier: &BrokerPlace, new: &BrokerPlace) -> Result<Self, OperationError> {
        let is_renamed = earlier.queue_prefix != new.queue_prefix;
        let first = if is_renamed { 0 } else { new.shared_queues };
        let (mut delayed, mut others) = (Vec::new(), Vec::new());
        let tenants: Vec<SharedQueueNumber> =
            if is_renamed { check.store.tenant_queues().await?.into_iter().map(|(_, number)| number).collect() } else { Vec::new() };
        for number in SharedQueueNumber::range(first, earlier.shared_queues).chain(tenants) {
            delayed.extend(RETRY_DELAYS.map(|seconds| Queue::Delayed { shared_queue: number, delay: seconds * 1000 }));
            others.extend([Queue::Call(number), Queue::Work(number)]);
        }
        if is_renamed {
            others.extend(check.store.integrations_ever().await?.into_iter().map(Queue::Trigger));
            others.extend([Queue::Dead, Queue::Outcomes, Queue::Unreadable]);
        }
        // Only their names matter: nothing is declared. The broker is known by its mark already.
        let limits = Limits { max_length: 1, max_bytes: 1 };
        let topology = Topology::new(&earlier.queue_prefix, earlier.shared_queues, limits, Installation::unchecked());
        let inspector = Inspector::new(ConsumersConfig { url: check.url.clone(), name: check.name.clone() }, topology.clone());
        Ok(Self { delayed, others, topology, inspector })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.delayed.is_empty() && self.others.is_empty()
    }

    /// Looks twice, for what was on its way at first.
    ///
    /// # Errors
    /// [`OperationError::Refused`], with the names of queues in which messages wait, or which a consumer reads: it may have messages in hand,
    /// which the broker does not count. When the broker cannot be asked.
    pub(crate) async fn refuse_messages(&self) -> Result<(), OperationError> {
        self.refuse_once().await?;
        tokio::time::sleep(ON_ITS_WAY).await;
        self.refuse_once().await
    }

    async fn refuse_once(&self) -> Result<(), OperationError> {
        let mut left = Vec::new();
        for queues in [&self.delayed, &self.others] {
            let depths = self.inspector.depths(queues).await?;
            for (queue, depth) in queues.iter().zip(depths) {
                let name = self.topology.name(*queue);
                match depth {
                    None | Some(Depth { ready: 0, consumers: 0 }) => {}
                    Some(Depth { ready: 0, .. }) => left.push(format!("{name} (a worker reads it)")),
                    Some(Depth { ready, .. }) => left.push(format!("{name} ({ready})")),
                }
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let why = "messages wait in queues that would be read no more: let workers with the present settings empty them first, then stop all \
                   services";
        Err(OperationError::Refused(format!("{why}: {}", left.join(", "))))
    }
}
