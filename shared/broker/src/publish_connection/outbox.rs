//! Messages from the handle to the task, and the state that both share.

use super::confirm::ConfirmSender;
use super::frames;
use crate::codec::Message;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Bytes of a body that every broker takes: the largest, until a larger one is confirmed.
const SURELY_TAKEN: usize = 32 * 1024;

/// State that the handle and the task share.
pub(super) struct Shared {
    /// True while the broker takes no messages.
    pub(super) blocked: AtomicBool,
    /// Bytes of replies that were handed over and wait for the socket.
    pub(super) pending_bytes: AtomicUsize,
    /// Maximum bytes of a body that the broker takes, as far as it is known.
    pub(super) limit: AtomicUsize,
    /// Bytes of the largest body that it has taken.
    pub(super) largest: AtomicUsize,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            blocked: AtomicBool::new(false),
            pending_bytes: AtomicUsize::new(0),
            limit: AtomicUsize::new(usize::MAX),
            largest: AtomicUsize::new(SURELY_TAKEN),
        }
    }
}

/// A request to the task.
pub(super) enum Outgoing {
    Message(Publication),
    /// Opens another channel for the messages of this slot.
    Renew(usize),
    /// Closes the connection once all messages before it are written.
    Close,
}

/// A message on its way to the socket.
pub(super) struct Publication {
    /// The slot of its channel; the one after all is that of the channel without confirms.
    pub(super) slot: usize,
    pub(super) id: String,
    /// `basic.publish` and the header.
    pub(super) head: Vec<u8>,
    pub(super) body: Bytes,
    /// Absent on the channel without confirms.
    pub(super) result: Option<ConfirmSender>,
    pub(super) kind: Kind,
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Mandatory: a queue must take it.
    Call,
    /// Not mandatory. Its bytes count as `pending_bytes` until the task takes it.
    Reply,
}

impl Publication {
    pub(super) fn new(kind: Kind, slot: usize, queue: &str, message: &Message, result: Option<ConfirmSender>) -> Self {
        // The first channel of a slot has this number.
        let head = frames::publish(slot as u16 + 1, queue, message, kind == Kind::Call);
        Self { slot, id: message.id().to_owned(), head, body: message.body.clone(), result, kind }
    }

    /// Bytes.
    pub(super) fn length(&self) -> usize {
        self.head.len() + self.body.len()
    }
}
