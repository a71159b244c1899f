//! Following records as they are written.
//!
//! Workers announce the ids of their records a few times a second, outside of the transactions that write them: a NOTIFY within each write
//! would make all writers take turns when they commit. A process listens on one connection and reads each row once for all its followers.

use crate::database::listen::{Backoff, LIVENESS, Listener, OUTCOMES};
use crate::database::pool::Store;
use crate::error::StoreError;
use crate::history::outcomes::{COLUMNS, ExecutionRow, execution_row};
use crate::history::record::accepted_between;
use crate::history::search::Filter;
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Maximum executions that one announcement names: a NOTIFY has fewer than 8000 bytes.
pub const MAX_ANNOUNCED: usize = 300;
/// Announcements that wait for a slow follower; beyond, the follower learns that it has missed some.
const WAITING: usize = 64;

/// Records that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Executions that fit the filter, as they stand, in the order of their acceptance.
    Rows {
        /// The executions.
        rows: Vec<ExecutionRow>,
        /// Number of records that are not named here; they may or may not fit the filter.
        left_out: u64,
    },
    /// Some may have been missed, since the connection was lost or this follower was slow. A listing has them.
    Interrupted,
}

#[derive(Debug, Clone)]
enum Announced {
    Rows(Arc<Vec<ExecutionRow>>, u64),
    Interrupted,
}

/// Listens for all followers of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OutcomeWatch {
    sender: broadcast::Sender<Announced>,
    shutdown: CancellationToken,
}

/// One follower.
#[derive(Debug)]
pub struct Follow {
    receiver: broadcast::Receiver<Announced>,
    filter: Filter,
    shutdown: CancellationToken,
}

impl OutcomeWatch {
    /// Follows executions that fit the filter, whose limit and `before` do not count.
    #[must_use]
    pub fn follow(&self, filter: Filter) -> Follow {
        Follow { receiver: self.sender.subscribe(), filter, shutdown: self.shutdown.clone() }
    }
}

impl Follow {
    /// Returns the next records; `None` after shutdown.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            let announced = tokio::select! {
                () = self.shutdown.cancelled() => return None,
                announced = self.receiver.recv() => announced,
            };
            match announced {
                Ok(Announced::Interrupted) | Err(RecvError::Lagged(_)) => return Some(Followed::Interrupted),
                Err(RecvError::Closed) => return None,
                Ok(Announced::Rows(rows, left_out)) => {
                    let rows: Vec<ExecutionRow> = rows.iter().filter(|row| self.filter.fits(row)).cloned().collect();
                    if !rows.is_empty() || left_out > 0 {
                        return Some(Followed::Rows { rows, left_out });
                    }
                }
            }
        }
    }
}

impl Store {
    /// Announces to all followers that these executions were recorded, at most [`MAX_ANNOUNCED`], and the number of further ones.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn announce_outcomes(&self, ids: &[Uuid], left_out: u64) -> Result<(), StoreError> {
        let operation = "announce outcomes";
        let failed = StoreError::during(operation);
        let named = &ids[..ids.len().min(MAX_ANNOUNCED)];
        let left_out = left_out + (ids.len() - named.len()) as u64;
        let bytes: Vec<u8> = named.iter().flat_map(Uuid::as_bytes).copied().collect();
        let client = self.client(operation).await?;
        let statement = client.prepare_cached("select pg_notify($1, $2)").await.map_err(failed)?;
        let payload = format!("{left_out} {}", BASE64URL_NOPAD.encode(&bytes));
        client.execute(&statement, &[&OUTCOMES, &payload]).await.map_err(failed)?;
        Ok(())
    }

    /// Listens to the announcements of workers, over a connection of its own, until shutdown. One is enough for a process.
    #[must_use]
    pub fn watch_outcomes(&self, shutdown: CancellationToken) -> OutcomeWatch {
        let (sender, _) = broadcast::channel(WAITING);
        let (store, to_all, until) = (self.clone(), sender.clone(), shutdown.clone());
        tokio::spawn(async move {
            until.run_until_cancelled(listen(&store, &to_all)).await;
        });
        OutcomeWatch { sender, shutdown }
    }

    /// Returns the rows of these ids (the unique parts), in the order of receipt.
    async fn rows_of(&self, ids: &[Uuid]) -> Result<Vec<ExecutionRow>, StoreError> {
        let operation = "read recorded executions";
        let failed = StoreError::during(operation);
        let Some((first, last)) = accepted_between(ids) else { return Ok(Vec::new()) };
        let issuer = self.issuer().await?;
        let client = self.client(operation).await?;
        let sql = format!(
            "select {COLUMNS} from executions e join integrations i on i.id = e.integration_id
             where e.id = any($1) and e.accepted_at >= $2 and e.accepted_at <= $3 order by e.id"
        );
        let statement = client.prepare_cached(&sql).await.map_err(failed)?;
        let rows = client.query(&statement, &[&ids, &first, &last]).await.map_err(failed)?;
        rows.iter().map(|row| execution_row(row, issuer)).collect()
    }
}

async fn listen(store: &Store, to_all: &broadcast::Sender<Announced>) {
    let mut backoff = Backoff::new();
    let mut was_open = false;
    loop {
        let Ok(mut listener) = Listener::open(&store.server, OUTCOMES, WAITING).await else {
            backoff.pause().await;
            continue;
        };
        backoff = Backoff::new();
        if was_open {
            send(to_all, Announced::Interrupted);
        }
        was_open = true;
        loop {
            let payload = match timeout(LIVENESS, listener.next()).await {
                Ok(Some(payload)) => payload,
                Err(_) if listener.is_alive().await => continue,
                Ok(None) | Err(_) => break,
            };
            if to_all.receiver_count() == 0 {
                continue;
            }
            let announced = match announced(store, &payload).await {
                Some(announced) if !listener.has_missed() => announced,
                _ => Announced::Interrupted,
            };
            send(to_all, announced);
        }
        backoff.pause().await;
    }
}

/// Returns the rows of a notification; `None`: it is not of this version's form, or the rows could not be read.
async fn announced(store: &Store, payload: &str) -> Option<Announced> {
    let (left_out, ids) = payload.split_once(' ')?;
    let bytes = BASE64URL_NOPAD.decode(ids.as_bytes()).ok()?;
    let mut ids = Vec::with_capacity(bytes.len() / size_of::<Uuid>());
    for id in bytes.chunks(size_of::<Uuid>()) {
        ids.push(Uuid::from_slice(id).ok()?);
    }
    let rows = store.rows_of(&ids).await.ok()?;
    Some(Announced::Rows(Arc::new(rows), left_out.parse().ok()?))
}

fn send(to_all: &broadcast::Sender<Announced>, announced: Announced) {
    // An error: there is no follower at the moment.
    let _ = to_all.send(announced);
}
