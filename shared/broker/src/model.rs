//! A scheduler for model tests: runs the threads of a test one at a time, and tries every order in which they take their locks.
//!
//! Between two locks a thread runs alone, so a fault needs a change of thread at a lock. Orders with more than a few changes of thread
//! where none is needed add little (M. Musuvathi, S. Qadeer: "Iterative context bounding", PLDI 2007), so their number is bounded.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

thread_local! {
    static CURRENT: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// A thread of a model test, as its code sees the scheduler.
#[derive(Clone)]
pub(crate) struct Turn {
    scheduler: Arc<Scheduler>,
    thread: usize,
}

/// The code of one thread.
pub(crate) type Body = Box<dyn FnOnce(Turn) + Send>;

#[derive(Default)]
struct Scheduler {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that runs; `None` before the start and after the end.
    current: Option<usize>,
    threads: Vec<Thread>,
    /// The choices of this run: first those to repeat, then new ones.
    choices: Vec<Choice>,
    made: usize,
    preemptions_left: usize,
    /// No thread can run, and not all have ended.
    is_stuck: bool,
}

#[derive(Default)]
struct Thread {
    is_ended: bool,
    /// It waits for another thread to make a step, since a lock is held.
    waits_for_lock: bool,
    /// It waits until it is notified.
    waits_for_notice: bool,
    is_notified: bool,
}

/// The panic that ends a thread which cannot go on.
struct Stuck;

#[derive(Clone, Copy)]
struct Choice {
    taken: usize,
    options: usize,
}

/// Runs the threads in every order with at most `max_preemptions` changes of thread where none is needed, and returns the number of
/// orders.
///
/// # Panics
/// In an order in which no thread can go on and not all have ended, or in which a thread panics.
pub(crate) fn explore(max_preemptions: usize, bodies: impl Fn() -> Vec<Body>) -> usize {
    let (mut choices, mut orders) = (Vec::new(), 0);
    loop {
        choices = run(max_preemptions, choices, bodies());
        orders += 1;
        // The last choice that has another option left takes it; those after it begin anew.
        while choices.last().is_some_and(|choice: &Choice| choice.taken + 1 == choice.options) {
            choices.pop();
        }
        match choices.last_mut() {
            Some(choice) => choice.taken += 1,
            None => return orders,
        }
    }
}

fn run(max_preemptions: usize, choices: Vec<Choice>, bodies: Vec<Body>) -> Vec<Choice> {
    let scheduler = Arc::new(Scheduler::default());
    {
        let mut state = scheduler.lock();
        state.threads.resize_with(bodies.len(), Thread::default);
        (state.choices, state.preemptions_left) = (choices, max_preemptions);
    }
    let panicked = std::thread::scope(|scope| {
        let spawn = |(thread, body): (usize, Body)| {
            let turn = Turn { scheduler: scheduler.clone(), thread };
            scope.spawn(move || turn.run(body))
        };
        let threads: Vec<_> = bodies.into_iter().enumerate().map(spawn).collect();
        scheduler.lock().choose(None);
        scheduler.changed.notify_all();
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ended.into_iter().find_map(|ended| ended.err().filter(|payload| !payload.is::<Stuck>()))
    });
    if let Some(payload) = panicked {
        resume_unwind(payload);
    }
    let state = scheduler.lock();
    assert!(!state.is_stuck, "a thread waits for ever: nobody wakes it");
    state.choices.clone()
}

impl Scheduler {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Chooses the thread that runs next. `current`: it could go on, and to choose another one is a preemption.
    fn choose(&mut self, current: Option<usize>) {
        let can_run = |thread: &Thread| !thread.is_ended && !thread.waits_for_lock && (!thread.waits_for_notice || thread.is_notified);
        let mut options: Vec<usize> = (0..self.threads.len()).filter(|index| can_run(&self.threads[*index])).collect();
        if let Some(current) = current {
            options.retain(|index| *index != current);
            options.insert(0, current);
            if self.preemptions_left == 0 {
                options.truncate(1);
            }
        }
        if options.is_empty() {
            self.is_stuck = self.threads.iter().any(|thread| !thread.is_ended);
            self.current = None;
            return;
        }
        if self.made == self.choices.len() {
            self.choices.push(Choice { taken: 0, options: options.len() });
        }
        let taken = options[self.choices[self.made].taken];
        self.made += 1;
        if current.is_some_and(|current| current != taken) {
            self.preemptions_left -= 1;
        }
        self.current = Some(taken);
    }
}

impl Turn {
    /// A thread from its start to its end.
    fn run(self, body: Body) {
        self.wait();
        CURRENT.set(Some(self.clone()));
        let ended = catch_unwind(AssertUnwindSafe(|| body(self.clone())));
        CURRENT.set(None);
        match ended {
            Ok(()) => self.pass(false, |thread| thread.is_ended = true),
            Err(payload) => {
                self.scheduler.lock().is_stuck = true;
                self.scheduler.changed.notify_all();
                resume_unwind(payload);
            }
        }
    }

    /// Waits until this thread is chosen.
    ///
    /// # Panics
    /// With [`Stuck`], so that the thread ends.
    fn wait(&self) {
        let mut state = self.scheduler.lock();
        while state.current != Some(self.thread) {
            if state.is_stuck {
                drop(state);
                // Without the panic hook, which would print it.
                resume_unwind(Box::new(Stuck));
            }
            self.scheduler.changed.wait(&mut state);
        }
    }

    /// Lets the scheduler choose; `change` says why this thread may not go on.
    fn pass(&self, can_go_on: bool, change: impl FnOnce(&mut Thread)) {
        {
            let mut state = self.scheduler.lock();
            change(&mut state.threads[self.thread]);
            // A thread that waits for a lock tries again after each step of another thread.
            for (index, thread) in state.threads.iter_mut().enumerate() {
                thread.waits_for_lock &= index == self.thread;
            }
            state.choose(can_go_on.then_some(self.thread));
        }
        self.scheduler.changed.notify_all();
    }

    /// Waits until another thread notifies this one; a notice that came before counts.
    pub(crate) fn wait_for_notice(&self) {
        self.pass(false, |thread| thread.waits_for_notice = true);
        self.wait();
        let mut state = self.scheduler.lock();
        let thread = &mut state.threads[self.thread];
        (thread.waits_for_notice, thread.is_notified) = (false, false);
    }

    /// Lets the thread go on that waits, or will wait, for a notice.
    pub(crate) fn notify(&self) {
        self.scheduler.lock().threads[self.thread].is_notified = true;
    }
}

/// Takes a lock: in a thread of a model test, in each of its orders.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let turn = CURRENT.with_borrow(Clone::clone)?;
    turn.pass(true, |_| {});
    turn.wait();
    loop {
        if let Some(guard) = mutex.try_lock() {
            return Some(guard);
        }
        turn.pass(false, |thread| thread.waits_for_lock = true);
        turn.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_two_threads_is_tried() {
        let logs = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let orders = explore(9, || {
            let log = Arc::new(Mutex::new(String::new()));
            let thread = |name: char, log: Arc<Mutex<String>>, logs: Arc<Mutex<std::collections::BTreeSet<String>>>| -> Body {
                Box::new(move |_| {
                    for _ in 0..2 {
                        lock(&log).unwrap().push(name);
                    }
                    let text = log.lock().clone();
                    if text.len() == 4 {
                        logs.lock().insert(text);
                    }
                })
            };
            vec![thread('a', log.clone(), logs.clone()), thread('b', log, logs.clone())]
        });
        assert_eq!(logs.lock().len(), 6, "4 steps, of which 2 are those of one thread");
        assert!(orders >= 6);
    }

    #[test]
    #[should_panic(expected = "waits for ever")]
    fn a_thread_that_nobody_notifies_is_found() {
        explore(0, || vec![Box::new(|turn: Turn| turn.wait_for_notice())]);
    }
}
