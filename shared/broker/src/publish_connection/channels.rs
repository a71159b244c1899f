//! The channels of the connection: the channel of each message, and the replacement of a channel.
//!
//! Each message has a slot, which keeps the order. A slot has one open channel at a time. When that is renewed, the earlier channel
//! retires: it takes no new message and is closed once all its messages are resolved. So a renewal puts no message in doubt.

use super::confirm::Woken;
use super::frames;
use super::outbox::Shared;
use super::unconfirmed::Unconfirmed;
use lapin::protocol::{AMQPClass, channel, confirm};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Channels that a slot has at once: the open one and those that retire.
const CHANNELS_OF_SLOT: u16 = 4;
/// A channel is renewed at most this often.
const RENEWAL_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum wait of a retiring channel for its confirms: longer than callers wait by default.
const RETIREMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// Every channel of the connection.
pub(super) struct Channels {
    slots: Vec<Slot>,
}

pub(super) struct Slot {
    /// The open channel.
    number: u16,
    confirms: Unconfirmed,
    opened: Instant,
    retiring: Vec<Retiring>,
    /// Numbers for the next channels.
    free: Vec<u16>,
}

struct Retiring {
    number: u16,
    confirms: Unconfirmed,
    since: Instant,
    /// True once the broker was asked to close it.
    is_closing: bool,
}

/// The meaning of a channel's number.
pub(super) enum Role {
    /// The open channel of the slot.
    Open(usize),
    /// An earlier channel of the slot.
    Retiring(usize),
    /// The channel without confirms.
    Replies,
    /// Closed since.
    Closed,
}

impl Channels {
    /// A slot for each of `permits`. Its first channel is open, and has the slot's index plus 1 as its number; the number after those is
    /// that of the channel without confirms.
    pub(super) fn new(permits: &[Arc<Semaphore>], shared: &Arc<Shared>, max_channels: u16) -> Self {
        let step = permits.len() as u16 + 1;
        let slots = permits.iter().zip(1..).map(|(permits, first)| {
            let later = (1..CHANNELS_OF_SLOT).map(|generation| first + generation * step);
            Slot {
                number: first,
                confirms: Unconfirmed::new(permits.clone(), shared.clone()),
                opened: Instant::now(),
                retiring: Vec::new(),
                free: later.filter(|number| *number <= max_channels).collect(),
            }
        });
        Self { slots: slots.collect() }
    }

    /// The number of the channel without confirms.
    pub(super) fn replies(&self) -> u16 {
        self.slots.len() as u16 + 1
    }

    /// The slot; `None`: the channel without confirms.
    pub(super) fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)
    }

    pub(super) fn role_of(&self, number: u16) -> Role {
        let index = (usize::from(number).max(1) - 1) % (self.slots.len() + 1);
        match self.slots.get(index) {
            None if number == self.replies() => Role::Replies,
            Some(slot) if slot.number == number => Role::Open(index),
            Some(slot) if slot.retiring.iter().any(|channel| channel.number == number) => Role::Retiring(index),
            Some(_) | None => Role::Closed,
        }
    }

    /// Closes retiring channels whose messages are all resolved, and those that have waited too long.
    pub(super) fn retire(&mut self, out: &mut Vec<u8>, woken: &mut Woken) {
        for slot in &mut self.slots {
            for channel in &mut slot.retiring {
                if channel.since.elapsed() > RETIREMENT_TIMEOUT {
                    channel.confirms.close(None, woken);
                }
                channel.close_when_done(out);
            }
        }
    }

    /// Resolves all messages when the connection has ended.
    pub(super) fn end(&mut self, woken: &mut Woken) {
        for slot in &mut self.slots {
            slot.confirms.end(woken);
            for channel in &mut slot.retiring {
                channel.confirms.end(woken);
            }
        }
    }
}

impl Slot {
    /// The number of the open channel.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// The messages of the open channel.
    pub(super) fn confirms(&mut self) -> &mut Unconfirmed {
        &mut self.confirms
    }

    /// The messages of a channel of this slot.
    pub(super) fn confirms_of(&mut self, number: u16) -> Option<&mut Unconfirmed> {
        if number == self.number {
            return Some(&mut self.confirms);
        }
        self.retiring.iter_mut().find(|channel| channel.number == number).map(|channel| &mut channel.confirms)
    }

    /// Opens another channel for the messages to come, unless that was done just now or too many channels still retire.
    pub(super) fn renew(&mut self, out: &mut Vec<u8>) {
        if self.opened.elapsed() < RENEWAL_INTERVAL {
            return;
        }
        let Some(number) = self.free.pop() else { return };
        open(out, number, true);
        let successor = self.confirms.successor();
        let confirms = std::mem::replace(&mut self.confirms, successor);
        let retired = std::mem::replace(&mut self.number, number);
        self.opened = Instant::now();
        let mut earlier = Retiring { number: retired, confirms, since: Instant::now(), is_closing: false };
        earlier.close_when_done(out);
        self.retiring.push(earlier);
    }

    /// Handles a confirm of the broker for messages of a channel.
    pub(super) fn heard_of(&mut self, number: u16, out: &mut Vec<u8>) {
        if let Some(channel) = self.retiring.iter_mut().find(|channel| channel.number == number) {
            channel.close_when_done(out);
        }
    }

    /// Handles the close of a retiring channel, by the broker or at our request. If both sides close it, it is closed with the broker's
    /// answer.
    pub(super) fn closed(&mut self, number: u16, by_broker: bool) {
        let Some(at) = self.retiring.iter().position(|channel| channel.number == number) else { return };
        if by_broker && self.retiring[at].is_closing {
            return;
        }
        self.retiring.swap_remove(at);
        self.free.push(number);
    }
}

impl Retiring {
    fn close_when_done(&mut self, out: &mut Vec<u8>) {
        if self.is_closing || !self.confirms.is_empty() {
            return;
        }
        self.is_closing = true;
        let close = channel::Close { reply_code: 200, reply_text: "done".into(), class_id: 0, method_id: 0 };
        frames::method(out, self.number, &AMQPClass::Channel(channel::AMQPMethod::Close(close)));
    }
}

/// Opens a channel without waiting for the answers: the broker handles the frames of a channel in their order.
pub(super) fn open(out: &mut Vec<u8>, number: u16, confirms: bool) {
    frames::method(out, number, &AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
    if confirms {
        let select = confirm::Select { nowait: false };
        frames::method(out, number, &AMQPClass::Confirm(confirm::AMQPMethod::Select(select)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::confirm::confirm_channel;
    use super::*;
    use crate::error::PublishError;
    use futures_util::FutureExt;

    fn channels(slots: usize) -> Channels {
        let permits: Vec<_> = (0..slots).map(|_| Arc::new(Semaphore::new(0))).collect();
        Channels::new(&permits, &Arc::default(), 2047)
    }

    /// Channel and name of each method.
    fn methods(out: &mut Vec<u8>) -> Vec<(u16, &'static str)> {
        let (mut rest, mut methods) = (out.as_slice(), Vec::new());
        while let Some((frame, length)) = frames::Frame::first(rest, usize::MAX).unwrap() {
            let name = match frame.method().unwrap() {
                AMQPClass::Channel(channel::AMQPMethod::Open(_)) => "open",
                AMQPClass::Channel(channel::AMQPMethod::Close(_)) => "close",
                AMQPClass::Confirm(confirm::AMQPMethod::Select(_)) => "select",
                other => panic!("{other:?}"),
            };
            methods.push((frame.channel, name));
            rest = &rest[length..];
        }
        out.clear();
        methods
    }

    fn roles(channels: &Channels, numbers: std::ops::RangeInclusive<u16>) -> String {
        let letter = |number| match channels.role_of(number) {
            Role::Open(_) => 'o',
            Role::Retiring(_) => 'r',
            Role::Replies => 'R',
            Role::Closed => '.',
        };
        numbers.map(letter).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_slot_keeps_its_earlier_channel_until_all_is_said_about_it() {
        let (mut channels, mut out, mut woken) = (channels(2), Vec::new(), Woken::default());
        assert_eq!(roles(&channels, 0..=13), ".ooR..........");
        let (result, settled) = confirm_channel();
        channels.slot(0).unwrap().confirms().sent("m1".to_owned(), 1, result);
        channels.slot(0).unwrap().renew(&mut out);
        assert_eq!(methods(&mut out), [], "it was opened just now");
        tokio::time::advance(Duration::from_secs(1)).await;
        channels.slot(0).unwrap().renew(&mut out);
        let number = channels.slot(0).unwrap().number();
        assert_eq!(methods(&mut out), [(number, "open"), (number, "select")]);
        assert!(matches!(channels.role_of(1), Role::Retiring(0)) && matches!(channels.role_of(number), Role::Open(0)));

        channels.slot(0).unwrap().confirms_of(1).unwrap().resolve(1, false, &Ok(()), &mut woken).unwrap();
        channels.slot(0).unwrap().heard_of(1, &mut out);
        assert_eq!(settled.now_or_never(), Some(Ok(())));
        assert_eq!(methods(&mut out), [(1, "close")]);
        channels.slot(0).unwrap().closed(1, true);
        assert!(matches!(channels.role_of(1), Role::Retiring(0)), "the broker has not answered yet");
        channels.slot(0).unwrap().closed(1, false);
        assert!(matches!(channels.role_of(1), Role::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_opens_no_more_channels_than_its_own_and_gives_up_those_that_hear_nothing() {
        let (mut channels, mut out, mut woken) = (channels(1), Vec::new(), Woken::default());
        let mut waiting = Vec::new();
        for _ in 0..2 * CHANNELS_OF_SLOT {
            let (result, settled) = confirm_channel();
            waiting.push(settled);
            channels.slot(0).unwrap().confirms().sent("m".to_owned(), 1, result);
            tokio::time::advance(RENEWAL_INTERVAL).await;
            channels.slot(0).unwrap().renew(&mut out);
        }
        assert_eq!(methods(&mut out).iter().filter(|(_, name)| *name == "open").count(), usize::from(CHANNELS_OF_SLOT) - 1);
        tokio::time::advance(RETIREMENT_TIMEOUT + RENEWAL_INTERVAL).await;
        channels.retire(&mut out, &mut woken);
        assert_eq!(methods(&mut out).len(), usize::from(CHANNELS_OF_SLOT) - 1);
        assert_eq!(waiting.remove(0).now_or_never(), Some(Err(PublishError::Unconfirmed)));
    }
}
