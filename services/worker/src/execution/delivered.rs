//! A message that was delivered to this worker.

use forebay_broker::Queue;
use forebay_contract::SharedQueueNumber;
use forebay_contract::envelope::Envelope;
use tokio_util::sync::CancellationToken;

/// One delivery of an envelope.
pub(crate) struct Delivered {
    /// The call.
    pub(crate) envelope: Envelope,
    /// True if the broker delivered it before.
    pub(crate) redelivered: bool,
    /// Number of redeliveries that the broker counted.
    pub(crate) redeliveries: u32,
    /// The place from which it came.
    pub(crate) source: Source,
    /// Cancelled when the delivery is no longer this worker's.
    pub(crate) lost: CancellationToken,
    /// Number of executions around this one that run in the same place.
    pub(crate) nested: u8,
}

/// The place from which an execution came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A shared queue: others of it run at the same time.
    SharedQueue(SharedQueue),
    /// An exclusive queue.
    ExclusiveQueue {
        /// True if a next execution waits for the record of this one.
        is_ordered: bool,
    },
    /// A `call` step: the execution runs in the place of the one that calls.
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
    /// True if its callers wait for outcomes: retries are made in process then.
    pub(crate) is_awaited: bool,
}

impl SharedQueue {
    /// The queue at the broker.
    pub(crate) fn at_broker(self) -> Queue {
        if self.is_awaited { Queue::Call(self.number) } else { Queue::Work(self.number) }
    }
}

impl Source {
    /// Returns true if a `wait` may end the run, to go on later.
    pub(crate) fn may_be_deferred(self) -> bool {
        match self {
            Self::SharedQueue(_) => true,
            Self::ExclusiveQueue { .. } => false,
            Self::Call { may_be_deferred } => may_be_deferred,
        }
    }

    /// The number of the shared queue to which a retry may return after a delay.
    pub(crate) fn delayed_retry(self) -> Option<SharedQueueNumber> {
        match self {
            Self::SharedQueue(SharedQueue { number, is_awaited: false }) => Some(number),
            Self::SharedQueue(_) | Self::ExclusiveQueue { .. } | Self::Call { .. } => None,
        }
    }
}

impl Delivered {
    /// Returns true if an earlier delivery may have done a part.
    pub(crate) fn is_repeated(&self) -> bool {
        self.redelivered || self.envelope.attempts > 0 || self.envelope.resumes
    }
}
