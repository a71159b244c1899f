//! Databases for steps: the test's own database on PostgreSQL, and another one on MariaDB.

use forebay_tests::Stack;
use std::process::Stdio;

/// The test's own database, as a connection.
pub(crate) fn postgres_connection(stack: &Stack, tenant: &str, name: &str) -> String {
    let rest = stack.database_url().split_once("://").unwrap().1;
    let (login, place) = rest.split_once('@').unwrap();
    let (address, database) = place.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    format!(
        "tenant: {tenant}\nconnection: {name}\npostgres: {{ host: {host}, port: {port}, database: {database}, username: {user}, password: '{password}', tls: disable }}\n"
    )
}

/// A new database on the MariaDB at `FOREBAY_MARIADB_URL` (default: that of the system, mysql://root@127.0.0.1:3306); dropped at the end.
pub(crate) struct Mariadb {
    host: String,
    port: String,
    user: String,
    password: String,
    database: String,
}

impl Mariadb {
    pub(crate) async fn new() -> Self {
        let url = std::env::var("FOREBAY_MARIADB_URL").unwrap_or_else(|_| "mysql://root@127.0.0.1:3306".to_owned());
        let (login, place) = url.split_once("://").unwrap().1.split_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = place.split('/').next().unwrap().split_once(':').unwrap();
        let database = format!("t{}", uuid::Uuid::new_v4().simple());
        let this = Self { host: host.into(), port: port.into(), user: user.into(), password: password.into(), database: database.clone() };
        this.run("", &format!("create database {database}")).await;
        this
    }

    /// The database as a connection.
    pub(crate) fn connection(&self, tenant: &str, name: &str) -> String {
        let Self { host, port, user, password, database } = self;
        format!(
            "tenant: {tenant}\nconnection: {name}\nmysql: {{ host: {host}, port: {port}, database: {database}, username: {user}, password: '{password}', tls: disable }}\n"
        )
    }

    /// Runs statements; returns their output.
    pub(crate) async fn sql(&self, statements: &str) -> String {
        self.run(&self.database, statements).await
    }

    fn client(&self) -> std::process::Command {
        let mut client = std::process::Command::new("mariadb");
        client.args(["-N", "-h", &self.host, "-P", &self.port, "-u", &self.user]);
        if !self.password.is_empty() {
            client.arg(format!("-p{}", self.password));
        }
        client
    }

    async fn run(&self, database: &str, statements: &str) -> String {
        let mut client = self.client();
        client.args(["-e", statements]).arg(database);
        let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        let _ = self.client().args(["-e", &format!("drop database {}", self.database)]).stderr(Stdio::null()).status();
    }
}
