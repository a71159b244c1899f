//! What became of the messages of one channel: confirms by delivery tag, returns by message id.

use super::frames::Malformed;
use super::settled::{Settle, Woken};
use crate::error::PublishError;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The messages of one channel that wait for the broker's word.
pub(super) struct Confirms {
    places: Arc<Semaphore>,
    /// The delivery tag of the first of `pending`.
    first_tag: u64,
    /// Written and not settled, in the order of their tags; `None` was settled before those in front of it.
    pending: VecDeque<Option<Pending>>,
    /// Ids of messages that came back. A message comes back before it is confirmed.
    returned: Vec<String>,
}

struct Pending {
    id: String,
    result: Settle,
}

impl Confirms {
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        Self { places, first_tag: 1, pending: VecDeque::new(), returned: Vec::new() }
    }

    /// The next message was written. The broker counts them as well: that is its delivery tag.
    pub(super) fn sent(&mut self, id: String, result: Settle) {
        self.pending.push_back(Some(Pending { id, result }));
    }

    /// The broker sent a message back, of which it tells the id.
    pub(super) fn returned(&mut self, id: Option<String>) {
        self.returned.extend(id);
    }

    /// Places of messages that are in flight no longer.
    pub(super) fn give_back(&self, places: usize) {
        self.places.add_permits(places);
    }

    /// The connection has ended: whatever was written may be delivered, and nothing more is taken.
    pub(super) fn end(&mut self, woken: &mut Woken) {
        self.places.close();
        for pending in self.pending.drain(..).flatten() {
            pending.result.settle(Err(PublishError::Unconfirmed), woken);
        }
    }

    /// The broker has spoken about `tag`, and with `multiple` about all before it.
    pub(super) fn settle(
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
            let Some(Pending { id, result: waiting }) = pending.take() else { continue };
            settled += 1;
            let is_returned = self.returned.iter().position(|returned| *returned == id);
            let result = match is_returned.map(|at| self.returned.swap_remove(at)) {
                Some(_) => Err(PublishError::Unroutable),
                None => result.clone(),
            };
            waiting.settle(result, woken);
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
    use super::super::settled::{Settled, settling};
    use super::*;
    use futures_util::FutureExt;

    fn channel(messages: usize) -> (Confirms, Vec<Settled>) {
        let mut channel = Confirms::new(Arc::new(Semaphore::new(0)));
        let settled = (1..=messages).map(|tag| {
            let (result, settled) = settling();
            channel.sent(format!("m{tag}"), result);
            settled
        });
        let settled = settled.collect();
        (channel, settled)
    }

    /// What became of each message so far: `.` nothing, `+` confirmed, `f` full, `r` returned.
    fn fates(settled: Vec<Settled>) -> String {
        let fate = |settled: Settled| match settled.now_or_never() {
            None => '.',
            Some(Ok(())) => '+',
            Some(Err(PublishError::QueueFull)) => 'f',
            Some(Err(PublishError::Unroutable)) => 'r',
            Some(Err(error)) => panic!("{error}"),
        };
        settled.into_iter().map(fate).collect()
    }

    #[test]
    fn confirms_settle_the_messages_of_their_tags() {
        let (ok, full) = (Ok(()), Err(PublishError::QueueFull));
        let (one, all_until) = (false, true);
        // Tag, multiple, result of each confirm; then the fates, the places given back, and the tags that still wait in front.
        type Case<'a> = (&'a [(u64, bool, &'a Result<(), PublishError>)], &'a str, usize, u64);
        let cases: [Case; 6] = [
            (&[], "......", 0, 1),
            (&[(1, one, &ok)], "+.....", 1, 2),
            (&[(3, one, &ok)], "..+...", 1, 1),
            (&[(3, one, &full), (4, all_until, &ok)], "++f+..", 4, 5),
            (&[(2, all_until, &full), (3, one, &ok), (6, all_until, &ok)], "ff++++", 6, 7),
            (&[(6, one, &ok), (5, one, &ok), (4, all_until, &ok)], "++++++", 6, 7),
        ];
        for (confirms, expected, places, first_tag) in cases {
            let (mut channel, settled) = channel(6);
            for (tag, multiple, result) in confirms {
                channel.settle(*tag, *multiple, result, &mut Woken::default()).unwrap();
            }
            assert_eq!(fates(settled), expected, "{confirms:?}");
            assert_eq!((channel.places.available_permits(), channel.first_tag), (places, first_tag), "{confirms:?}");
        }
    }

    #[test]
    fn a_returned_message_is_told_by_its_id_and_not_by_its_place() {
        let (mut channel, settled) = channel(4);
        for id in ["m3", "m1"] {
            channel.returned(Some(id.to_owned()));
        }
        channel.settle(4, true, &Ok(()), &mut Woken::default()).unwrap();
        assert_eq!(fates(settled), "r+r+");
        assert!(channel.returned.is_empty());
    }

    #[test]
    fn a_confirm_of_what_was_not_sent_ends_the_connection() {
        let (mut channel, settled) = channel(2);
        for tag in [0, 3, u64::MAX] {
            assert!(channel.settle(tag, true, &Ok(()), &mut Woken::default()).is_err(), "{tag}");
        }
        channel.settle(1, false, &Ok(()), &mut Woken::default()).unwrap();
        assert!(channel.settle(0, false, &Ok(()), &mut Woken::default()).is_err());
        assert_eq!(fates(settled), "+.");
    }
}
