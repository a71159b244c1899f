//! Announces records to followers of the history, a few times a second at any load.

use forebay_store::{MAX_ANNOUNCED, Record, Store};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_millis(250);
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The records since the last announcement. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Announcer(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    ids: Vec<Uuid>,
    /// Number of records beyond those that are named.
    left_out: u64,
}

impl Announcer {
    pub(crate) fn add(&self, records: &[Record]) {
        let mut recorded = self.0.lock();
        let room = MAX_ANNOUNCED - recorded.ids.len();
        recorded.ids.extend(records.iter().take(room).map(|record| record.execution_id.unique()));
        recorded.left_out += records.len().saturating_sub(room) as u64;
    }

    /// Announces until shutdown. Records whose announcement fails are not announced again: followers find them by listing.
    pub(crate) async fn run_until(self, store: Store, shutdown: CancellationToken) {
        loop {
            let stops = tokio::select! {
                () = shutdown.cancelled() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let Recorded { ids, left_out } = std::mem::take(&mut *self.0.lock());
            if !ids.is_empty() {
                let _ = tokio::time::timeout(STORE_TIMEOUT, store.announce_outcomes(&ids, left_out)).await;
            }
            if stops {
                return;
            }
        }
    }
}
