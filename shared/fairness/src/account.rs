//! The memory of one execution.

use crate::allocation::held as thread_held;
use forebay_contract::Name;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// Bytes that an execution may hold whatever the others hold: a small one never waits for memory.
const SMALL: isize = 256 * 1024;

/// The memory that the pieces of work of one execution allocated and have not freed.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) tenant: Name,
    pub(super) is_suspect: bool,
    held: AtomicIsize,
    /// Pieces of work on threads aside that have not ended.
    aside: AtomicUsize,
}

impl Account {
    pub(super) fn new(tenant: &Name, is_suspect: bool) -> Self {
        Self { tenant: tenant.clone(), is_suspect, held: AtomicIsize::new(0), aside: AtomicUsize::new(0) }
    }

    /// Does a piece of work on this thread and counts what it allocates.
    pub(crate) fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = thread_held();
        let result = work();
        self.add(thread_held() - before);
        result
    }

    /// Counts bytes.
    pub(super) fn add(&self, bytes: isize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whose it is.
    pub(crate) fn tenant(&self) -> &Name {
        &self.tenant
    }

    /// Bytes.
    pub(super) fn held(&self) -> isize {
        self.held.load(Ordering::Relaxed)
    }

    /// A piece of work for a thread aside.
    pub(crate) fn aside(self: Arc<Self>, work: impl FnOnce()) -> impl FnOnce() {
        let aside = Aside::of(self);
        move || {
            aside.0.count(work);
            drop(aside);
        }
    }

    /// Returns whether it works on a thread aside.
    pub(super) fn is_busy_aside(&self) -> bool {
        self.aside.load(Ordering::Relaxed) > 0
    }

    /// Returns whether it goes on however little memory is free.
    pub(super) fn is_small(&self) -> bool {
        !self.is_suspect && self.held() <= SMALL
    }
}

/// Counts a piece of work aside until this is dropped.
struct Aside(Arc<Account>);

impl Aside {
    fn of(account: Arc<Account>) -> Self {
        account.aside.fetch_add(1, Ordering::Relaxed);
        Self(account)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.aside.fetch_sub(1, Ordering::Relaxed);
    }
}
