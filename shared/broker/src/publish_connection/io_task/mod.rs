//! The task that owns an open connection.

use super::channels::Channels;
use super::confirm::Woken;
use super::error::WireError;
use super::frames::{self, Frame, HEARTBEAT};
use super::handshake::{Opening, Tuned};
use super::outbox::{Outgoing, Shared};
use crate::error::PublishError;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::protocol::{AMQPClass, connection};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior};

mod incoming;
mod messages;

/// Bytes for the socket above which the task takes no more messages from the outbox.
const FULL: usize = 256 * 1024;
/// Bytes read at once.
const READ: usize = 32 * 1024;
/// Interval at which the task checks its closing when there is no heartbeat.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Time that the broker has to close the connection.
const GOODBYE: Duration = Duration::from_secs(5);

pub(super) struct IoTask<S> {
    stream: S,
    tuned: Tuned,
    inbox: mpsc::UnboundedReceiver<Outgoing>,
    channels: Channels,
    shared: Arc<Shared>,
    /// Frames for the socket, of which the first `sent` bytes are gone.
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes from the socket, of which the first `arrived` are filled.
    incoming: Vec<u8>,
    arrived: usize,
    timer: Interval,
    last_heard: Instant,
    closing: Option<Instant>,
    /// Callers whose messages were resolved and who are not woken yet.
    woken: Woken,
}

/// True while the connection is open.
enum Next {
    On,
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> IoTask<S> {
    pub(super) fn new(
        opened: Opening<S>,
        tuned: Tuned,
        inbox: mpsc::UnboundedReceiver<Outgoing>,
        permits: &[Arc<Semaphore>],
        shared: Arc<Shared>,
    ) -> Self {
        let look_every = match tuned.heartbeat {
            0 => CHECK_INTERVAL,
            seconds => Duration::from_secs(u64::from(seconds)) / 2,
        };
        let mut timer = tokio::time::interval(look_every);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Opening { stream, arrived: mut incoming, .. } = opened;
        let arrived = incoming.len();
        incoming.resize(arrived.max(READ) * 2, 0);
        Self {
            stream,
            tuned,
            inbox,
            channels: Channels::new(permits, &shared, tuned.max_channels),
            shared,
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

    /// Runs until the connection ends. Then it resolves every message: those that were written may be delivered, the others were not sent.
    pub(super) async fn run(mut self) -> Result<(), WireError> {
        let ended = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.inbox.close();
        let mut woken = Woken::default();
        self.channels.end(&mut woken);
        while let Some(outgoing) = self.inbox.recv().await {
            if let Outgoing::Message(publication) = outgoing
                && let Some(result) = publication.result
            {
                result.resolve(Err(PublishError::Unavailable), &mut woken);
            }
        }
        woken.wake();
        ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        // The timer is polled until it is pending, so that it wakes the task.
        while self.timer.poll_tick(cx).is_ready() {
            if self.tuned.heartbeat > 0 {
                self.outgoing.extend_from_slice(&HEARTBEAT);
            }
            self.channels.retire(&mut self.outgoing, &mut self.woken);
        }
        loop {
            self.take(cx);
            self.woken.wake();
            let written = match self.write(cx) {
                Ok(written) => written,
                Err(error) => {
                    // Frames that the broker sent before count: confirms, and the reason of its close.
                    while let Poll::Ready(Next::On) = self.read(cx)? {}
                    return Poll::Ready(Err(error));
                }
            };
            match self.read(cx)? {
                Poll::Ready(Next::Over) => return Poll::Ready(Ok(())),
                Poll::Ready(Next::On) => {}
                // The write made room: the outbox is polled again, so that it wakes the task.
                Poll::Pending if written => {}
                Poll::Pending => return self.is_over_time(),
            }
        }
    }

    /// Returns an error if the broker was silent for too long. Called when all that it sent is read, so that a process that was held up
    /// does not take its own silence for the broker's.
    fn is_over_time(&self) -> Poll<Result<(), WireError>> {
        let silence = self.last_heard.elapsed();
        // AMQP 0-9-1, section 4.2.7. RabbitMQ sends a heartbeat every half of an interval.
        if self.tuned.heartbeat > 0 && silence > 2 * Duration::from_secs(u64::from(self.tuned.heartbeat)) {
            return Poll::Ready(Err(WireError::Silent(silence)));
        }
        match self.closing {
            Some(since) if since.elapsed() > GOODBYE => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Takes requests from the outbox, as long as the socket keeps up.
    fn take(&mut self, cx: &mut Context<'_>) {
        while self.closing.is_none() && self.outgoing.len() < FULL {
            match self.inbox.poll_recv(cx) {
                Poll::Ready(Some(Outgoing::Message(publication))) => self.publish(publication),
                Poll::Ready(Some(Outgoing::Renew(slot))) => {
                    if let Some(slot) = self.channels.slot(slot) {
                        slot.renew(&mut self.outgoing);
                    }
                }
                Poll::Ready(Some(Outgoing::Close) | None) => {
                    let close = connection::Close { reply_code: 200, reply_text: "done".into(), class_id: 0, method_id: 0 };
                    frames::method(&mut self.outgoing, 0, &AMQPClass::Connection(connection::AMQPMethod::Close(close)));
                    self.closing = Some(Instant::now());
                }
                Poll::Pending => return,
            }
        }
    }

    /// Writes the outgoing bytes, and returns whether any were written.
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
            match Frame::first(&incoming[taken..self.arrived], self.tuned.max_frame_bytes) {
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
}
