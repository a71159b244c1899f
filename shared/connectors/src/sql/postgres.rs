//! Statements on PostgreSQL.

use super::postgres_column::{Cell, is_readable};
use super::postgres_parameter::Parameter;
use super::{Batch, Progress, Results, Statement, check_columns, check_count};
use crate::concealment::Concealment;
use crate::connector::{Connector, Test, TlsAdvice};
use crate::dial::{cause, dial};
use crate::tls::{self, Server};
use crate::{Connectors, Reach, Target};
use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use forebay_contract::connection::{CONNECT_TIMEOUT, Connection, DatabaseConnection, PostgresConnection, Tls};
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

impl Connector for PostgresConnection {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn conceal(&self, concealment: &mut Concealment) {
        concealment.add_secret(self.password.expose());
    }

    fn tls_advice(&self) -> TlsAdvice {
        TlsAdvice { takes_certificate: true, in_clear: "`tls: disable`" }
    }

    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>> {
        Box::pin(check(self, test))
    }
}

/// Creates sessions of one connection.
pub(crate) struct PostgresSessions {
    connection: Arc<Connection>,
    database: DatabaseConnection,
    reach: Reach,
}

/// A session. If it ends during a statement, it makes the server cancel the statement: a server notices a lost client only when it sends
/// something.
pub(crate) struct PostgresSession {
    client: Client,
    sessions: Arc<Dialer>,
    is_running: bool,
}

/// The parameters of a cancel request, for which PostgreSQL requires another connection.
struct Dialer {
    connection: Arc<Connection>,
    database: DatabaseConnection,
    reach: Reach,
}

impl PostgresSessions {
    pub(crate) fn new(connection: &Arc<Connection>, database: &DatabaseConnection, reach: &Reach) -> Self {
        Self { connection: Arc::clone(connection), database: database.clone(), reach: reach.clone() }
    }
}

impl Manager for PostgresSessions {
    type Type = PostgresSession;
    type Error = ExecutionError;

    async fn create(&self) -> Result<PostgresSession, ExecutionError> {
        let target = Target(&self.connection);
        let dialer = Dialer { connection: self.connection.clone(), database: self.database.clone(), reach: self.reach.clone() };
        let stream = dialer.dial().await?;
        let tls = tls_to(&target, &self.database)?;
        let signed_in = tokio::time::timeout(CONNECT_TIMEOUT, sign_in(&self.database, stream, tls)).await;
        let client = match signed_in {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(refused_sign_in(&target, &self.database, &error)),
            Err(_) => {
                return Err(ExecutionError::transient(
                    ErrorCode::Timeout,
                    format!("{target} did not let us in within {CONNECT_TIMEOUT:?}"),
                ));
            }
        };
        Ok(PostgresSession { client, sessions: Arc::new(dialer), is_running: false })
    }

    /// Resets settings, temporary tables and locks, so that the next execution does not see them.
    async fn recycle(&self, session: &mut PostgresSession, _: &Metrics) -> RecycleResult<ExecutionError> {
        let clean = "CLOSE ALL; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";
        match tokio::time::timeout(CONNECT_TIMEOUT, session.client.batch_execute(clean)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(RecycleError::message("the session does not answer")),
        }
    }
}

impl Dialer {
    async fn dial(&self) -> Result<TcpStream, ExecutionError> {
        dial(&self.reach, &Target(&self.connection), &self.database.host, self.database.port).await
    }
}

async fn sign_in(database: &DatabaseConnection, stream: TcpStream, tls: RustlsConnect) -> Result<Client, Error> {
    let mut config = Config::new();
    config.user(&database.username).dbname(&database.database).application_name("forebay");
    if !database.password.expose().is_empty() {
        config.password(database.password.expose());
    }
    if database.tls == Tls::Disable {
        config.ssl_mode(SslMode::Disable);
        let (client, driver) = config.connect_raw(stream, NoTls).await?;
        tokio::spawn(driver);
        return Ok(client);
    }
    config.ssl_mode(SslMode::Require);
    let (client, driver) = config.connect_raw(stream, tls).await?;
    tokio::spawn(driver);
    Ok(client)
}

type RustlsConnect = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::TlsConnect;

fn tls_to(target: &Target<'_>, database: &DatabaseConnection) -> Result<RustlsConnect, ExecutionError> {
    let mut make = MakeRustlsConnect::new(tls::client_config(target, &database.trust)?);
    match MakeTlsConnect::<TcpStream>::make_tls_connect(&mut make, &database.host) {
        Ok(connect) => Ok(connect),
        Err(never) => match never {},
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        if !self.is_running || self.client.is_closed() {
            return;
        }
        let (token, dialer) = (self.client.cancel_token(), self.sessions.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let cancel = async {
                let stream = dialer.dial().await.ok()?;
                match dialer.database.tls {
                    Tls::Disable => token.cancel_query_raw(stream, NoTls).await.ok(),
                    _ => {
                        let tls = tls_to(&Target(&dialer.connection), &dialer.database).ok()?;
                        token.cancel_query_raw(stream, tls).await.ok()
                    }
                }
            };
            if tokio::time::timeout(CONNECT_TIMEOUT, cancel).await.ok().flatten().is_none() {
                tracing::warn!(connection.name = %dialer.connection.name, "a statement could not be cancelled and may still run");
            }
        });
    }
}

pub(super) async fn run(
    connectors: &Connectors,
    connection: &Arc<Connection>,
    database: &DatabaseConnection,
    batch: &Batch,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), ExecutionError> {
    let make = || PostgresSessions::new(connection, database, connectors.reach());
    let mut session = connectors.postgres_pools().lease(connection, database.pool, make).await?;
    let target = Target(connection);
    session.is_running = true;
    progress.running(batch);
    let ended = run_on(&session.client, &target, batch, progress, results).await;
    match ended {
        Ok(()) => {}
        // The server refused the statement, and the transaction has ended with it.
        Err(Stopped { error, is_in_step: true }) => {
            if session.client.batch_execute("ROLLBACK").await.is_ok() {
                session.is_running = false;
                session.done();
            }
            return Err(error);
        }
        Err(Stopped { error, .. }) => return Err(error),
    }
    session.is_running = false;
    session.done();
    Ok(())
}

/// The error that ended a run early, and whether the session is idle again.
struct Stopped {
    error: ExecutionError,
    is_in_step: bool,
}

impl From<ExecutionError> for Stopped {
    fn from(error: ExecutionError) -> Self {
        Self { error, is_in_step: false }
    }
}

async fn run_on(client: &Client, target: &Target<'_>, batch: &Batch, progress: &Progress, results: &mut Results) -> Result<(), Stopped> {
    let explain = |which: &str, error: &Error| failed(target, progress, which, None, error);
    let in_transaction = batch.in_transaction || batch.reads_only;
    if in_transaction {
        let mode = if batch.reads_only { " READ ONLY" } else { "" };
        // The server's own timeout ends the transaction of a worker that stopped.
        let begin = format!("BEGIN{mode}; SET LOCAL statement_timeout = {}", batch.timeout.as_millis().clamp(1, i32::MAX as u128));
        client.batch_execute(&begin).await.map_err(|error| explain("the transaction's begin", &error))?;
    }
    for (index, statement) in batch.statements.iter().enumerate() {
        let which = batch.name(index);
        run_one(client, target, statement, &which, progress, results).await?;
    }
    if in_transaction {
        progress.committing();
        client.batch_execute("COMMIT").await.map_err(|error| explain("the transaction's commit", &error))?;
    }
    Ok(())
}

async fn run_one(
    client: &Client,
    target: &Target<'_>,
    statement: &Statement,
    which: &str,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), Stopped> {
    let explain = |error: Error| failed(target, progress, which, None, &error);
    // Nothing runs on the server: the session is idle.
    let unfit = |error| Stopped { error, is_in_step: true };
    let prepared = client.prepare(statement.text.as_str()).await.map_err(explain)?;
    check_count(prepared.params().len(), statement.params.len(), which).map_err(unfit)?;
    check_columns(prepared.columns().iter().map(|column| column.name()), which).map_err(unfit)?;
    if let Some(column) = prepared.columns().iter().find(|column| !is_readable(column.type_())) {
        let (name, kind) = (column.name(), column.type_().name());
        let message =
            format!("{which} gives the column '{name}' of type {kind}, which has no JSON; cast it in the SQL, such as {name}::text");
        return Err(unfit(ExecutionError::permanent(ErrorCode::Remote, message)));
    }
    let mut params = Vec::with_capacity(statement.params.len());
    for (index, (value, kind)) in statement.params.iter().zip(prepared.params()).enumerate() {
        let parameter = Parameter::new(value, kind);
        let refused = |problem| {
            ExecutionError::permanent(
                ErrorCode::Mapping,
                format!("params: {which}, parameter ${}, of the type {}: {problem}", index + 1, kind.name()),
            )
        };
        params.push(parameter.map_err(refused).map_err(unfit)?);
    }
    let names: usize = prepared.columns().iter().map(|column| column.name().len() + 4).sum();
    let explain = |error: Error| failed(target, progress, which, Some(prepared.params()), &error);
    let mut stream = pin!(client.query_raw(&prepared, params).await.map_err(explain)?);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(explain)? {
        results.count(target, row.raw_size_bytes() + names)?;
        let mut members = Vec::with_capacity(row.len());
        for (index, column) in row.columns().iter().enumerate() {
            let cell: Cell = row.try_get(index).map_err(|error| unreadable(column.name(), which, &error))?;
            members.push((column.name(), cell.0));
        }
        rows.push(Value::object(members));
    }
    results.push(rows, stream.rows_affected().unwrap_or(0));
    Ok(())
}

fn unreadable(column: &str, which: &str, error: &Error) -> Stopped {
    ExecutionError::permanent(ErrorCode::Remote, format!("{which} gives the column '{column}', which cannot be read: {}", cause(error)))
        .into()
}

fn failed(target: &Target<'_>, progress: &Progress, which: &str, params: Option<&[Type]>, error: &Error) -> Stopped {
    let Some(refused) = error.as_db_error() else { return progress.broke_off(target, &cause(error)).into() };
    let code = refused.code();
    let mut message = format!("{target} refused {which}: {} (SQLSTATE {})", refused.message(), code.code());
    // `unnamed portal parameter $2`, since PostgreSQL 14.
    let number = refused.where_().and_then(|place| place.split("parameter $").nth(1));
    let number = number.and_then(|rest| rest.split(|character: char| !character.is_ascii_digit()).next()?.parse::<usize>().ok());
    if let Some((number, kind)) = number.and_then(|number| Some((number, params?.get(number.checked_sub(1)?)?))) {
        message.push_str(&format!("; that is parameter ${number}, of the type {}", kind.name()));
    }
    if let Some(hint) = refused.hint() {
        message.push_str(&format!("; {hint}"));
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        message.push_str("; a `query` only reads: write `execute` for a statement that changes or locks something");
    }
    if *code == SqlState::QUERY_CANCELED {
        return Stopped { error: ExecutionError::transient(ErrorCode::Timeout, message), is_in_step: true };
    }
    let ends_session = matches!(code.code().get(..2), Some("08" | "57" | "58"));
    if ends_session {
        message.push_str(progress.effect());
    }
    // Connection, conflict of transactions, resources, lock, operator, system (PostgreSQL, appendix A).
    let comes_again = matches!(code.code().get(..2), Some("08" | "40" | "53" | "57" | "58")) || *code == SqlState::LOCK_NOT_AVAILABLE;
    let error = if comes_again {
        ExecutionError::transient(ErrorCode::Remote, message)
    } else {
        ExecutionError::permanent(ErrorCode::Remote, message)
    };
    Stopped { error, is_in_step: !ends_session }
}

fn refused_sign_in(target: &Target<'_>, database: &DatabaseConnection, error: &Error) -> ExecutionError {
    let Some(refused) = error.as_db_error() else {
        if let Some(refused) = tls::refused(target, Server::Of(target.0), error) {
            return refused;
        }
        let why = cause(error);
        if why.contains("server does not support TLS") {
            return ExecutionError::permanent(
                ErrorCode::Unreachable,
                format!("{target} offers no TLS: set it up there, or set tls: disable"),
            );
        }
        if why.contains("password missing") {
            return ExecutionError::permanent(ErrorCode::Remote, format!("{target} asks for a password, and the connection has none"));
        }
        return ExecutionError::transient(ErrorCode::Unreachable, format!("{target} could not be connected to: {why}"));
    };
    let code = refused.code().code();
    let (user, name) = (&database.username, &database.database);
    let what = match code {
        "28P01" | "28000" => format!("the user name '{user}' or its password is wrong, or pg_hba.conf does not let it in"),
        "3D000" => format!("there is no database '{name}'"),
        _ => "the sign-in failed".to_owned(),
    };
    let message = format!("{target} refused the sign-in: {what}: {} (SQLSTATE {code})", refused.message());
    let comes_again = matches!(code.get(..2), Some("08" | "53" | "57" | "58"));
    if comes_again {
        ExecutionError::transient(ErrorCode::Unreachable, message)
    } else {
        ExecutionError::permanent(ErrorCode::Remote, message)
    }
}

/// Returns the server's version, for a test of the connection.
async fn check(database: &DatabaseConnection, Test { connectors, connection, .. }: Test<'_>) -> Result<String, ExecutionError> {
    let session = PostgresSessions::new(connection, database, connectors.reach()).create().await?;
    let target = Target(connection);
    let row = session.client.query_one("SELECT current_setting('server_version'), current_user::text", &[]).await;
    let row = row.map_err(|error| ExecutionError::transient(ErrorCode::Remote, format!("{target} broke off: {}", cause(&error))))?;
    let (version, user): (String, String) = (row.get(0), row.get(1));
    Ok(format!("PostgreSQL {version}, database '{}', as '{user}'", database.database))
}
