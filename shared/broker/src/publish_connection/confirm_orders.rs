//! Tries every order in which connections resolve messages and callers poll, are woken, and go: no caller waits for ever.

use super::confirm::{Confirm, ConfirmSender, Woken, confirm_channel};
use crate::model::{Body, Turn, explore};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake};

/// The behaviour of a caller after it has asked once.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// It asks again when it is woken.
    Asks,
    /// It goes when it is woken.
    Goes,
    /// It goes without being woken: its own caller has hung up.
    Leaves,
}

/// The executor of one thread: callers that were woken.
struct Executor {
    turn: Turn,
    woken: Mutex<VecDeque<usize>>,
}

struct Wakes {
    executor: Arc<Executor>,
    caller: usize,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.executor.woken.lock().push_back(self.caller);
        self.executor.turn.notify();
    }
}

/// A thread that asks for all its confirms, and then for each when its caller is woken, until all are resolved or gone.
fn callers(confirms: Vec<(Confirm, Then)>) -> Body {
    Box::new(move |turn| {
        let executor = Arc::new(Executor { turn: turn.clone(), woken: (0..confirms.len()).collect::<VecDeque<_>>().into() });
        let mut waiting: Vec<_> = confirms.into_iter().map(|(confirm, then)| (Some(confirm), then, false)).collect();
        while waiting.iter().any(|(confirm, ..)| confirm.is_some()) {
            let Some(caller) = executor.woken.lock().pop_front() else {
                turn.wait_for_notice();
                continue;
            };
            let (confirm, then, is_polled) = &mut waiting[caller];
            let Some(pending) = confirm else { continue };
            let waker = Arc::new(Wakes { executor: executor.clone(), caller }).into();
            let is_over = match (*then, *is_polled) {
                (Then::Goes | Then::Leaves, true) => true,
                (..) => Pin::new(pending).poll(&mut Context::from_waker(&waker)).is_ready(),
            };
            *is_polled = true;
            if *then == Then::Leaves {
                executor.woken.lock().push_back(caller);
            }
            if is_over {
                *confirm = None;
            }
        }
    })
}

/// A connection that resolves its messages one after the other, and then wakes their callers.
fn connection(messages: Vec<ConfirmSender>) -> Body {
    Box::new(move |_| {
        let mut woken = Woken::default();
        for message in messages {
            message.resolve(Ok(()), &mut woken);
        }
        woken.wake();
    })
}

#[test]
fn no_caller_waits_for_ever_in_any_order() {
    use Then::{Asks, Goes, Leaves};
    // The behaviour of the callers of one thread, the number of them that the first of two connections resolves, the changes of thread.
    let cases = [
        (vec![Asks, Asks], 2, 3),
        (vec![Asks, Goes], 1, 3),
        (vec![Asks, Leaves], 1, 3),
        (vec![Goes, Goes, Asks], 3, 2),
        (vec![Asks, Leaves, Asks], 2, 2),
    ];
    let mut orders = 0;
    for (here, of_first, preemptions) in cases {
        orders += explore(preemptions, || {
            let (mut senders, confirms): (Vec<_>, Vec<_>) = here.iter().map(|_| confirm_channel()).unzip();
            let of_second = senders.split_off(of_first);
            let confirms = confirms.into_iter().zip(here.iter().copied()).collect();
            vec![connection(senders), connection(of_second), callers(confirms)]
        });
    }
    assert!(orders > 500, "{orders}");
}
