//! Statements on MySQL and MariaDB.

use super::instant::instant;
use super::mysql_target::Targets;
use super::{Batch, Progress, Results, Statement, bytes_of, check_columns, check_count, mysql_value};
use crate::concealment::Concealment;
use crate::connector::{Connector, Test, TlsAdvice};
use crate::dial::cause;
use crate::tls::{self, Server};
use crate::{Connectors, Reach, Target};
use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use forebay_contract::connection::{CONNECT_TIMEOUT, Connection, DatabaseConnection, MysqlConnection, ServerTrust, Tls};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use futures_util::future::BoxFuture;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, ServerError, SslOpts};
use std::net::IpAddr;
use std::sync::Arc;

impl Connector for MysqlConnection {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn conceal(&self, concealment: &mut Concealment) {
        concealment.add_secret(self.password.expose());
    }

    /// The MySQL client supports only authorities.
    fn tls_advice(&self) -> TlsAdvice {
        TlsAdvice { takes_certificate: false, in_clear: "`tls: disable`" }
    }

    fn test<'t>(&'t self, test: Test<'t>) -> BoxFuture<'t, Result<String, ExecutionError>> {
        Box::pin(check(self, test))
    }
}

/// Creates sessions of one connection.
#[derive(Clone)]
pub(crate) struct MysqlSessions {
    connection: Arc<Connection>,
    database: DatabaseConnection,
    reach: Reach,
}

/// A session. If it ends during a statement, it makes the server end the statement: a server notices a lost client only when it sends
/// something.
pub(crate) struct MysqlSession {
    conn: Conn,
    sessions: MysqlSessions,
    is_running: bool,
}

impl Drop for MysqlSession {
    fn drop(&mut self) {
        if !self.is_running {
            return;
        }
        let (id, sessions) = (self.conn.id(), self.sessions.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let killed = match sessions.create().await {
                Ok(mut other) => other.conn.query_drop(format!("KILL {id}")).await,
                Err(_) => return,
            };
            // Usually the session does not exist any more.
            if let Err(error) = killed {
                tracing::debug!(connection.name = %sessions.connection.name, %error, "a session was not ended");
            }
        });
    }
}

impl MysqlSessions {
    fn new(connection: &Arc<Connection>, database: &DatabaseConnection, reach: &Reach) -> Self {
        Self { connection: Arc::clone(connection), database: database.clone(), reach: reach.clone() }
    }

    fn options(&self, addresses: Vec<IpAddr>) -> OptsBuilder {
        let database = &self.database;
        let password = database.password.expose();
        let options = OptsBuilder::default()
            .ip_or_hostname(&database.host)
            .tcp_port(database.port)
            .resolved_ips(Some(addresses))
            .db_name(Some(&database.database))
            .user(Some(&database.username))
            .pass((!password.is_empty()).then_some(password))
            .prefer_socket(false)
            .tcp_nodelay(true)
            .stmt_cache_size(Some(0))
            // Counts the rows that a statement found, as PostgreSQL does, and not only those that it changed.
            .client_found_rows(true)
            .setup(vec!["SET time_zone = '+00:00'"]);
        match database.tls {
            Tls::Disable => options,
            _ => {
                let authorities = match &database.trust {
                    ServerTrust::Machine => vec![forebay_tls::authorities_as_pem().into_bytes().into()],
                    ServerTrust::Authority(authorities) => authorities.iter().map(|der| der.clone().into()).collect(),
                    // The reader does not accept such a connection; nothing is trusted.
                    ServerTrust::Certificate(_) => Vec::new(),
                };
                options.ssl_opts(SslOpts::default().with_disable_built_in_roots(true).with_root_certs(authorities))
            }
        }
    }
}

impl Manager for MysqlSessions {
    type Type = MysqlSession;
    type Error = ExecutionError;

    async fn create(&self) -> Result<MysqlSession, ExecutionError> {
        let target = Target(&self.connection);
        let database = &self.database;
        let sign_in = async {
            let addresses = self.reach.resolve(&database.host, database.port).await.map_err(|error| target.at(error))?;
            let options = self.options(addresses.iter().map(|address| address.ip()).collect());
            let conn = Conn::new(options).await.map_err(|error| refused_sign_in(&target, database, &error))?;
            Ok(MysqlSession { conn, sessions: self.clone(), is_running: false })
        };
        let too_slow = || format!("{target} could not be reached within {}", format_duration(CONNECT_TIMEOUT));
        let signed_in = tokio::time::timeout(CONNECT_TIMEOUT, sign_in).await;
        signed_in.unwrap_or_else(|_| Err(ExecutionError::transient(ErrorCode::Unreachable, too_slow())))
    }

    /// Resets settings, temporary tables and locks, so that the next execution does not see them.
    async fn recycle(&self, session: &mut MysqlSession, _: &Metrics) -> RecycleResult<ExecutionError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, session.conn.reset()).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(RecycleError::message("the session cannot be reset")),
        }
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
    let make = || MysqlSessions::new(connection, database, connectors.reach());
    let mut session = connectors.mysql_pools().lease(connection, database.pool, make).await?;
    let target = Target(connection);
    session.is_running = true;
    progress.running(batch);
    let ended = run_on(&mut session.conn, &target, batch, progress, results).await;
    if let Err(error) = ended {
        // The server refused the statement or did not receive it: nothing runs there.
        let is_idle = matches!(error.code, ErrorCode::Remote | ErrorCode::Mapping);
        if is_idle && session.conn.query_drop("ROLLBACK").await.is_ok() {
            session.is_running = false;
            session.done();
        }
        return Err(error);
    }
    session.is_running = false;
    session.done();
    Ok(())
}

async fn run_on(
    conn: &mut Conn,
    target: &Target<'_>,
    batch: &Batch,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), ExecutionError> {
    let in_transaction = batch.in_transaction || batch.reads_only;
    if in_transaction {
        let mode = if batch.reads_only { " READ ONLY" } else { "" };
        let begun = conn.query_drop(format!("START TRANSACTION{mode}")).await;
        begun.map_err(|error| failed(target, progress, "the transaction's begin", None, &error))?;
    }
    for (index, statement) in batch.statements.iter().enumerate() {
        run_one(conn, target, statement, &batch.name(index), progress, results).await?;
    }
    if in_transaction {
        progress.committing();
        let committed = conn.query_drop("COMMIT").await;
        committed.map_err(|error| failed(target, progress, "the transaction's commit", None, &error))?;
    }
    Ok(())
}

async fn run_one(
    session: &mut Conn,
    target: &Target<'_>,
    statement: &Statement,
    which: &str,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), ExecutionError> {
    let reading = statement.text.for_mysql().await;
    let explain = |error: Error| failed(target, progress, which, Some((statement, reading.targets.as_ref())), &error);
    let prepared = session.prep(statement.text.as_str()).await.map_err(explain)?;
    check_count(prepared.params().len(), statement.params.len(), which)?;
    let columns = prepared.columns();
    let names: Vec<String> = columns.iter().map(|column| column.name_str().into_owned()).collect();
    check_columns(names.iter().map(String::as_str), which)?;
    // Only a time with a zone requires the type of its column.
    let has_instant = statement.params.iter().any(|value| value.as_str().is_some_and(|text| instant(text).is_some()));
    let columns_of_params = match &reading.targets {
        Some(targets) if has_instant => targets.described(session).await,
        _ => Vec::new(),
    };
    let mut params = Vec::with_capacity(statement.params.len());
    for (index, value) in statement.params.iter().enumerate() {
        let refused =
            |problem: String| ExecutionError::permanent(ErrorCode::Mapping, format!("params: {which}, parameter {}: {problem}", index + 1));
        if reading.decodes(index) && bytes_of(value).is_some() {
            return Err(refused("it is bytes already; take FROM_BASE64 away, or give `.base64` of it".to_owned()));
        }
        let column = columns_of_params.get(index).and_then(Option::as_ref);
        params.push(mysql_value::parameter(value, column).map_err(refused)?);
    }
    let width: usize = names.iter().map(|name| name.len() + 4).sum();
    let mut rows = Vec::new();
    let mut answer = session.exec_iter(&prepared, params).await.map_err(explain)?;
    while let Some(row) = answer.next().await.map_err(explain)? {
        let columns = row.columns();
        let cells = row.unwrap();
        let bytes: usize = cells.iter().map(|cell| usize::try_from(cell.bin_len()).unwrap_or(usize::MAX)).sum();
        results.count(target, bytes.saturating_add(width))?;
        let mut members = Vec::with_capacity(cells.len());
        for (cell, column) in cells.into_iter().zip(columns.iter()) {
            let name = column.name_str();
            let unreadable = |problem| {
                ExecutionError::permanent(ErrorCode::Remote, format!("{which} gives the column '{name}', which cannot be read: {problem}"))
            };
            members.push((name.clone().into_owned(), mysql_value::cell(cell, column).map_err(unreadable)?));
        }
        rows.push(Value::object(members));
    }
    let affected = if columns.is_empty() { answer.affected_rows() } else { rows.len() as u64 };
    answer.drop_result().await.map_err(explain)?;
    session.close(prepared).await.map_err(explain)?;
    results.push(rows, affected);
    Ok(())
}

/// Returns the failure for an error number of the server (MySQL and MariaDB error references).
fn failed(
    target: &Target<'_>,
    progress: &Progress,
    which: &str,
    statement: Option<(&Statement, Option<&Targets>)>,
    error: &Error,
) -> ExecutionError {
    let Error::Server(ServerError { code, message, .. }) = error else {
        return progress.broke_off(target, &cause(error));
    };
    let culprit = statement.and_then(|(statement, targets)| refused_parameter(statement, targets, *code, message)).unwrap_or_default();
    let mut message = format!("{target} refused {which}: {message} (error {code}){culprit}");
    match code {
        // Cannot execute statement in a READ ONLY transaction.
        1792 => message.push_str("; a `query` only reads: write `execute` for a statement that changes or locks something"),
        // Incorrect value: most often a time as JSON has it.
        1292 if message.contains("date") || message.contains("time") => message.push_str(
            "; a time with a zone is understood where the parameter alone is given to a column or compared with one; anywhere else write \
             it in UTC, such as 2026-01-31 06:00:00",
        ),
        _ => {}
    }
    match code {
        // The statement exceeded max_execution_time or max_statement_time.
        3024 | 1969 => ExecutionError::transient(ErrorCode::Timeout, message),
        // Shutdown, interrupted, killed: the session has ended.
        1053 | 1317 | 1927 => ExecutionError::transient(ErrorCode::Remote, format!("{message}{}", progress.effect())),
        // Too many connections, lock wait, deadlock, conflict (Galera), memory, disk.
        1040 | 1203 | 1205 | 1213 | 1020 | 1037 | 1041 | 1021 => ExecutionError::transient(ErrorCode::Remote, message),
        _ => ExecutionError::permanent(ErrorCode::Remote, message),
    }
}

/// Returns the parameter whose value did not fit: the server names the value or the column, and never the parameter.
fn refused_parameter(statement: &Statement, targets: Option<&Targets>, code: u16, message: &str) -> Option<String> {
    // NULL, range, truncation, conversion, length, function (MySQL and MariaDB error references).
    if ![1048, 1264, 1265, 1292, 1366, 1367, 1406, 1411].contains(&code) {
        return None;
    }
    let quoted: Vec<&str> = message.split('\'').skip(1).step_by(2).collect();
    let mut holders = statement.params.iter().enumerate().filter(|(_, value)| value.as_str().is_some_and(|text| quoted.contains(&text)));
    let by_value = holders.next().map(|(index, _)| index + 1).filter(|_| holders.next().is_none());
    let number = by_value.or_else(|| {
        // `db`.`table`.`column`, or 'column'.
        let column = message.split("olumn ").nth(1)?.split_whitespace().next()?.rsplit('.').next()?;
        targets?.parameter_of(column.trim_matches(['`', '\'', ' ']))
    })?;
    let kind = statement.params.get(number - 1)?.kind();
    Some(format!("; that is parameter {number}, of the kind {kind}"))
}

fn refused_sign_in(target: &Target<'_>, database: &DatabaseConnection, error: &Error) -> ExecutionError {
    match error {
        Error::Server(ServerError { code, message, .. }) => {
            let what = match code {
                1045 | 1698 => format!("the user name '{}' or its password is wrong", database.username),
                1044 => format!("the user '{}' may not use the database '{}'", database.username, database.database),
                1049 => format!("there is no database '{}'", database.database),
                _ => "the sign-in failed".to_owned(),
            };
            let message = format!("{target} refused the sign-in: {what}: {message} (error {code})");
            let comes_again = [1040, 1203, 1053].contains(code);
            if comes_again {
                ExecutionError::transient(ErrorCode::Unreachable, message)
            } else {
                ExecutionError::permanent(ErrorCode::Remote, message)
            }
        }
        Error::Driver(mysql_async::DriverError::NoClientSslFlagFromServer) => {
            ExecutionError::permanent(ErrorCode::Unreachable, format!("{target} offers no TLS: set it up there, or set tls: disable"))
        }
        Error::Io(_) => tls::refused(target, Server::Of(target.0), error).unwrap_or_else(|| {
            ExecutionError::transient(ErrorCode::Unreachable, format!("{target} could not be reached: {}", cause(error)))
        }),
        _ => ExecutionError::permanent(ErrorCode::Remote, format!("{target} could not be signed in to: {}", cause(error))),
    }
}

/// Returns the server's version, for a test of the connection.
async fn check(database: &DatabaseConnection, Test { connectors, connection, .. }: Test<'_>) -> Result<String, ExecutionError> {
    let mut session = MysqlSessions::new(connection, database, connectors.reach()).create().await?;
    let target = Target(connection);
    let row: Result<Option<(String, String)>, Error> = session.conn.query_first("SELECT VERSION(), CURRENT_USER()").await;
    let row = row.map_err(|error| ExecutionError::transient(ErrorCode::Remote, format!("{target} broke off: {}", cause(&error))))?;
    let (version, user) = row.unwrap_or_default();
    let product = if version.contains("MariaDB") { "" } else { "MySQL " };
    Ok(format!("{product}{version}, database '{}', as '{user}'", database.database))
}
