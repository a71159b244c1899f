//! A database for one test.

use forebay_store::{Store, StoreOptions};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// How long a condition may take before the test fails; generous, since the machine may be busy.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A database of one test's own.
#[derive(Clone)]
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// The URL of the server that tests use, with another database.
    fn url_of(name: &str) -> String {
        let server = std::env::var("FOREBAY_DATABASE_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432".to_owned());
        let (scheme, rest) = server.split_once("://").unwrap();
        let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(rest, query)| (rest, format!("?{query}")));
        let authority = rest.split('/').next().unwrap();
        format!("{scheme}://{authority}/{name}{query}")
    }

    pub(crate) fn url(&self) -> String {
        Self::url_of(&self.name)
    }

    /// The server's host and port.
    pub(crate) fn address(&self) -> String {
        let url = self.url();
        let authority = url.split_once("://").unwrap().1.split('/').next().unwrap().to_owned();
        authority.rsplit('@').next().unwrap().to_owned()
    }

    /// The URL with another host and port.
    pub(crate) fn url_through(&self, address: &str) -> String {
        self.url().replace(&self.address(), address)
    }

    pub(crate) async fn store(&self) -> Store {
        self.store_named("forebay-test").await
    }

    pub(crate) async fn store_named(&self, application_name: &str) -> Store {
        let options = StoreOptions { max_connections: 4, application_name: application_name.to_owned(), ..StoreOptions::default() };
        Store::connect(&self.url(), options).await.unwrap()
    }

    /// A plain connection, to look behind the store.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url()).await
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.client().await.query_one(&format!("select count(*) from {query}"), &[]).await.unwrap().get(0)
    }

    /// Ends every session of the database but the one that asks.
    pub(crate) async fn terminate_sessions(&self) -> i64 {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()";
        self.client().await.query_one(sql, &[]).await.unwrap().get(0)
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs a test with a name for a database that does not exist yet; drops the database whatever comes of the test.
pub(crate) async fn with_unmade_database<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Database) -> F) {
    let database = Database { name: format!("store_test_{}", Uuid::new_v4().simple()) };
    let outcome = tokio::spawn(test(database.clone())).await;
    let client = connect(&Database::url_of("postgres")).await;
    client.batch_execute(&format!("drop database if exists {} with (force)", database.name)).await.unwrap();
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Runs a test with an empty database.
pub(crate) async fn with_empty_database<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Database) -> F + Send + 'static) {
    with_unmade_database(|database| async move {
        assert!(Store::create_database_if_missing(&database.url()).await.unwrap());
        test(database).await;
    })
    .await;
}

/// Runs a test with a migrated database and a store for it.
pub(crate) async fn with_store<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Store, Database) -> F + Send + 'static) {
    with_empty_database(|database| async move {
        let store = database.store().await;
        store.migrate().await.unwrap();
        test(store, database).await;
    })
    .await;
}

/// Waits until the condition holds; how long that took.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < TIMEOUT, "waited {TIMEOUT:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
