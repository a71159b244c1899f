//! Queues that are no longer read after a move of the installation at the same broker.

use crate::error::OperationError;
use crate::installation::InstallationCheck;
use forebay_broker::{Broker, Depth, Inspector, Queue, RETRY_DELAYS};
use forebay_contract::SharedQueueNumber;
use forebay_store::BrokerPlace;
use std::num::NonZeroU16;
use std::time::Duration;

/// Time after which a message that moves between queues has arrived: for a moment it is in neither.
const TRANSFER_TIME: Duration = Duration::from_secs(1);

/// Queues of the earlier place that the new one does not read.
pub(crate) struct UnreadQueues {
    /// Queues from which the broker itself moves messages to the others: they are checked first.
    delayed: Vec<Queue>,
    others: Vec<Queue>,
    broker: Broker,
    inspector: Inspector,
}

impl UnreadQueues {
    /// Returns the queues of a move from `earlier` to `new`. AMQP cannot list queues: those of integrations are known from the database and
    /// its history.
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
            for integration in check.store.paused_queues().await? {
                others.extend([true, false].map(|is_awaited| Queue::Paused { integration, is_awaited }));
            }
            others.extend([Queue::Dead, Queue::Outcomes, Queue::Unreadable]);
        }
        // Only their names matter: nothing is declared. The broker was verified by its mark already.
        let shared_queue_count = NonZeroU16::new(earlier.shared_queues).unwrap_or(NonZeroU16::MIN);
        let broker = check.broker.unchecked(&earlier.queue_prefix, shared_queue_count);
        let inspector = broker.inspector("installation");
        Ok(Self { delayed, others, broker, inspector })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.delayed.is_empty() && self.others.is_empty()
    }

    /// Checks twice, for messages that were moving at first.
    ///
    /// # Errors
    /// [`OperationError::Refused`], with the names of queues that have messages, or a consumer: it may hold messages, which the broker does
    /// not count. The broker does not answer.
    pub(crate) async fn refuse_messages(&self) -> Result<(), OperationError> {
        self.refuse_once().await?;
        tokio::time::sleep(TRANSFER_TIME).await;
        self.refuse_once().await
    }

    async fn refuse_once(&self) -> Result<(), OperationError> {
        let mut nonempty = Vec::new();
        for queues in [&self.delayed, &self.others] {
            let depths = self.inspector.depths(queues).await?;
            for (queue, depth) in queues.iter().zip(depths) {
                let name = self.broker.topology().name(*queue);
                match depth {
                    None | Some(Depth { ready: 0, consumers: 0 }) => {}
                    Some(Depth { ready: 0, .. }) => nonempty.push(format!("{name} (a worker reads it)")),
                    Some(Depth { ready, .. }) => nonempty.push(format!("{name} ({ready})")),
                }
            }
        }
        if nonempty.is_empty() {
            return Ok(());
        }
        let reason = "queues that would no longer be read contain messages: let workers with the installation's settings empty them, then stop all \
                      services";
        Err(OperationError::Refused(format!("{reason}: {}", nonempty.join(", "))))
    }
}
