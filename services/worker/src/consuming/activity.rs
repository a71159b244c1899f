//! The activity of a subscription of an exclusive queue. The broker does not say which subscription is the active one; a delivery proves it.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::time::Instant;

/// The time since which the current subscription of a queue has got deliveries. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Activity(Arc<Mutex<Option<Instant>>>);

impl Activity {
    /// A subscription begins: it has got no delivery yet.
    pub(crate) fn begin(&self) {
        *self.0.lock() = None;
    }

    /// The subscription has got a delivery.
    pub(crate) fn delivered(&self) {
        self.0.lock().get_or_insert_with(Instant::now);
    }

    /// Returns the time of the first delivery; `None`: the subscription waits behind another one, or its queue is empty.
    pub(crate) fn since(&self) -> Option<Instant> {
        *self.0.lock()
    }
}
