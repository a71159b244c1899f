//! The result of a message, from the connection's task to its caller.
//!
//! Callers wait on the threads of the HTTP server, and to wake a task of another thread is a system call. One read of the socket resolves
//! many messages, so the callers of one thread form a group: the task wakes one of them, and this one wakes the others of its thread
//! without a system call.

use crate::error::PublishError;
use crate::lock::locked;
use bytes::Bytes;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Result of publishing a message.
type PublishResult = Result<(), PublishError>;

/// The caller's side: resolves with the broker's answer. Dropping it before the message is sent takes the message back.
pub(crate) struct Confirm(Arc<Mutex<State>>);

/// The task's side.
pub(super) struct ConfirmSender(Arc<Mutex<State>>);

/// The frames of a message that was written, to be written again should the broker close the channel before it has handled the message.
#[derive(Debug)]
pub(super) struct Written {
    /// `basic.publish` and the header.
    pub(super) head: Vec<u8>,
    pub(super) body: Bytes,
}

enum State {
    Waiting {
        /// The waker of the last poll; absent before the first one.
        caller: Option<(Waker, Arc<Thread>)>,
        /// Present once the message was written. It is dropped with the caller, so that a message without a caller holds no memory.
        written: Option<Written>,
    },
    /// The result, and the thread whose other callers this one wakes.
    Done(PublishResult, Option<Arc<Thread>>),
    /// The caller has gone.
    Abandoned,
}

/// Callers of one thread who are to be woken by the first of them.
#[derive(Default)]
struct Thread(Mutex<Vec<Waker>>);

/// Threads on which callers are to be woken.
#[derive(Default)]
pub(super) struct Woken(Vec<Arc<Thread>>);

thread_local! {
    static HERE: Arc<Thread> = Arc::default();
}

/// Both sides for one message.
pub(super) fn confirm_channel() -> (ConfirmSender, Confirm) {
    let state = Arc::new(Mutex::new(State::Waiting { caller: None, written: None }));
    (ConfirmSender(state.clone()), Confirm(state))
}

impl ConfirmSender {
    /// Returns true if the caller has gone.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(*locked(&self.0), State::Abandoned)
    }

    /// Keeps what was written of the message for as long as the caller waits.
    pub(super) fn keep(&self, message: Written) {
        if let State::Waiting { written, .. } = &mut *locked(&self.0) {
            *written = Some(message);
        }
    }

    /// Returns the written message; `None`: it was not written, or the caller has gone.
    pub(super) fn take_written(&self) -> Option<Written> {
        match &mut *locked(&self.0) {
            State::Waiting { written, .. } => written.take(),
            State::Done(..) | State::Abandoned => None,
        }
    }

    /// The caller is woken with the next [`Woken::wake`].
    pub(super) fn resolve(self, result: PublishResult, woken: &mut Woken) {
        let mut state = locked(&self.0);
        let State::Waiting { caller, .. } = &mut *state else { return };
        let Some((waker, thread)) = caller.take() else {
            *state = State::Done(result, None);
            return;
        };
        *state = State::Done(result, Some(thread.clone()));
        // Still under the caller's lock: who looks or goes now finds itself among those whom it wakes. Else one who has gone could be
        // woken for all, where two connections tell callers of one thread.
        let mut waiting = locked(&thread.0);
        waiting.push(waker);
        if waiting.len() == 1 {
            drop(waiting);
            woken.0.push(thread);
        }
    }
}

impl Woken {
    /// Wakes one caller of each thread.
    pub(super) fn wake(&mut self) {
        for thread in self.0.drain(..) {
            let one = locked(&thread.0).pop();
            if let Some(waker) = one {
                waker.wake();
            }
        }
    }
}

impl Thread {
    fn wake_all(&self) {
        // Not under the lock: who is woken may end, and comes here.
        let wakers = std::mem::take(&mut *locked(&self.0));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Future for Confirm {
    type Output = PublishResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PublishResult> {
        let mut state = locked(&self.0);
        if let State::Done(result, thread) = &mut *state {
            let (result, thread) = (result.clone(), thread.take());
            drop(state);
            if let Some(thread) = thread {
                thread.wake_all();
            }
            return Poll::Ready(result);
        }
        if let State::Waiting { caller, .. } = &mut *state {
            *caller = Some((cx.waker().clone(), HERE.with(Arc::clone)));
        }
        Poll::Pending
    }
}

impl Drop for Confirm {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *locked(&self.0), State::Abandoned);
        // It may be the one that was woken for all.
        if let State::Done(_, Some(thread)) = before {
            thread.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waiting(settled: &mut Confirm) -> Arc<Count> {
        let count = Arc::new(Count::default());
        assert!(settled.poll_unpin(&mut Context::from_waker(&count.clone().into())).is_pending());
        count
    }

    #[test]
    fn one_caller_of_a_thread_is_woken_and_wakes_the_others() {
        let (settles, mut callers): (Vec<_>, Vec<_>) = (0..5).map(|_| confirm_channel()).unzip();
        let counts: Vec<_> = callers.iter_mut().map(waiting).collect();
        let mut woken = Woken::default();
        for settle in settles {
            settle.resolve(Ok(()), &mut woken);
        }
        let how_many = || counts.iter().filter(|count| count.0.load(Ordering::Relaxed) > 0).count();
        assert_eq!(how_many(), 0);
        woken.wake();
        assert_eq!(how_many(), 1);
        let first = counts.iter().position(|count| count.0.load(Ordering::Relaxed) > 0).unwrap();
        assert_eq!(callers.remove(first).now_or_never(), Some(Ok(())));
        assert_eq!(how_many(), 5);
        for caller in callers {
            assert_eq!(caller.now_or_never(), Some(Ok(())));
        }
    }

    #[test]
    fn a_caller_who_goes_when_it_is_woken_wakes_the_others_all_the_same() {
        let ((one, first), (two, mut second)) = (confirm_channel(), confirm_channel());
        let mut first = first;
        let counts = [waiting(&mut first), waiting(&mut second)];
        let mut woken = Woken::default();
        one.resolve(Ok(()), &mut woken);
        two.resolve(Err(PublishError::QueueFull), &mut woken);
        woken.wake();
        drop(first);
        drop(second);
        assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_confirm_that_is_resolved_before_it_is_polled_is_ready_at_once() {
        let (settle, settled) = confirm_channel();
        settle.resolve(Err(PublishError::Unroutable), &mut Woken::default());
        assert_eq!(settled.now_or_never(), Some(Err(PublishError::Unroutable)));
    }

    #[test]
    fn a_written_message_is_kept_while_its_caller_waits() {
        let message = || Written { head: vec![1], body: Bytes::from_static(b"body") };
        let (settle, mut settled) = confirm_channel();
        settle.keep(message());
        waiting(&mut settled);
        assert_eq!(settle.take_written().unwrap().body, "body");
        assert!(settle.take_written().is_none());

        let body = Bytes::from(vec![0; 1000]);
        settle.keep(Written { head: Vec::new(), body: body.clone() });
        assert!(!body.is_unique());
        drop(settled);
        assert!(body.is_unique(), "the message of a caller who has gone holds memory");
        settle.keep(Written { head: Vec::new(), body: body.clone() });
        assert!(body.is_unique());
    }

    #[test]
    fn a_caller_who_has_gone_is_known() {
        let (settle, settled) = confirm_channel();
        assert!(!settle.is_abandoned());
        drop(settled);
        assert!(settle.is_abandoned());
        settle.resolve(Ok(()), &mut Woken::default());
    }
}
