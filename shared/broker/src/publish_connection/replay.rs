//! Gives arbitrary bytes to an open connection in the place of the broker's: for the fuzz target and a property test.

use super::IN_FLIGHT;
use super::confirm::confirm_channel;
use super::handshake::{Opening, Tuned};
use super::io_task::IoTask;
use super::outbox::{Kind, Outgoing, Publication, Shared};
use crate::codec::Message;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::BasicProperties;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Semaphore, mpsc};

/// Messages that wait for a confirm, over two slots.
const MESSAGES: usize = 8;
const MAX_FRAME_BYTES: usize = 4096;

/// A socket that takes everything, and from which the bytes come in pieces.
struct Socket<'a> {
    left: &'a [u8],
    piece: usize,
}

impl AsyncRead for Socket<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = self.left.len().min(self.piece).min(buffer.len());
        let (piece, left) = self.left.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.left = left;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Socket<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads the bytes, at most `piece` of them at a time, until they end or the connection does. Returns whether every message that was
/// published before has a result then.
///
/// # Errors
/// No runtime can be built.
pub fn every_message_is_resolved(bytes: &[u8], piece: usize) -> io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let run = async {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let permits = [Arc::new(Semaphore::new(IN_FLIGHT)), Arc::new(Semaphore::new(IN_FLIGHT))];
        let properties = BasicProperties::default().with_message_id("m".into());
        let message = Message { properties, body: Bytes::from_static(b"body") };
        let mut confirms = Vec::with_capacity(MESSAGES);
        for number in 0..MESSAGES {
            let (result, confirm) = confirm_channel();
            let publication = Publication::new(Kind::Call, number % permits.len(), "queue", &message, Some(result));
            // The task lives as long as its inbox.
            let _ = outbox.send(Outgoing::Message(publication));
            confirms.push(confirm);
        }
        let opened = Opening { stream: Socket { left: bytes, piece: piece.max(1) }, arrived: Vec::new(), blocked: false };
        let tuned = Tuned { max_frame_bytes: MAX_FRAME_BYTES, heartbeat: 0, max_channels: 2047 };
        let _ = IoTask::new(opened, tuned, inbox, &permits, Arc::new(Shared::default())).run().await;
        drop(outbox);
        confirms.into_iter().all(|confirm| confirm.now_or_never().is_some())
    };
    Ok(runtime.block_on(run))
}

#[cfg(test)]
mod tests {
    use super::super::frames;
    use super::every_message_is_resolved;
    use lapin::protocol::{AMQPClass, basic, channel, connection};
    use proptest::prelude::*;

    /// Methods of a broker in any order: for channels that are open and for others, for messages that were sent and for others.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let number = 0..9u16;
        let method = (number, 0..12u64, any::<bool>(), 0..9usize).prop_map(|(number, tag, multiple, kind)| {
            let mut out = Vec::new();
            let method = match kind {
                0..=3 => AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: tag, multiple })),
                4 => AMQPClass::Basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag: tag, multiple, requeue: false })),
                5 | 6 => {
                    let text = if multiple { "message size 9 is larger than max size 3" } else { "gone" };
                    let close = channel::Close { reply_code: 406, reply_text: text.into(), class_id: 60, method_id: 40 };
                    AMQPClass::Channel(channel::AMQPMethod::Close(close))
                }
                7 => AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})),
                _ => AMQPClass::Connection(connection::AMQPMethod::Unblocked(connection::Unblocked {})),
            };
            frames::method(&mut out, number, &method);
            out
        });
        prop_oneof![9 => method, 1 => proptest::collection::vec(any::<u8>(), 0..20)]
    }

    proptest! {
        #[test]
        fn whatever_the_broker_says_every_message_gets_a_result(frames in proptest::collection::vec(frames(), 0..30), piece in 1..200usize) {
            prop_assert!(every_message_is_resolved(&frames.concat(), piece).unwrap());
        }
    }
}
