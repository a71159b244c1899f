//! The memory of one execution.

use crate::allocation::held as thread_held;
use forebay_contract::Name;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// Memory below which an execution never waits, however much the others hold, in bytes.
const SMALL: isize = 256 * 1024;

/// The memory that the work of one execution allocated and has not freed.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) tenant: Name,
    pub(super) is_suspect: bool,
    held: AtomicIsize,
    /// Pieces of work on other threads that have not ended.
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

    /// Adds bytes.
    pub(super) fn add(&self, bytes: isize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the tenant.
    pub(crate) fn tenant(&self) -> &Name {
        &self.tenant
    }

    /// Returns the bytes.
    pub(super) fn held(&self) -> isize {
        self.held.load(Ordering::Relaxed)
    }

    /// Wraps a piece of work for another thread.
    pub(crate) fn aside(self: Arc<Self>, work: impl FnOnce()) -> impl FnOnce() {
        let aside = Aside::of(self);
        move || {
            aside.0.count(work);
            drop(aside);
        }
    }

    /// Returns true if it works on another thread.
    pub(super) fn is_busy_aside(&self) -> bool {
        self.aside.load(Ordering::Relaxed) > 0
    }

    /// Returns true if it continues however little memory is free.
    pub(super) fn is_small(&self) -> bool {
        !self.is_suspect && self.held() <= SMALL
    }
}

/// Counts a piece of work on another thread until this is dropped.
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
