//! Sessions with remote systems that are reused for later steps, by connection.

use deadpool::Runtime;
use deadpool::managed::{Manager, Object, Pool, PoolError, Timeouts};
use forebay_contract::Name;
use forebay_contract::connection::Connection;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum idle time of a session with a database or broker. Servers and network devices close such sessions after some minutes or hours.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(300);
/// Maximum idle time of a session with mail and file servers, which often allow only a few sessions for a user.
pub(super) const MAX_IDLE_OF_FEW: Duration = Duration::from_secs(30);

/// The pools of one kind of connection. A pool ends when its connection is changed or was not used for some time.
pub(super) struct Pools<M: Manager<Error = ExecutionError>> {
    pools: Mutex<HashMap<(Name, Name), Entry<M>>>,
    /// Maximum idle time of a session.
    idle: Duration,
}

struct Entry<M: Manager<Error = ExecutionError>> {
    connection: Arc<Connection>,
    pool: Pool<M>,
    used: Instant,
}

/// A session in use. If it is dropped before [`done`](Self::done), the session is ended and not reused: the state of the remote system is
/// unknown.
pub(super) struct Lease<M: Manager<Error = ExecutionError>> {
    /// Present until the lease ends.
    object: Option<Object<M>>,
}

impl<M: Manager<Error = ExecutionError> + 'static> Pools<M>
where
    M::Type: Send,
{
    pub(super) fn new(idle: Duration) -> Self {
        Self { pools: Mutex::default(), idle }
    }

    /// Leases a session of the connection: an idle one, a new one, or the next one that is returned if there are `most`.
    ///
    /// # Errors
    /// The manager's error of a new session.
    pub(super) async fn lease(
        &self,
        connection: &Arc<Connection>,
        max_size: usize,
        make: impl FnOnce() -> M,
    ) -> Result<Lease<M>, ExecutionError> {
        match self.pool(connection, max_size, make)?.get().await {
            Ok(object) => Ok(Lease { object: Some(object) }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(ExecutionError::transient(
                ErrorCode::Unreachable,
                format!("the connection '{}' was changed while this step waited for it", connection.name),
            )),
            Err(error) => Err(ExecutionError::transient(
                ErrorCode::Internal,
                format!("the connection '{}' gave no session: {error}", connection.name),
            )),
        }
    }

    fn pool(&self, connection: &Arc<Connection>, max_size: usize, make: impl FnOnce() -> M) -> Result<Pool<M>, ExecutionError> {
        let mut pools = self.pools.lock();
        let key = (connection.tenant.clone(), connection.name.clone());
        if let Some(entry) = pools.get_mut(&key)
            && (Arc::ptr_eq(&entry.connection, connection) || entry.connection == *connection)
        {
            entry.used = Instant::now();
            return Ok(entry.pool.clone());
        }
        let built = Pool::builder(make()).max_size(max_size).runtime(Runtime::Tokio1).timeouts(Timeouts::default()).build();
        let pool = built.map_err(|error| ExecutionError::transient(ErrorCode::Internal, format!("no pool could be made: {error}")))?;
        let entry = Entry { connection: Arc::clone(connection), pool: pool.clone(), used: Instant::now() };
        if let Some(before) = pools.insert(key, entry) {
            before.pool.close();
        }
        Ok(pool)
    }

    /// Ends idle sessions, and drops pools without sessions.
    pub(super) fn close_idle(&self) {
        let mut pools = self.pools.lock();
        pools.retain(|_, entry| {
            entry.pool.retain(|_, metrics| metrics.last_used() < self.idle);
            entry.used.elapsed() < self.idle || entry.pool.status().size > 0
        });
    }

    /// Returns the number of sessions.
    pub(super) fn sessions(&self) -> usize {
        let pools = self.pools.lock();
        pools.values().map(|entry| entry.pool.status().size).sum()
    }
}

impl<M: Manager<Error = ExecutionError>> Lease<M> {
    /// Returns the session to the pool.
    pub(super) fn done(mut self) {
        self.object.take();
    }
}

impl<M: Manager<Error = ExecutionError>> Drop for Lease<M> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl<M: Manager<Error = ExecutionError>> Deref for Lease<M> {
    type Target = M::Type;

    fn deref(&self) -> &M::Type {
        match &self.object {
            Some(object) => object,
            None => unreachable!("only the end of a lease takes its session"),
        }
    }
}

impl<M: Manager<Error = ExecutionError>> DerefMut for Lease<M> {
    fn deref_mut(&mut self) -> &mut M::Type {
        match &mut self.object {
            Some(object) => object,
            None => unreachable!("only the end of a lease takes its session"),
        }
    }
}
