//! An API key as a process has it in memory.

use forebay_contract::{Name, UnixMicros};
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// One API key or signing key, without the key.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// The tenant that it belongs to.
    pub tenant: Name,
    /// Its label, for people.
    pub label: String,
    /// The integrations that it opens.
    pub integrations: HashSet<Uuid>,
    /// The time at which it ends; `None`: when it is deleted.
    pub expires_at: Option<UnixMicros>,
    /// Reads the outcomes of all calls of its integrations, not only of its own.
    pub reads_all_outcomes: bool,
    /// The last use by a call of this process.
    pub last_use: LastUse,
}

/// The last use of a key, to the minute, noted in memory so that a call costs no write. Two keys that differ in it alone are equal.
#[derive(Debug, Default)]
pub struct LastUse(AtomicI64);

impl LastUse {
    /// Notes a use at this time.
    pub fn note(&self, now: UnixMicros) {
        // Most calls only read, so that processors share the cache line.
        if now.since(self.at()) >= Duration::from_secs(60) {
            self.0.store(now.get(), Ordering::Relaxed);
        }
    }

    /// Returns the last use that was noted; 1970: none.
    #[must_use]
    pub fn at(&self) -> UnixMicros {
        UnixMicros::new(self.0.load(Ordering::Relaxed))
    }
}

impl PartialEq for LastUse {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastUse {}
