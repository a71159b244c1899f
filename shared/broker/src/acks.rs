//! Acknowledgements of one subscription, in batches: one frame and one entry in the quorum queue's log for many deliveries.
//!
//! Delivery tags of a channel count up from 1. Deliveries that are done without a gap are acknowledged at once with `multiple`. A delivery
//! that is done before an earlier one waits for a moment and is then acknowledged alone.

use lapin::Channel;
use lapin::options::BasicAckOptions;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time that an acknowledgement waits for those before it. A crash in that time causes redeliveries, which the store recognises.
const HOLD: Duration = Duration::from_millis(5);

/// Receives the acknowledgements of deliveries.
#[derive(Clone)]
pub(crate) struct Acks(mpsc::UnboundedSender<Request>);

enum Request {
    Done(u64),
    Flush(oneshot::Sender<()>),
}

impl Acks {
    /// Starts the subscription's acknowledging task; it ends with the last handle.
    pub(crate) fn start(channel: Channel, lost: CancellationToken) -> Self {
        let (requests, to_send) = mpsc::unbounded_channel();
        tokio::spawn(send(channel, to_send, lost));
        Self(requests)
    }

    pub(crate) fn done(&self, tag: u64) {
        // The task ends only with the last handle.
        let _ = self.0.send(Request::Done(tag));
    }

    /// Returns once the broker has all acknowledgements from before, or the channel is gone.
    pub(crate) async fn flush(&self) {
        let (flushed, wait) = oneshot::channel();
        if self.0.send(Request::Flush(flushed)).is_ok() {
            let _ = wait.await;
        }
    }
}

async fn send(channel: Channel, mut requests: mpsc::UnboundedReceiver<Request>, lost: CancellationToken) {
    let mut progress = Progress::default();
    let mut held_since: Option<Instant> = None;
    let mut flushes = Vec::new();
    loop {
        let mut next = match held_since {
            None => requests.recv().await,
            Some(since) => match tokio::time::timeout_at(since + HOLD, requests.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    acknowledge_each(&channel, progress.take_held(), &lost).await;
                    held_since = None;
                    continue;
                }
            },
        };
        if next.is_none() {
            return;
        }
        while let Some(request) = next {
            match request {
                Request::Done(tag) => progress.done(tag),
                Request::Flush(flushed) => flushes.push(flushed),
            }
            next = requests.try_recv().ok();
        }
        if let Some(tag) = progress.advance() {
            acknowledge(&channel, tag, true, &lost).await;
        }
        if !flushes.is_empty() {
            acknowledge_each(&channel, progress.take_held(), &lost).await;
            for flushed in flushes.drain(..) {
                let _ = flushed.send(());
            }
        }
        held_since = if progress.holds() { held_since.or_else(|| Some(Instant::now())) } else { None };
    }
}

async fn acknowledge_each(channel: &Channel, tags: Vec<u64>, lost: &CancellationToken) {
    for tag in tags {
        acknowledge(channel, tag, false, lost).await;
    }
}

async fn acknowledge(channel: &Channel, tag: u64, multiple: bool, lost: &CancellationToken) {
    if let Err(error) = channel.basic_ack(tag, BasicAckOptions { multiple }).await {
        tracing::debug!(%error, "an acknowledgement could not be sent; its deliveries come again");
        lost.cancel();
    }
}

/// The delivery tags that are done, and those that are acknowledged.
#[derive(Default)]
struct Progress {
    /// Every tag up to this one is done, and the broker knows it.
    through: u64,
    /// Tags that are done beyond a gap; `true`: acknowledged alone already.
    ahead: BTreeMap<u64, bool>,
}

impl Progress {
    fn done(&mut self, tag: u64) {
        if tag > self.through {
            self.ahead.entry(tag).or_insert(false);
        }
    }

    /// Moves past all deliveries without a gap. Returns the tag to acknowledge with `multiple`, which the broker must not know yet.
    fn advance(&mut self) -> Option<u64> {
        let mut last_unacknowledged = None;
        while let Some(is_acknowledged) = self.ahead.remove(&(self.through + 1)) {
            self.through += 1;
            if !is_acknowledged {
                last_unacknowledged = Some(self.through);
            }
        }
        last_unacknowledged
    }

    fn holds(&self) -> bool {
        self.ahead.values().any(|is_acknowledged| !is_acknowledged)
    }

    fn take_held(&mut self) -> Vec<u64> {
        let mut held = Vec::new();
        for (tag, is_acknowledged) in &mut self.ahead {
            if !*is_acknowledged {
                *is_acknowledged = true;
                held.push(*tag);
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy};
    use std::collections::BTreeSet;

    #[test]
    fn deliveries_without_a_gap_are_one_acknowledgement() {
        let mut progress = Progress::default();
        for tag in [2, 1, 3] {
            progress.done(tag);
        }
        assert_eq!(progress.advance(), Some(3));
        assert_eq!(progress.advance(), None);
        assert!(!progress.holds());
    }

    #[test]
    fn deliveries_ahead_of_a_gap_are_held_and_then_acknowledged_once() {
        let mut progress = Progress::default();
        progress.done(2);
        progress.done(3);
        assert_eq!(progress.advance(), None);
        assert!(progress.holds());
        assert_eq!(progress.take_held(), [2, 3]);
        assert!(!progress.holds());
        progress.done(1);
        // 3 is known to the broker already: acknowledging it with `multiple` would close the channel.
        assert_eq!(progress.advance(), Some(1));
        progress.done(4);
        assert_eq!(progress.advance(), Some(4));
    }

    proptest::proptest! {
        /// Each delivery is acknowledged exactly once, in every order of their ends and with any number of timeouts.
        #[test]
        fn every_delivery_is_acknowledged_once(order in Just((1..=40u64).collect::<Vec<_>>()).prop_shuffle(), holds in proptest::collection::vec(proptest::bool::ANY, 40)) {
            let mut progress = Progress::default();
            let mut outstanding: BTreeSet<u64> = (1..=40).collect();
            for (tag, hold) in order.into_iter().zip(holds) {
                progress.done(tag);
                if let Some(through) = progress.advance() {
                    assert!(outstanding.contains(&through), "unknown delivery tag {through}");
                    outstanding.retain(|tag| *tag > through);
                }
                if hold {
                    for tag in progress.take_held() {
                        assert!(outstanding.remove(&tag), "unknown delivery tag {tag}");
                    }
                }
            }
            assert!(outstanding.is_empty());
        }
    }
}
