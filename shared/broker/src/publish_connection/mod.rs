//! The connection on which messages are published. It is our own code, since every call uses it.
//!
//! One task owns the connection. It writes all waiting messages at once, so a busy process needs fewer system calls for a message. A
//! confirm goes from the socket to its publisher without another task. (With lapin, which has a thread for its socket and wakes a task for
//! each confirm, a call took 1.9 times the processor time in the ingress and 1.3 times in the broker, which received smaller pieces.) lapin
//! declares, consumes and inspects queues.
//!
//! ```text
//! send(): frames -> outbox -> task: delivery tag, one write -> broker -> one read, confirms by tag -> result -> caller
//! ```
//!
//! The broker closes a channel over one message that is too large, and all messages on the channel are in doubt then. So messages that are
//! larger than any that it has taken have a channel of their own. Those of an ordered trigger stay on its channel.

mod channels;
mod confirm;
#[cfg(test)]
mod confirm_orders;
mod error;
mod frames;
mod handshake;
mod io_task;
mod outbox;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod replay;
mod too_large;
mod unconfirmed;

use crate::codec::Message;
use crate::connection::{addresses, tls_connector};
use crate::error::PublishError;
pub(crate) use confirm::Confirm;
use confirm::{ConfirmSender, confirm_channel};
use error::WireError;
use handshake::Opening;
use io_task::IoTask;
use lapin::AsyncTcpStream;
use lapin::tcp::AMQPUriTcpExt;
use lapin::uri::{AMQPScheme, AMQPUri};
use outbox::{Kind, Outgoing, Publication, Shared};
use std::io;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Maximum messages sent and not confirmed on one channel. More does not make RabbitMQ faster, and all of them are in doubt when the
/// connection breaks.
const IN_FLIGHT: usize = 1000;
/// Maximum bytes of messages without confirms that wait for the socket: while the broker takes nothing, memory stays flat.
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;

/// Maximum messages sent and not confirmed among those that are larger than any before.
const LARGER_IN_FLIGHT: usize = 16;

/// A handle to the connection.
#[derive(Clone)]
pub(crate) struct PublishConnection {
    outbox: mpsc::UnboundedSender<Outgoing>,
    /// The permits of each slot of the task's channels, of which the last is for messages larger than any before.
    permits: Vec<Arc<Semaphore>>,
    shared: Arc<Shared>,
}

impl PublishConnection {
    /// Connects, and opens `channels` with confirms and one without. `ended` is cancelled when the connection ends.
    pub(crate) async fn open(uri: AMQPUri, name: &str, channels: NonZeroU8, ended: CancellationToken) -> Result<Self, WireError> {
        let runtime = lapin::runtime::default_runtime()?;
        let stream = match uri.scheme {
            AMQPScheme::AMQP => uri.connect_async(&runtime).await?,
            AMQPScheme::AMQPS => {
                let mut connected = Err(io::Error::other("the host has no address"));
                for address in addresses(&uri).await? {
                    connected = AsyncTcpStream::connect(&runtime, address).await;
                    if connected.is_ok() {
                        break;
                    }
                }
                connected?.into_rustls(&tls_connector(), &uri.authority.host).await?
            }
        };
        let mut opening = Opening { stream, arrived: Vec::new(), blocked: false };
        let tuned = opening.sign_in(&uri, name).await?;
        let channels = u16::from(channels.get());
        let slots = channels + 1;
        for number in 1..=slots + 1 {
            opening.open_channel(number, number <= slots).await?;
        }
        let shared = Arc::new(Shared { blocked: AtomicBool::new(opening.blocked), ..Shared::default() });
        let in_flight = (0..channels).map(|_| IN_FLIGHT).chain([LARGER_IN_FLIGHT]);
        let permits: Vec<_> = in_flight.map(|permits| Arc::new(Semaphore::new(permits))).collect();
        let (outbox, inbox) = mpsc::unbounded_channel();
        let io_task = IoTask::new(opening, tuned, inbox, &permits, shared.clone());
        let name = name.to_owned();
        tokio::spawn(async move {
            if let Err(error) = io_task.run().await {
                tracing::warn!(connection.name = name, %error, "the publishing connection was lost");
            }
            ended.cancel();
        });
        Ok(Self { outbox, permits, shared })
    }

    /// Returns true if the broker takes no messages at the moment.
    pub(crate) fn is_blocked(&self) -> bool {
        self.shared.blocked.load(Ordering::Acquire)
    }

    /// Returns the bytes of the largest body that the broker has taken, or that every broker takes.
    pub(crate) fn largest_body(&self) -> usize {
        self.shared.largest.load(Ordering::Relaxed)
    }

    /// Returns true if every message is resolved.
    pub(crate) fn is_idle(&self) -> bool {
        let all = (1..self.permits.len()).map(|_| IN_FLIGHT).chain([LARGER_IN_FLIGHT]);
        self.permits.iter().zip(all).all(|(permits, all)| permits.is_closed() || permits.available_permits() == all)
    }

    /// Waits for a permit and gives the message to the task, mandatory and with a confirm. Messages of the same `order` keep their order;
    /// others take the first channel with a permit, since with fewer channels the broker receives fewer pieces.
    pub(crate) async fn send(&self, order: Option<u64>, queue: &str, message: &Message) -> Result<Confirm, PublishError> {
        self.check_size(message)?;
        let slot = self.slot_of(order, message);
        // The task returns the permit when the message is resolved.
        self.permits[slot].acquire().await.map_err(|_| PublishError::Unavailable)?.forget();
        let (result, settled) = confirm_channel();
        let publication = Publication::new(Kind::Call, slot, queue, message, Some(result));
        self.outbox.send(Outgoing::Message(publication)).map_err(|_| PublishError::Unavailable)?;
        Ok(settled)
    }

    /// Gives a reply to the task and does not wait for a confirm. `false`: too many bytes wait already.
    ///
    /// If the reply is too large for the broker, its caller learns that the outcome is in the store.
    pub(crate) fn post(&self, queue: &str, message: &Message) -> bool {
        if self.check_size(message).is_err() {
            return self.post(queue, &message.as_recorded());
        }
        let larger = self.permits.len() - 1;
        if !self.is_larger_than_any(message) || !self.take_place(larger) {
            return self.hand_over_reply(self.permits.len(), queue, message, None);
        }
        // With a confirm, so that it is known when the broker refuses it.
        let (result, settled) = confirm_channel();
        if !self.hand_over_reply(larger, queue, message, Some(result)) {
            return false;
        }
        let (connection, queue, instead) = (self.clone(), queue.to_owned(), message.as_recorded());
        tokio::spawn(async move {
            if let Err(PublishError::TooLarge { .. }) = settled.await {
                connection.post(&queue, &instead);
            }
        });
        true
    }

    /// Opens another channel for the messages after this one. It has no state of the queue from before.
    pub(crate) fn renew(&self, order: Option<u64>, message: &Message) {
        // If the connection has ended, its channels have ended too.
        let _ = self.outbox.send(Outgoing::Renew(self.slot_of(order, message)));
    }

    /// Ends the connection once all messages that the task has are written.
    pub(crate) fn close(&self) {
        let _ = self.outbox.send(Outgoing::Close);
    }

    fn check_size(&self, message: &Message) -> Result<(), PublishError> {
        let (size, limit) = (message.body.len(), self.shared.limit.load(Ordering::Relaxed));
        if size > limit { Err(PublishError::TooLarge { size, limit }) } else { Ok(()) }
    }

    fn is_larger_than_any(&self, message: &Message) -> bool {
        message.body.len() > self.shared.largest.load(Ordering::Relaxed)
    }

    fn slot_of(&self, order: Option<u64>, message: &Message) -> usize {
        let larger = self.permits.len() - 1;
        match order {
            Some(order) => (order % larger as u64) as usize,
            None if self.is_larger_than_any(message) => larger,
            None => self.permits[..larger].iter().position(|permits| permits.available_permits() > 0).unwrap_or_default(),
        }
    }

    /// Takes a permit of the slot, if one is free. The task returns it.
    fn take_place(&self, slot: usize) -> bool {
        self.permits[slot].try_acquire().is_ok_and(|place| {
            place.forget();
            true
        })
    }

    /// Returns false if too many bytes wait for the socket already.
    fn hand_over_reply(&self, slot: usize, queue: &str, message: &Message, result: Option<ConfirmSender>) -> bool {
        let has_place = result.is_some();
        let publication = Publication::new(Kind::Reply, slot, queue, message, result);
        let (length, pending_bytes) = (publication.length(), &self.shared.pending_bytes);
        if pending_bytes.fetch_add(length, Ordering::Relaxed) + length > MAX_PENDING_BYTES {
            pending_bytes.fetch_sub(length, Ordering::Relaxed);
            if has_place {
                self.permits[slot].add_permits(1);
            }
            return false;
        }
        // If the connection has ended, the message is lost, as it would be an instant later.
        let _ = self.outbox.send(Outgoing::Message(publication));
        true
    }
}

#[cfg(test)]
mod tests;
