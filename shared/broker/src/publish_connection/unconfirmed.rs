//! The messages of one channel that the broker has not confirmed: confirms by delivery tag, returns by message id.

use super::confirm::{ConfirmSender, Woken};
use super::frames::Malformed;
use super::outbox::Shared;
use super::too_large::TooLarge;
use crate::error::PublishError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;

/// The messages of one channel that are not resolved.
pub(super) struct Unconfirmed {
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
    /// The delivery tag of the first of `pending`.
    first_tag: u64,
    /// Messages that are written and not resolved, in the order of their tags; `None`: resolved before an earlier one.
    pending: VecDeque<Option<Pending>>,
    /// Ids of messages that came back. A message comes back before it is confirmed.
    returned: Vec<String>,
}

struct Pending {
    id: String,
    /// Bytes of the body.
    size: usize,
    result: ConfirmSender,
}

/// A message that was written to a channel which the broker closed before it had handled the message.
pub(super) struct Unhandled {
    pub(super) id: String,
    pub(super) result: ConfirmSender,
}

impl Unconfirmed {
    pub(super) fn new(permits: Arc<Semaphore>, shared: Arc<Shared>) -> Self {
        Self { permits, shared, first_tag: 1, pending: VecDeque::new(), returned: Vec::new() }
    }

    /// Returns the state of the channel that replaces this one, with the same permits.
    pub(super) fn successor(&self) -> Self {
        Self::new(self.permits.clone(), self.shared.clone())
    }

    /// Returns true if every message is resolved.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Adds the next message that was written, with a body of `size` bytes. Its delivery tag is its number on the channel.
    pub(super) fn sent(&mut self, id: String, size: usize, result: ConfirmSender) {
        self.pending.push_back(Some(Pending { id, size, result }));
    }

    /// Notes that the broker returned the message with this id.
    pub(super) fn returned(&mut self, id: Option<String>) {
        self.returned.extend(id);
    }

    /// Returns the permits of messages that are no longer in flight.
    pub(super) fn give_back(&self, permits: usize) {
        self.permits.add_permits(permits);
    }

    /// Resolves all messages when the connection has ended: each may be delivered. No other is taken.
    pub(super) fn end(&mut self, woken: &mut Woken) {
        self.permits.close();
        for pending in self.pending.drain(..).flatten() {
            pending.result.resolve(Err(PublishError::Unconfirmed), woken);
        }
    }

    /// Resolves the messages of a channel that was closed: they get no more confirms.
    ///
    /// The broker handles the messages of a channel in their order. If it closed the channel over the size of one, the messages before it
    /// may be delivered; those after it were not handled, and are returned in their order.
    pub(super) fn close(&mut self, refused: Option<TooLarge>, woken: &mut Woken) -> Vec<Unhandled> {
        let is_refused = |pending: &Option<Pending>| match (pending, refused) {
            (Some(pending), Some(refused)) => pending.size > refused.limit,
            (None, _) | (_, None) => false,
        };
        let refused_at = self.pending.iter().position(is_refused);
        let (pending, returned) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.returned));
        self.first_tag = 1;
        let (mut unhandled, mut settled) = (Vec::new(), 0);
        for (place, pending) in pending.into_iter().enumerate() {
            let Some(Pending { id, size, result }) = pending else { continue };
            let error = match (refused, refused_at) {
                (Some(_), Some(at)) if place > at => {
                    unhandled.push(Unhandled { id, result });
                    continue;
                }
                (Some(TooLarge { limit, .. }), Some(at)) if place == at => PublishError::TooLarge { size, limit },
                _ if returned.contains(&id) => PublishError::Unroutable,
                _ => PublishError::Unconfirmed,
            };
            settled += 1;
            result.resolve(Err(error), woken);
        }
        self.give_back(settled);
        unhandled
    }

    /// Resolves the message of `tag`, and with `multiple` all before it.
    pub(super) fn resolve(
        &mut self,
        tag: u64,
        multiple: bool,
        result: &Result<(), PublishError>,
        woken: &mut Woken,
    ) -> Result<(), Malformed> {
        let unknown = Malformed("confirm of a message that was sent");
        let last = usize::try_from(tag.checked_sub(self.first_tag).ok_or(unknown)?).map_err(|_| unknown)?;
        if last >= self.pending.len() {
            return Err(unknown);
        }
        let first = if multiple { 0 } else { last };
        let mut settled = 0;
        for pending in self.pending.range_mut(first..=last) {
            let Some(Pending { id, size, result: waiting }) = pending.take() else { continue };
            settled += 1;
            let is_returned = self.returned.iter().position(|returned| *returned == id);
            let result = match is_returned.map(|at| self.returned.swap_remove(at)) {
                Some(_) => Err(PublishError::Unroutable),
                None => result.clone(),
            };
            if result.is_ok() && size > self.shared.largest.load(Ordering::Relaxed) {
                self.shared.largest.store(size, Ordering::Relaxed);
            }
            waiting.resolve(result, woken);
        }
        while let Some(None) = self.pending.front() {
            self.pending.pop_front();
            self.first_tag += 1;
        }
        self.give_back(settled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::confirm::{Confirm, confirm_channel};
    use super::*;
    use futures_util::FutureExt;

    fn channel(messages: usize) -> (Unconfirmed, Vec<Confirm>) {
        channel_of(&vec![1; messages])
    }

    /// Messages with bodies of these sizes.
    fn channel_of(sizes: &[usize]) -> (Unconfirmed, Vec<Confirm>) {
        let mut channel = Unconfirmed::new(Arc::new(Semaphore::new(0)), Arc::default());
        let settled = sizes.iter().zip(1..).map(|(size, tag)| {
            let (result, settled) = confirm_channel();
            channel.sent(format!("m{tag}"), *size, result);
            settled
        });
        let settled = settled.collect();
        (channel, settled)
    }

    /// The result of each message so far: `.` nothing, `+` confirmed, `n` refused, `r` returned, `?` in doubt, `L` too large.
    fn results(settled: Vec<Confirm>) -> String {
        let result = |settled: Confirm| match settled.now_or_never() {
            None => '.',
            Some(Ok(())) => '+',
            Some(Err(PublishError::NotAccepting)) => 'n',
            Some(Err(PublishError::Unroutable)) => 'r',
            Some(Err(PublishError::Unconfirmed)) => '?',
            Some(Err(PublishError::TooLarge { .. })) => 'L',
            Some(Err(error)) => panic!("{error}"),
        };
        settled.into_iter().map(result).collect()
    }

    #[test]
    fn confirms_settle_the_messages_of_their_tags() {
        let (ok, nack) = (Ok(()), Err(PublishError::NotAccepting));
        let (one, all_until) = (false, true);
        // Tag, multiple, result of each confirm; then the results, the permits given back, and the tags that still wait in front.
        type Case<'a> = (&'a [(u64, bool, &'a Result<(), PublishError>)], &'a str, usize, u64);
        let cases: [Case; 6] = [
            (&[], "......", 0, 1),
            (&[(1, one, &ok)], "+.....", 1, 2),
            (&[(3, one, &ok)], "..+...", 1, 1),
            (&[(3, one, &nack), (4, all_until, &ok)], "++n+..", 4, 5),
            (&[(2, all_until, &nack), (3, one, &ok), (6, all_until, &ok)], "nn++++", 6, 7),
            (&[(6, one, &ok), (5, one, &ok), (4, all_until, &ok)], "++++++", 6, 7),
        ];
        for (confirms, expected, permits, first_tag) in cases {
            let (mut channel, settled) = channel(6);
            for (tag, multiple, result) in confirms {
                channel.resolve(*tag, *multiple, result, &mut Woken::default()).unwrap();
            }
            assert_eq!(results(settled), expected, "{confirms:?}");
            assert_eq!((channel.permits.available_permits(), channel.first_tag), (permits, first_tag), "{confirms:?}");
        }
    }

    #[test]
    fn a_returned_message_is_told_by_its_id_and_not_by_its_place() {
        let (mut channel, settled) = channel(4);
        for id in ["m3", "m1"] {
            channel.returned(Some(id.to_owned()));
        }
        channel.resolve(4, true, &Ok(()), &mut Woken::default()).unwrap();
        assert_eq!(results(settled), "r+r+");
        assert!(channel.returned.is_empty());
    }

    #[test]
    fn a_channel_that_is_closed_over_a_size_tells_what_stood_before_and_after_it() {
        let refused = Some(TooLarge { size: 90, limit: 50 });
        // Sizes, tags confirmed before, the reason of the close; the results, and the ids that the broker has not handled.
        type Case<'a> = (&'a [usize], &'a [u64], Option<TooLarge>, &'a str, &'a [&'a str]);
        let cases: [Case; 6] = [
            (&[1, 90, 1, 1], &[], refused, "?L..", &["m3", "m4"]),
            (&[90, 1, 90], &[], refused, "L..", &["m2", "m3"]),
            (&[1, 1, 90, 1], &[2], refused, "?+L.", &["m4"]),
            // The limit was changed while the messages were on their way, or the broker counts otherwise: nothing is known.
            (&[1, 50, 1], &[], refused, "???", &[]),
            (&[1, 90, 1], &[1], None, "+??", &[]),
            (&[], &[], refused, "", &[]),
        ];
        for (sizes, confirmed, refused, expected, unhandled) in cases {
            let (mut channel, settled) = channel_of(sizes);
            for tag in confirmed {
                channel.resolve(*tag, false, &Ok(()), &mut Woken::default()).unwrap();
            }
            let again = channel.close(refused, &mut Woken::default());
            assert_eq!(again.iter().map(|unhandled| unhandled.id.as_str()).collect::<Vec<_>>(), unhandled, "{sizes:?}");
            assert_eq!(channel.permits.available_permits(), sizes.len() - unhandled.len(), "{sizes:?}");
            assert_eq!(results(settled), expected, "{sizes:?}");
            assert_eq!((channel.first_tag, channel.is_empty()), (1, true));
        }
    }

    #[test]
    fn a_message_that_came_back_before_its_channel_closed_is_told_as_unroutable() {
        let (mut channel, settled) = channel_of(&[1, 1, 90]);
        channel.returned(Some("m2".to_owned()));
        channel.close(Some(TooLarge { size: 90, limit: 50 }), &mut Woken::default());
        assert_eq!(results(settled), "?rL");
    }

    #[test]
    fn the_largest_body_that_was_confirmed_is_known() {
        let (mut channel, _settled) = channel_of(&[1_000_000, 2_000_000, 1]);
        channel.resolve(2, false, &Err(PublishError::NotAccepting), &mut Woken::default()).unwrap();
        channel.resolve(3, true, &Ok(()), &mut Woken::default()).unwrap();
        assert_eq!(channel.shared.largest.load(Ordering::Relaxed), 1_000_000);
    }

    #[test]
    fn a_confirm_of_what_was_not_sent_ends_the_connection() {
        let (mut channel, settled) = channel(2);
        for tag in [0, 3, u64::MAX] {
            assert!(channel.resolve(tag, true, &Ok(()), &mut Woken::default()).is_err(), "{tag}");
        }
        channel.resolve(1, false, &Ok(()), &mut Woken::default()).unwrap();
        assert!(channel.resolve(0, false, &Ok(()), &mut Woken::default()).is_err());
        assert_eq!(results(settled), "+.");
    }
}
