//! A message that was delivered to this worker.

use forebay_broker::Queue;
use forebay_contract::SharedQueueNumber;
use forebay_contract::envelope::Envelope;
use tokio_util::sync::CancellationToken;

/// One delivery of an envelope.
pub(crate) struct Delivered {
    /// The message.
    pub(crate) envelope: Envelope,
    /// True if the broker delivered it before.
    pub(crate) redelivered: bool,
    /// Number of redeliveries that the broker counted.
    pub(crate) redeliveries: u32,
    /// Its origin.
    pub(crate) source: Source,
    /// Cancelled when the delivery is lost to this worker.
    pub(crate) lost: CancellationToken,
    /// Number of calling executions that run in the same place.
    pub(crate) nested: u8,
}

/// The origin of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A shared queue: its executions run in parallel.
    SharedQueue(SharedQueue),
    /// An exclusive queue.
    ExclusiveQueue {
        /// True if the next execution waits for the record of this one.
        is_ordered: bool,
    },
    /// A `call` step: the execution runs in the place of the calling execution.
    Call {
        /// True if the calling execution can be deferred.
        may_be_deferred: bool,
    },
}

/// A shared queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedQueue {
    /// Its number.
    pub(crate) number: SharedQueueNumber,
    /// True if its callers wait for outcomes: its retries are made within the delivery.
    pub(crate) is_awaited: bool,
}

impl SharedQueue {
    /// Returns the queue at the broker.
    pub(crate) fn at_broker(self) -> Queue {
        if self.is_awaited { Queue::Call(self.number) } else { Queue::Work(self.number) }
    }
}

impl Source {
    /// Returns true if a `wait` may defer the execution.
    pub(crate) fn may_be_deferred(self) -> bool {
        match self {
            Self::SharedQueue(_) => true,
            Self::ExclusiveQueue { .. } => false,
            Self::Call { may_be_deferred } => may_be_deferred,
        }
    }

    /// Returns the number of the shared queue to which a retry returns after a delay; `None`: retries are made within the delivery.
    pub(crate) fn delayed_retry(self) -> Option<SharedQueueNumber> {
        match self {
            Self::SharedQueue(SharedQueue { number, is_awaited: false }) => Some(number),
            Self::SharedQueue(_) | Self::ExclusiveQueue { .. } | Self::Call { .. } => None,
        }
    }
}

impl Delivered {
    /// Returns true if an earlier delivery may have run some steps.
    pub(crate) fn is_repeated(&self) -> bool {
        self.redelivered || self.envelope.attempts > 0 || self.envelope.resumes
    }
}
