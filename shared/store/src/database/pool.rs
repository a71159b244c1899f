//! The pool of connections.

use crate::database::caps::Caps;
use crate::database::endpoint::{Server, TIMEOUT};
use crate::error::StoreError;
use crate::seal::SecretKeys;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use forebay_contract::IdIssuer;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Options of the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Maximum connections of the pool; watching takes one more, watching workers another.
    pub max_connections: usize,
    /// The name in `pg_stat_activity`, such as `forebay-worker`.
    pub application_name: String,
    /// The keys for hidden parts of payloads; `None`: hidden parts are neither stored nor read.
    pub secret_keys: Option<Arc<SecretKeys>>,
    /// The caps of each tenant.
    pub caps: Caps,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { max_connections: 8, application_name: "forebay".to_owned(), secret_keys: None, caps: Caps::default() }
    }
}

/// The database: a pool, cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    /// The server, for connections outside the pool.
    pub(crate) server: Arc<Server>,
    /// Read once: it never changes.
    pub(crate) issuer: Arc<OnceCell<IdIssuer>>,
    pub(crate) secret_keys: Option<Arc<SecretKeys>>,
    pub(crate) caps: Caps,
}

impl Store {
    /// Returns a store for the URL, such as `postgres://user:password@host:port/database?sslmode=verify-full`. Connects when first used, so
    /// it succeeds while the server is away.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub async fn connect(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let server = Server::of_url(url, &options.application_name)?;
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(server.config.clone(), server.tls.clone(), manager_config))
            .max_size(options.max_connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(TIMEOUT))
            .create_timeout(Some(TIMEOUT))
            .recycle_timeout(Some(TIMEOUT))
            .build()
            .map_err(|error| StoreError::Url { reason: error.to_string() })?;
        Ok(Self { pool, server: Arc::new(server), issuer: Arc::default(), secret_keys: options.secret_keys, caps: options.caps })
    }

    /// Creates the URL's database when the server has none of that name; `true`: it was created. Any number of processes may call it at
    /// once.
    ///
    /// # Errors
    /// A wrong URL, a server that is away, no right to create a database.
    pub async fn create_database_if_missing(url: &str) -> Result<bool, StoreError> {
        let operation = "create database";
        let mut server = Server::of_url(url, "forebay")?;
        let name = server.config.get_dbname().or(server.config.get_user()).unwrap_or("postgres").to_owned();
        server.config.dbname("postgres");
        let unavailable = |source| StoreError::Unavailable { operation, source: Box::new(source) };
        let (client, connection) = server.connect().await.map_err(unavailable)?;
        let connection = tokio::spawn(connection);
        let created = create_database(&client, &name).await.map_err(StoreError::during(operation));
        drop(client);
        // The statement has reported its error, if any.
        let _ = connection.await;
        created
    }

    /// Returns true if it has a key for contents that must not be stored in clear.
    #[must_use]
    pub fn can_seal(&self) -> bool {
        self.secret_keys.is_some()
    }

    /// Checks that the server answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let client = self.client("ping").await?;
        client.simple_query("select 1").await.map_err(StoreError::during("ping"))?;
        Ok(())
    }

    /// Returns a connection of the pool.
    pub(crate) async fn client(&self, operation: &'static str) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| StoreError::pool(operation, error))
    }
}

/// A connection with a transaction that is begun and committed by statements, so that these can be sent without waiting for the answers of
/// those before. Unless [`OpenTransaction::end`] is called the connection is closed, which rolls back: none returns to the pool with an open
/// transaction.
pub(crate) struct OpenTransaction(Option<Object>);

impl OpenTransaction {
    pub(crate) fn on(client: Object) -> Self {
        Self(Some(client))
    }

    #[expect(clippy::expect_used, reason = "only its end takes the connection")]
    pub(crate) fn client(&self) -> &Object {
        self.0.as_ref().expect("the transaction is open")
    }

    /// The transaction is committed: the connection returns to the pool.
    pub(crate) fn end(mut self) {
        drop(self.0.take());
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

async fn create_database(client: &tokio_postgres::Client, name: &str) -> Result<bool, tokio_postgres::Error> {
    if client.query_opt("select 1 from pg_database where datname = $1", &[&name]).await?.is_some() {
        return Ok(false);
    }
    let statement = format!("create database \"{}\"", name.replace('"', "\"\""));
    match client.batch_execute(&statement).await {
        Ok(()) => Ok(true),
        // Another process was faster: the server returns one of two codes, depending on the moment.
        Err(error) if is_race(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_race(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    matches!(error.code(), Some(code) if *code == SqlState::DUPLICATE_DATABASE || *code == SqlState::UNIQUE_VIOLATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wrong_url_is_said_without_its_password() {
        for url in ["postgres://me:hunter2@host:notaport/db", "hunter2", "postgres:///db", "mysql://me:hunter2@host/db"] {
            let Err(error) = Store::connect(url, StoreOptions::default()).await else { panic!("{url} was accepted") };
            assert!(matches!(error, StoreError::Url { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_away_fails_the_call_and_not_the_connect() {
        let store = Store::connect("postgres://me:hunter2@127.0.0.1:1/db", StoreOptions::default()).await.unwrap();
        let error = store.ping().await.unwrap_err();
        assert!(error.is_unavailable());
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
