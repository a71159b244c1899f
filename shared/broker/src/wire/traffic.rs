//! The task that owns an open connection.

use super::frames::{self, Frame, HEARTBEAT, Malformed};
use super::settled::{Settle, Woken};
use super::{Outgoing, Publication, Tuned, WireError};
use crate::error::PublishError;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::protocol::constants::{FRAME_BODY, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD};
use lapin::protocol::{AMQPClass, basic, channel, connection};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Bytes that wait for the socket before no more messages are taken from the outbox.
const FULL: usize = 256 * 1024;
/// Bytes read at once.
const READ: usize = 32 * 1024;
/// Without a heartbeat the task looks at its closing this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the broker has for its own goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

pub(super) struct Traffic<S> {
    stream: S,
    tuned: Tuned,
    inbox: mpsc::UnboundedReceiver<Outgoing>,
    channels: Vec<Channel>,
    blocked: Arc<AtomicBool>,
    /// Frames for the socket, of which the first `sent` bytes are gone.
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes from the socket, of which the first `arrived` are filled.
    incoming: Vec<u8>,
    arrived: usize,
    timer: Interval,
    last_heard: Instant,
    closing: Option<Instant>,
    /// Callers whose messages were settled and who are not woken yet.
    woken: Woken,
}

/// A channel with confirms.
struct Channel {
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

/// Whether the connection goes on.
enum Next {
    On,
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Traffic<S> {
    pub(super) fn new(
        stream: S,
        arrived: Vec<u8>,
        tuned: Tuned,
        inbox: mpsc::UnboundedReceiver<Outgoing>,
        places: Vec<Arc<Semaphore>>,
        blocked: Arc<AtomicBool>,
    ) -> Self {
        let channel = |places| Channel { places, first_tag: 1, pending: VecDeque::new(), returned: Vec::new() };
        let look_every = match tuned.heartbeat {
            0 => LOOK_EVERY,
            seconds => Duration::from_secs(u64::from(seconds)) / 2,
        };
        let mut timer = tokio::time::interval(look_every);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut incoming = arrived;
        let arrived = incoming.len();
        incoming.resize(arrived.max(READ) * 2, 0);
        Self {
            stream,
            tuned,
            inbox,
            channels: places.into_iter().map(channel).collect(),
            blocked,
            outgoing: Vec::with_capacity(FULL),
            sent: 0,
            incoming,
            arrived,
            timer,
            last_heard: Instant::now(),
            closing: None,
            woken: Woken::default(),
        }
    }

    /// Until the connection ends. Then every message is settled: those that were written may be delivered, the others were not sent.
    pub(super) async fn run(mut self) -> Result<(), WireError> {
        let ended = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.inbox.close();
        let mut woken = Woken::default();
        for channel in &mut self.channels {
            channel.places.close();
            for pending in channel.pending.drain(..).flatten() {
                pending.result.settle(Err(PublishError::Unconfirmed), &mut woken);
            }
        }
        while let Some(outgoing) = self.inbox.recv().await {
            if let Outgoing::Message(Publication { result: Some(result), .. }) = outgoing {
                result.settle(Err(PublishError::Unavailable), &mut woken);
            }
        }
        woken.wake();
        ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        // The timer is asked until it says when it comes next.
        while self.timer.poll_tick(cx).is_ready() {
            if self.tuned.heartbeat > 0 {
                self.outgoing.extend_from_slice(&HEARTBEAT);
            }
        }
        loop {
            self.take(cx);
            self.woken.wake();
            let written = match self.write(cx) {
                Ok(written) => written,
                Err(error) => {
                    // What the broker said before it went still counts: confirms, and why.
                    while let Poll::Ready(Next::On) = self.read(cx)? {}
                    return Poll::Ready(Err(error));
                }
            };
            match self.read(cx)? {
                Poll::Ready(Next::Over) => return Poll::Ready(Ok(())),
                Poll::Ready(Next::On) => {}
                // What was written made room: the outbox is asked again, and tells when there is more.
                Poll::Pending if written => {}
                Poll::Pending => return self.is_over_time(),
            }
        }
    }

    /// Whether the broker has been silent for too long. Asked when all that it sent has been read, so that a process that was held up
    /// does not take its own silence for the broker's.
    fn is_over_time(&self) -> Poll<Result<(), WireError>> {
        let silence = self.last_heard.elapsed();
        // RabbitMQ sends a sign of life every half of the time, so two are missing.
        if self.tuned.heartbeat > 0 && silence > Duration::from_secs(u64::from(self.tuned.heartbeat)) {
            return Poll::Ready(Err(WireError::Silent(silence)));
        }
        match self.closing {
            Some(since) if since.elapsed() > GOODBYE => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Takes what waits in the outbox, as long as the socket keeps up.
    fn take(&mut self, cx: &mut Context<'_>) {
        while self.closing.is_none() && self.outgoing.len() < FULL {
            match self.inbox.poll_recv(cx) {
                Poll::Ready(Some(Outgoing::Message(publication))) => self.publish(publication),
                Poll::Ready(Some(Outgoing::Close) | None) => {
                    let close = connection::Close { reply_code: 200, reply_text: "done".into(), class_id: 0, method_id: 0 };
                    frames::method(&mut self.outgoing, 0, &AMQPClass::Connection(connection::AMQPMethod::Close(close)));
                    self.closing = Some(Instant::now());
                }
                Poll::Pending => return,
            }
        }
    }

    fn publish(&mut self, publication: Publication) {
        let Publication { channel: number, id, head, body, result } = publication;
        let channel = self.channels.get_mut(usize::from(number) - 1);
        if let (Some(result), Some(channel)) = (result, channel) {
            // Not sent yet: it is taken back where nobody waits any longer, and refused where it would lie at the broker's door.
            let is_blocked = self.blocked.load(Ordering::Acquire);
            if is_blocked || result.is_abandoned() {
                channel.places.add_permits(1);
                result.settle(Err(PublishError::Blocked), &mut self.woken);
                return;
            }
            channel.pending.push_back(Some(Pending { id, result }));
        }
        self.outgoing.extend_from_slice(&head);
        frames::body(&mut self.outgoing, number, &body, self.tuned.longest_frame);
    }

    /// Whether anything was written.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, WireError> {
        let before = self.sent;
        while self.sent < self.outgoing.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.outgoing[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(WireError::Ended),
                Poll::Ready(Ok(length)) => self.sent += length,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => return Ok(self.sent > before),
            }
        }
        let written = self.sent > before;
        self.outgoing.clear();
        self.sent = 0;
        if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) {
            flushed?;
        }
        Ok(written)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<Poll<Next>, WireError> {
        let length = match Pin::new(&mut self.stream).poll_read(cx, &mut self.incoming[self.arrived..]) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(0)) if self.closing.is_some() => return Ok(Poll::Ready(Next::Over)),
            Poll::Ready(Ok(0)) => return Err(WireError::Ended),
            Poll::Ready(length) => length?,
        };
        self.arrived += length;
        self.last_heard = Instant::now();
        let incoming = std::mem::take(&mut self.incoming);
        let mut taken = 0;
        let mut next = Ok(Next::On);
        loop {
            match Frame::first(&incoming[taken..self.arrived], self.tuned.longest_frame) {
                Err(error) => next = Err(error.into()),
                Ok(None) => break,
                Ok(Some((frame, length))) => {
                    taken += length;
                    next = self.handle(&frame);
                }
            }
            if !matches!(next, Ok(Next::On)) {
                break;
            }
        }
        self.incoming = incoming;
        self.incoming.copy_within(taken..self.arrived, 0);
        self.arrived -= taken;
        self.woken.wake();
        // Room for the next read.
        if self.incoming.len() - self.arrived < READ {
            self.incoming.resize(self.arrived + READ, 0);
        }
        next.map(Poll::Ready)
    }

    fn handle(&mut self, frame: &Frame<'_>) -> Result<Next, WireError> {
        if frame.kind == FRAME_HEARTBEAT {
            return Ok(Next::On);
        }
        if frame.channel == 0 {
            return self.of_connection(frame);
        }
        let Some(channel) = self.channels.get_mut(usize::from(frame.channel) - 1) else {
            // The channel without confirms: nothing but its end is of interest.
            return match frame.method()? {
                AMQPClass::Channel(channel::AMQPMethod::Close(close)) => Err(closed(&close)),
                _ => Ok(Next::On),
            };
        };
        match frame.kind {
            FRAME_METHOD => match frame.method()? {
                AMQPClass::Basic(basic::AMQPMethod::Ack(ack)) => {
                    channel.settle(ack.delivery_tag, ack.multiple, &Ok(()), &mut self.woken)?
                }
                AMQPClass::Basic(basic::AMQPMethod::Nack(nack)) => {
                    channel.settle(nack.delivery_tag, nack.multiple, &Err(PublishError::QueueFull), &mut self.woken)?;
                }
                // Its header follows, then its body.
                AMQPClass::Basic(basic::AMQPMethod::Return(_)) => {}
                AMQPClass::Channel(channel::AMQPMethod::Close(close)) => return Err(closed(&close)),
                _ => {}
            },
            FRAME_HEADER => {
                channel.returned.extend(frame.message_id()?);
            }
            FRAME_BODY => {}
            _ => return Err(Malformed("frame").into()),
        }
        Ok(Next::On)
    }

    fn of_connection(&mut self, frame: &Frame<'_>) -> Result<Next, WireError> {
        match frame.method()? {
            AMQPClass::Connection(connection::AMQPMethod::Close(close)) => Err(WireError::closed(&close)),
            AMQPClass::Connection(connection::AMQPMethod::CloseOk(_)) => Ok(Next::Over),
            AMQPClass::Connection(connection::AMQPMethod::Blocked(why)) => {
                tracing::warn!(reason = %why.reason, "the broker accepts no messages");
                self.blocked.store(true, Ordering::Release);
                Ok(Next::On)
            }
            AMQPClass::Connection(connection::AMQPMethod::Unblocked(_)) => {
                tracing::info!("the broker accepts messages again");
                self.blocked.store(false, Ordering::Release);
                Ok(Next::On)
            }
            _ => Ok(Next::On),
        }
    }
}

impl Channel {
    /// The broker has spoken about `tag`, and with `multiple` about all before it.
    fn settle(&mut self, tag: u64, multiple: bool, result: &Result<(), PublishError>, woken: &mut Woken) -> Result<(), Malformed> {
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
        self.places.add_permits(settled);
        Ok(())
    }
}

fn closed(close: &channel::Close) -> WireError {
    WireError::Closed { code: close.reply_code, text: close.reply_text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::settled::{Settled, settling};
    use super::*;
    use futures_util::FutureExt;

    fn channel(messages: usize) -> (Channel, Vec<Settled>) {
        let mut channel = Channel { places: Arc::new(Semaphore::new(0)), first_tag: 1, pending: VecDeque::new(), returned: Vec::new() };
        let settled = (1..=messages).map(|tag| {
            let (result, settled) = settling();
            channel.pending.push_back(Some(Pending { id: format!("m{tag}"), result }));
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
        channel.returned.extend(["m3".to_owned(), "m1".to_owned()]);
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
