//! Connectors against real servers: PostgreSQL at FOREBAY_DATABASE_URL, MariaDB at FOREBAY_MARIADB_URL, RabbitMQ at
//! FOREBAY_AMQP_URL (else the system's own on their standard ports), an sshd and a mail server that the tests start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod amqp;
mod check;
mod email;
mod mysql;
mod postgres;
mod sftp;
mod tls;
mod types;

use forebay_connectors::{Bounds, Connectors, Reach, Statement, StatementText};
use forebay_contract::connection::{Connection, ConnectionKind};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Value, to_json};
use forebay_workflow::{ExecutionContext, RunEnd};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

const BOUNDS: Bounds = Bounds { timeout: Duration::from_secs(20), max_bytes: 8 * 1024 * 1024 };

fn connectors() -> Connectors {
    Connectors::new(Reach::allow())
}

/// Returns a connection. `fields` are those of the kind, such as `{"postgres": {...}}`.
fn connection(fields: Json) -> Arc<Connection> {
    let mut document = json!({ "tenant": "t37ed", "connection": "remote" });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Arc::new(Connection::from_value(&document).unwrap())
}

/// Returns host, port, user, password and database of an address.
fn parts(url: &str) -> (String, u16, String, String, String) {
    let url = reqwest::Url::parse(url).unwrap();
    let database = url.path().trim_start_matches('/').to_owned();
    let password = url.password().unwrap_or_default().to_owned();
    (url.host_str().unwrap().to_owned(), url.port().unwrap(), url.username().to_owned(), password, database)
}

/// Returns a database's connection by its address, with additional or changed fields.
fn database_at(kind: &str, url: &str, changes: &Json) -> Arc<Connection> {
    let (host, port, username, password, database) = parts(url);
    let mut fields =
        json!({ "host": host, "port": port, "username": username, "password": password, "database": database, "tls": "disable" });
    fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    connection(json!({ kind: fields }))
}

/// Creates a table for this test, `(id int primary key, name text)`.
async fn table(connectors: &Connectors, database: &Arc<Connection>) -> String {
    let table = unique("t");
    let engine = if matches!(database.kind, ConnectionKind::Mysql(_)) { "ENGINE = InnoDB" } else { "" };
    let create = format!("CREATE TABLE {table} (id int PRIMARY KEY, name text) {engine}");
    connectors.sql(database, vec![execute(&create, json!([]))], false, BOUNDS).await.unwrap();
    table
}

async fn drop_table(connectors: &Connectors, database: &Arc<Connection>, table: &str) {
    connectors.sql(database, vec![execute(&format!("DROP TABLE {table}"), json!([]))], false, BOUNDS).await.unwrap();
}

fn from_env(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// Returns the text of a value, exactly as written.
fn text(value: &Value) -> String {
    String::from_utf8(to_json(value)).unwrap()
}

/// Returns a JSON number with its digits.
fn digits(number: &str) -> Json {
    serde_json::from_str(number).unwrap()
}

fn json_of(value: &Value) -> Json {
    serde_json::from_slice(&to_json(value)).unwrap()
}

fn query(text: &str, params: Json) -> Statement {
    Statement { reads_only: true, ..execute(text, params) }
}

fn execute(text: &str, params: Json) -> Statement {
    let params = params.as_array().unwrap().iter().map(Value::from).collect();
    Statement { text: StatementText::new(text), params, reads_only: false }
}

async fn rows(connectors: &Connectors, connection: &Arc<Connection>, statement: Statement) -> Json {
    let output = connectors.sql(connection, vec![statement], false, BOUNDS).await.unwrap();
    json_of(&output)["rows"].clone()
}

async fn refused(connectors: &Connectors, connection: &Arc<Connection>, statement: Statement) -> ExecutionError {
    connectors.sql(connection, vec![statement], false, BOUNDS).await.unwrap_err()
}

/// Runs a workflow with the connection, and returns its response.
async fn run_on(connection: Arc<Connection>, steps: &str, body: &Json) -> Result<Json, ExecutionError> {
    let execution = ExecutionContext { host: Arc::new(support::Known(connection)), ..support::once() };
    match support::engine().run(&support::program(steps), &support::envelope(&body.to_string()), execution).await.end {
        RunEnd::Succeeded(response) => Ok(serde_json::from_slice(&response.body).unwrap_or_default()),
        RunEnd::Failed(error) => Err(error),
        RunEnd::WaitsUntil(_) => panic!("deferred"),
    }
}

/// Returns a name that no other test uses.
fn unique(what: &str) -> String {
    format!("{what}_{}", uuid::Uuid::new_v4().simple())
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}

#[track_caller]
fn assert_permanent(error: &ExecutionError, code: ErrorCode, parts: &[&str]) {
    assert!(!error.transient && error.code == code, "{error:?}");
    assert_says(error, parts);
}

#[track_caller]
fn assert_transient(error: &ExecutionError, code: ErrorCode, parts: &[&str]) {
    assert!(error.transient && error.code == code, "{error:?}");
    assert_says(error, parts);
}

#[track_caller]
fn assert_says(error: &ExecutionError, parts: &[&str]) {
    for part in parts {
        assert!(error.message.contains(part), "no '{part}' in: {error}");
    }
}
