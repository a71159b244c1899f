//! Messages on their way to the socket.

use super::super::confirm::Written;
use super::super::frames;
use super::super::outbox::{Kind, Publication};
use super::IoTask;
use crate::error::PublishError;
use futures_util::io::{AsyncRead, AsyncWrite};
use std::sync::atomic::Ordering;

impl<S: AsyncRead + AsyncWrite + Unpin> IoTask<S> {
    pub(super) fn publish(&mut self, publication: Publication) {
        if publication.kind == Kind::Reply {
            self.shared.pending_bytes.fetch_sub(publication.length(), Ordering::Relaxed);
        }
        self.write_message(publication);
    }

    /// Writes a message that is new, or that the broker has not handled.
    pub(super) fn write_message(&mut self, publication: Publication) {
        let is_blocked = publication.kind == Kind::Call && self.shared.blocked.load(Ordering::Acquire);
        let Publication { slot, id, mut head, body, result, .. } = publication;
        let (Some(result), Some(slot)) = (result, self.channels.slot(slot)) else {
            self.outgoing.extend_from_slice(&head);
            frames::body(&mut self.outgoing, self.channels.replies(), &body, self.tuned.max_frame_bytes);
            return;
        };
        let (size, limit) = (body.len(), self.shared.limit.load(Ordering::Relaxed));
        // Not sent yet: it is dropped if its caller has gone, and refused while the broker blocks publishers.
        let refusal = match (size > limit, is_blocked || result.is_abandoned()) {
            (true, _) => Some(PublishError::TooLarge { size, limit }),
            (false, true) => Some(PublishError::Blocked),
            (false, false) => None,
        };
        if let Some(refusal) = refusal {
            slot.confirms().give_back(1);
            result.resolve(Err(refusal), &mut self.woken);
            return;
        }
        let number = slot.number();
        frames::move_to(number, &mut head);
        self.outgoing.extend_from_slice(&head);
        frames::body(&mut self.outgoing, number, &body, self.tuned.max_frame_bytes);
        result.keep(Written { head, body });
        slot.confirms().sent(id, size, result);
    }
}
