//! The connection on which messages are published: our own, since this is the way of every call.
//!
//! One task owns the connection. All messages that wait when it runs go to the broker in one write, so the busier the
//! process, the fewer system calls a message; a confirm goes from the socket to its publisher without another task between.
//! (With lapin, which has a thread for its socket and wakes a task for each confirm, a call took 1.9 times the processor time in
//! the ingress and 1.3 times in the broker, which was handed smaller pieces.) Queues are declared, consumed from and looked at
//! by lapin.
//!
//! ```text
//! send(): frames -> outbox -> task: delivery tag, one write -> broker -> one read, confirms by tag -> result -> caller
//! ```

mod confirms;
mod frames;
mod handshake;
mod settled;
mod traffic;

use crate::codec::Message;
use crate::connection::{addresses, trusting};
use crate::error::PublishError;
use bytes::Bytes;
use frames::Malformed;
use handshake::Opening;
use lapin::AsyncTcpStream;
use lapin::tcp::AMQPUriTcpExt;
use lapin::types::ShortString;
use lapin::uri::{AMQPScheme, AMQPUri};
pub(crate) use settled::Settled;
use settled::{Settle, settling};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use traffic::Traffic;

/// Most messages sent and not confirmed on one channel. More does not make RabbitMQ faster, and all of them are in doubt when the connection breaks.
const IN_FLIGHT: usize = 1000;
/// Most bytes of messages without confirms that wait for the socket: while the broker takes nothing, memory stays flat.
const MOST_POSTED: usize = 64 * 1024 * 1024;

/// A handle to the connection.
pub(crate) struct Wire {
    outbox: mpsc::UnboundedSender<Outgoing>,
    /// The places of each channel with confirms. Channel `n` here has the number `n + 1`; the one after them is without confirms.
    places: Vec<Arc<Semaphore>>,
    blocked: Arc<AtomicBool>,
    /// Bytes of messages without confirms that were handed over and wait for the socket.
    posted: Arc<AtomicUsize>,
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy)]
struct Tuned {
    /// Bytes.
    longest_frame: usize,
    /// Seconds; 0 is none.
    heartbeat: u16,
}

/// What the task is asked to do.
enum Outgoing {
    Message(Publication),
    /// Say goodbye once all before it is written.
    Close,
}

/// A message on its way to the socket.
struct Publication {
    channel: u16,
    id: String,
    /// `basic.publish` and the header.
    head: Vec<u8>,
    body: Bytes,
    /// Absent on the channel without confirms.
    result: Option<Settle>,
}

impl Publication {
    /// Bytes.
    fn length(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// Why a connection could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// lapin has no runtime to connect with.
    #[error(transparent)]
    Lapin(#[from] lapin::Error),
    /// The broker hung up.
    #[error("the broker ended the connection")]
    Ended,
    /// The broker closed the connection or a channel, and said why.
    #[error("the broker closed the connection: {code} {text}")]
    Closed {
        /// AMQP's reply code.
        code: u16,
        /// Its words.
        text: String,
    },
    /// The broker is not understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Nothing was heard for too long.
    #[error("nothing was heard of the broker for {0:?}")]
    Silent(Duration),
}

impl WireError {
    fn closed(code: u16, text: &ShortString) -> Self {
        Self::Closed { code, text: text.to_string() }
    }
}

impl Wire {
    /// Connects, and opens `channels` with confirms and one without. `ended` is cancelled when the connection ends, for whatever reason.
    pub(crate) async fn open(uri: AMQPUri, name: &str, channels: u16, ended: CancellationToken) -> Result<Self, WireError> {
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
                connected?.into_rustls(&trusting(), &uri.authority.host).await?
            }
        };
        let mut opening = Opening { stream, arrived: Vec::new(), blocked: false };
        let tuned = opening.sign_in(&uri, name).await?;
        for number in 1..=channels + 1 {
            opening.open_channel(number, number <= channels).await?;
        }
        let blocked = Arc::new(AtomicBool::new(opening.blocked));
        let places: Vec<_> = (0..channels).map(|_| Arc::new(Semaphore::new(IN_FLIGHT))).collect();
        let (outbox, inbox) = mpsc::unbounded_channel();
        let posted = Arc::new(AtomicUsize::new(0));
        let traffic = Traffic::new(opening, tuned, inbox, places.clone(), blocked.clone(), posted.clone());
        let name = name.to_owned();
        tokio::spawn(async move {
            if let Err(error) = traffic.run().await {
                tracing::warn!(connection.name = name, %error, "the publishing connection was lost");
            }
            ended.cancel();
        });
        Ok(Self { outbox, places, blocked, posted })
    }

    /// Whether the broker takes no messages at the moment.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    /// Waits for a place in flight and hands the message over, mandatory and to be confirmed. Messages of the same `order` keep their
    /// order; others take the first channel that has a place, since the fewer channels, the fewer pieces the broker is handed.
    pub(crate) async fn send(&self, order: Option<u64>, queue: &str, message: &Message) -> Result<Settled, PublishError> {
        let index = match order {
            Some(order) => (order % self.places.len() as u64) as usize,
            None => self.places.iter().position(|places| places.available_permits() > 0).unwrap_or_default(),
        };
        // The place is given back by the task, when the message is settled.
        self.places[index].acquire().await.map_err(|_| PublishError::Unavailable)?.forget();
        let channel = index as u16 + 1;
        let (result, settled) = settling();
        let head = frames::publish(channel, queue, message, true);
        let publication = Publication { channel, id: message.id().to_owned(), head, body: message.body.clone(), result: Some(result) };
        self.outbox.send(Outgoing::Message(publication)).map_err(|_| PublishError::Unavailable)?;
        Ok(settled)
    }

    /// Hands the message over without a confirm. Not mandatory: nobody asks after a return. `false`: too much waits already.
    pub(crate) fn post(&self, queue: &str, message: &Message) -> bool {
        let channel = self.places.len() as u16 + 1;
        let head = frames::publish(channel, queue, message, false);
        let publication = Publication { channel, id: String::new(), head, body: message.body.clone(), result: None };
        let length = publication.length();
        if self.posted.fetch_add(length, Ordering::Relaxed) + length > MOST_POSTED {
            self.posted.fetch_sub(length, Ordering::Relaxed);
            return false;
        }
        // Should the connection have ended, the message is lost as it would be an instant later.
        let _ = self.outbox.send(Outgoing::Message(publication));
        true
    }

    /// Ends the connection once what was handed over is written.
    pub(crate) fn close(&self) {
        let _ = self.outbox.send(Outgoing::Close);
    }
}
