//! SQL statements on a PostgreSQL or MySQL database.
//!
//! Values are sent as bound parameters only. Each step is one transaction, or one statement; a transaction of queries alone is read-only,
//! so that a `query` cannot change anything and may be repeated.

mod guard;
mod instant;
mod mysql;
mod mysql_target;
mod mysql_value;
mod postgres;
mod postgres_column;
mod postgres_parameter;

pub(crate) use mysql::MysqlSessions;
pub(crate) use postgres::PostgresSessions;

use self::mysql_target::Reading;
use crate::{Bounds, Connectors, Target};
use data_encoding::BASE64;
use forebay_contract::connection::{Connection, ConnectionKind};
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A statement with its parameters.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The text, shared by all executions of one version of a definition.
    pub text: Arc<StatementText>,
    /// The parameters, in order.
    pub params: Vec<Value>,
    /// True if it is a `query`, and not an `execute`.
    pub reads_only: bool,
}

/// The text of a statement. For MySQL it is also analysed, once.
#[derive(Debug)]
pub struct StatementText {
    text: String,
    for_mysql: OnceCell<Arc<Reading>>,
}

impl StatementText {
    /// Creates a text, in which `$1` (PostgreSQL) or `?` (MySQL) stand for parameters.
    pub fn new(text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { text: text.into(), for_mysql: OnceCell::new() })
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the analysis of the parameters. It runs on a thread that may block, at the first execution.
    async fn for_mysql(&self) -> Arc<Reading> {
        let read = async {
            let text = self.text.clone();
            tokio::task::spawn_blocking(move || Arc::new(Reading::of(&text))).await.unwrap_or_default()
        };
        Arc::clone(self.for_mysql.get_or_init(|| read).await)
    }
}

impl Connectors {
    /// Runs statements: one by itself, or several (or one if `is_transaction`) in a transaction, which is atomic. Dropping the future
    /// cancels the running statement.
    ///
    /// Returns `{ rows: [...], affected: n }`, or a list of these if `is_transaction`. Rows are objects by column.
    ///
    /// # Errors
    /// `Mapping` for parameters that cannot be sent, `Remote` if the database refuses a statement, `Limit` for too many bytes,
    /// `Unreachable` and `Timeout`. If it is unknown whether something was changed, the text says so.
    pub async fn sql(
        &self,
        connection: &Arc<Connection>,
        statements: Vec<Statement>,
        is_transaction: bool,
        bounds: Bounds,
    ) -> Result<Value, ExecutionError> {
        let target = Target::enabled(connection)?;
        let batch = Batch {
            in_transaction: is_transaction || statements.len() > 1,
            reads_only: statements.iter().all(|statement| statement.reads_only),
            timeout: bounds.timeout,
            statements,
        };
        let is_mysql = matches!(connection.kind, ConnectionKind::Mysql(_));
        guard::check(&batch, is_mysql)?;
        let progress = Progress::default();
        let mut results = Results { rows_and_counts: Vec::new(), bytes: 0, max_bytes: bounds.max_bytes };
        let run = async {
            match &connection.kind {
                ConnectionKind::Postgres(database) => postgres::run(self, connection, database, &batch, &progress, &mut results).await,
                ConnectionKind::Mysql(database) => mysql::run(self, connection, database, &batch, &progress, &mut results).await,
                _ => Err(target.is_no("database (postgres or mysql)")),
            }
        };
        let ended = tokio::time::timeout(bounds.timeout, run).await;
        ended.unwrap_or_else(|_| Err(progress.timed_out(&target, bounds.timeout)))?;
        let mut outputs = results.rows_and_counts;
        Ok(if is_transaction { Value::array(outputs) } else { outputs.pop().unwrap_or_default() })
    }
}

/// The statements of one step.
pub(super) struct Batch {
    statements: Vec<Statement>,
    in_transaction: bool,
    /// True if all of them are queries.
    reads_only: bool,
    timeout: Duration,
}

impl Batch {
    /// Returns the name of a statement in messages.
    fn name(&self, index: usize) -> String {
        if self.statements.len() == 1 { "the statement".to_owned() } else { format!("statement {}", index + 1) }
    }
}

/// The results of the statements, within a limit.
pub(super) struct Results {
    rows_and_counts: Vec<Value>,
    bytes: usize,
    max_bytes: usize,
}

impl Results {
    /// Counts a row before it is stored.
    fn count(&mut self, target: &Target<'_>, bytes: usize) -> Result<(), ExecutionError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= self.max_bytes {
            return Ok(());
        }
        let message = format!("{target} gave more than {} bytes of rows; select fewer columns, or use LIMIT", self.max_bytes);
        Err(ExecutionError::permanent(ErrorCode::Limit, message))
    }

    fn push(&mut self, rows: Vec<Value>, affected: u64) {
        self.rows_and_counts.push(Value::object([("rows", Value::array(rows)), ("affected", Value::from(affected))]));
    }
}

/// Returns the bytes of an object `{ base64 }`, the form of byte columns, also with the other members that the `.body` of an unknown type
/// has. `None`: it is another value.
fn bytes_of(value: &Value) -> Option<Result<Vec<u8>, String>> {
    let base64 = value.get("base64")?.as_str()?;
    let is_known = |(name, _): (&str, &Value)| ["base64", "contentType", "size"].contains(&name);
    if !value.entries()?.all(is_known) {
        return None;
    }
    let bytes = BASE64.decode(base64.as_bytes());
    Some(bytes.map_err(|error| format!("the text in `base64` is no Base64 (RFC 4648, with padding): {error}")))
}

/// Refuses two columns of the same name: rows are objects, so one of them would be lost.
fn check_columns<'n>(names: impl Iterator<Item = &'n str>, which: &str) -> Result<(), ExecutionError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let message = format!("{which} gives two columns named '{name}'; name one of them anew with AS");
            return Err(ExecutionError::permanent(ErrorCode::Remote, message));
        }
    }
    Ok(())
}

fn check_count(expected: usize, given: usize, which: &str) -> Result<(), ExecutionError> {
    if expected == given {
        return Ok(());
    }
    Err(ExecutionError::permanent(ErrorCode::Mapping, format!("params: {which} has {expected} parameters, and the mapping gave {given}")))
}

/// The progress of a step, for the message when it ends early: changes of a transaction are undone until its commit is sent.
#[derive(Default)]
pub(super) struct Progress(AtomicU8);

const IN_TRANSACTION: u8 = 1;
const ON_ITS_OWN: u8 = 2;
const COMMITTING: u8 = 3;
const READING: u8 = 4;

impl Progress {
    fn running(&self, batch: &Batch) {
        let stage = match (batch.reads_only, batch.in_transaction) {
            (true, _) => READING,
            (false, true) => IN_TRANSACTION,
            (false, false) => ON_ITS_OWN,
        };
        self.0.store(stage, Ordering::Relaxed);
    }

    fn committing(&self) {
        if self.0.load(Ordering::Relaxed) != READING {
            self.0.store(COMMITTING, Ordering::Relaxed);
        }
    }

    fn effect(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            IN_TRANSACTION => "; the transaction was not committed, so nothing was changed",
            ON_ITS_OWN => "; the statement may have been carried out",
            COMMITTING => " while committing: whether the transaction was kept is not known",
            READING => "",
            _ => "; nothing was sent",
        }
    }

    fn timed_out(&self, target: &Target<'_>, timeout: Duration) -> ExecutionError {
        let within = format_duration(timeout);
        let message = match self.0.load(Ordering::Relaxed) {
            0 => format!(
                "{target} gave no connection within {within}: it does not answer, or all of the connection's `pool` are in use; nothing was sent"
            ),
            _ => format!("{target} did not end within {within} and was cancelled{}", self.effect()),
        };
        ExecutionError::transient(ErrorCode::Timeout, message)
    }

    fn broke_off(&self, target: &Target<'_>, why: &str) -> ExecutionError {
        ExecutionError::transient(ErrorCode::Unreachable, format!("{target} broke off{}: {why}", self.effect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_is_read_once_for_all_its_executions() {
        let statement = Statement { text: StatementText::new("UPDATE t SET a = ? WHERE id = ?"), params: Vec::new(), reads_only: false };
        let another = statement.clone();
        let (first, second) = tokio::join!(statement.text.for_mysql(), another.text.for_mysql());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(second.targets.as_ref().and_then(|targets| targets.parameter_of("id")), Some(2));
    }
}
