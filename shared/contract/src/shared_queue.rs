//! Numbers of shared queues.

use std::fmt;

/// The number of a shared queue, `N` of `work.N` and `call.N`: below 1000 of a queue that tenants share, from 1000 of a queue that belongs
/// to one tenant. A number is not a count: an installation with four shared queues has the numbers 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedQueueNumber(u16);

impl SharedQueueNumber {
    /// Returns the shared queue with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the numbers from `first` up to, and without, `end`.
    pub fn range(first: u16, end: u16) -> impl Iterator<Item = Self> + Clone {
        (first..end).map(Self)
    }
}

impl fmt::Display for SharedQueueNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
