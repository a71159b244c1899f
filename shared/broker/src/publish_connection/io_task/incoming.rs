//! Frames of the broker about messages, channels and the connection.

use super::super::channels::{self, Role};
use super::super::error::WireError;
use super::super::frames::{self, Frame, Malformed};
use super::super::outbox::{Kind, Publication};
use super::super::too_large::TooLarge;
use super::super::unconfirmed::Unhandled;
use super::{IoTask, Next};
use crate::error::PublishError;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::protocol::constants::{FRAME_BODY, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD};
use lapin::protocol::{AMQPClass, basic, channel, connection};
use std::sync::atomic::Ordering;

impl<S: AsyncRead + AsyncWrite + Unpin> IoTask<S> {
    pub(super) fn handle(&mut self, frame: &Frame<'_>) -> Result<Next, WireError> {
        if frame.kind == FRAME_HEARTBEAT {
            return Ok(Next::On);
        }
        if frame.channel == 0 {
            return self.of_connection(frame);
        }
        match frame.kind {
            FRAME_METHOD => self.of_channel(frame.channel, frame.method()?)?,
            // Of a message that came back: `basic.return` stands before its header, and its body follows.
            FRAME_HEADER => {
                if let Role::Open(slot) | Role::Retiring(slot) = self.channels.role_of(frame.channel)
                    && let Some(confirms) = self.channels.slot(slot).and_then(|slot| slot.confirms_of(frame.channel))
                {
                    confirms.returned(frame.message_id()?);
                }
            }
            FRAME_BODY => {}
            _ => return Err(Malformed("frame").into()),
        }
        Ok(Next::On)
    }

    fn of_channel(&mut self, number: u16, method: AMQPClass) -> Result<(), WireError> {
        match method {
            AMQPClass::Basic(basic::AMQPMethod::Ack(ack)) => self.resolve(number, ack.delivery_tag, ack.multiple, &Ok(())),
            AMQPClass::Basic(basic::AMQPMethod::Nack(nack)) => {
                self.resolve(number, nack.delivery_tag, nack.multiple, &Err(PublishError::NotAccepting))
            }
            AMQPClass::Channel(channel::AMQPMethod::Close(close)) => {
                self.channel_closed(number, &close);
                Ok(())
            }
            AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)) => {
                if let Role::Retiring(slot) = self.channels.role_of(number)
                    && let Some(slot) = self.channels.slot(slot)
                {
                    slot.closed(number, false);
                }
                Ok(())
            }
            // Answers to what opens a channel, and `basic.return`, whose header follows.
            _ => Ok(()),
        }
    }

    fn resolve(&mut self, number: u16, tag: u64, multiple: bool, result: &Result<(), PublishError>) -> Result<(), WireError> {
        let (Role::Open(slot) | Role::Retiring(slot)) = self.channels.role_of(number) else { return Ok(()) };
        let Some(slot) = self.channels.slot(slot) else { return Ok(()) };
        if let Some(confirms) = slot.confirms_of(number) {
            confirms.resolve(tag, multiple, result, &mut self.woken)?;
        }
        slot.heard_of(number, &mut self.outgoing);
        Ok(())
    }

    /// Opens a channel again that the broker has closed. The other channels go on.
    ///
    /// Until it has our answer, the broker ignores all frames of the channel; frames after the answer are for the new channel. So the
    /// messages that it has not handled are written again, before those that wait.
    fn channel_closed(&mut self, number: u16, close: &channel::Close) {
        let refused = TooLarge::of_close(close);
        tracing::warn!(messaging.rabbitmq.channel = number, code = close.reply_code, text = %close.reply_text, "the broker closed a channel");
        if let Some(refused) = refused {
            self.shared.limit.fetch_min(refused.limit, Ordering::Relaxed);
        }
        frames::method(&mut self.outgoing, number, &AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
        let slot_index = match self.channels.role_of(number) {
            Role::Open(slot) => {
                channels::open(&mut self.outgoing, number, true);
                slot
            }
            Role::Retiring(slot) => slot,
            Role::Replies => return channels::open(&mut self.outgoing, number, false),
            Role::Closed => return,
        };
        let Some(slot) = self.channels.slot(slot_index) else { return };
        let unhandled = slot.confirms_of(number).map(|confirms| confirms.close(refused, &mut self.woken)).unwrap_or_default();
        slot.closed(number, true);
        for Unhandled { id, result } in unhandled {
            match result.take_written() {
                Some(written) => {
                    let (head, body) = (written.head, written.body);
                    self.write_message(Publication { slot: slot_index, id, head, body, result: Some(result), kind: Kind::Call });
                }
                // Its caller has gone.
                None => {
                    if let Some(slot) = self.channels.slot(slot_index) {
                        slot.confirms().give_back(1);
                    }
                }
            }
        }
    }

    fn of_connection(&mut self, frame: &Frame<'_>) -> Result<Next, WireError> {
        match frame.method()? {
            AMQPClass::Connection(connection::AMQPMethod::Close(close)) => Err(WireError::closed(close.reply_code, &close.reply_text)),
            AMQPClass::Connection(connection::AMQPMethod::CloseOk(_)) => Ok(Next::Over),
            AMQPClass::Connection(connection::AMQPMethod::Blocked(method)) => {
                tracing::warn!(reason = %method.reason, "the broker accepts no messages");
                self.shared.blocked.store(true, Ordering::Release);
                Ok(Next::On)
            }
            AMQPClass::Connection(connection::AMQPMethod::Unblocked(_)) => {
                tracing::info!("the broker accepts messages again");
                self.shared.blocked.store(false, Ordering::Release);
                Ok(Next::On)
            }
            AMQPClass::Connection(connection::AMQPMethod::UpdateSecret(_)) => {
                let answer = connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {});
                frames::method(&mut self.outgoing, 0, &AMQPClass::Connection(answer));
                Ok(Next::On)
            }
            _ => Ok(Next::On),
        }
    }
}
