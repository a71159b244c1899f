//! SQL statements on a PostgreSQL or MySQL database.
//!
//! Values travel as bound parameters only. Each step is one transaction, or one statement of its own; a transaction of queries alone
//! is read-only, so that what calls itself a `query` changes nothing and may be repeated.

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

/// One statement, ready to run.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Shared by all executions of one version of a definition.
    pub text: Arc<StatementText>,
    /// The parameters, in order.
    pub params: Vec<Value>,
    /// `query` and not `execute`.
    pub reads_only: bool,
}

/// The text of a statement. Only MySQL needs more than the text, and then reads it once.
#[derive(Debug)]
pub struct StatementText {
    text: String,
    for_mysql: OnceCell<Arc<Reading>>,
}

impl StatementText {
    /// `$1` (PostgreSQL) or `?` (MySQL) stand for parameters.
    pub fn new(text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { text: text.into(), for_mysql: OnceCell::new() })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the text tells of its parameters. It is read beside the threads of async code, at its first execution.
    async fn for_mysql(&self) -> Arc<Reading> {
        let read = async {
            let text = self.text.clone();
            tokio::task::spawn_blocking(move || Arc::new(Reading::of(&text))).await.unwrap_or_default()
        };
        Arc::clone(self.for_mysql.get_or_init(|| read).await)
    }
}

impl Connectors {
    /// Runs statements: one by itself, or several (and one where `is_transaction`) in a transaction, all or nothing. Dropping the
    /// future cancels what runs.
    ///
    /// Gives `{ rows: [...], affected: n }`, or a list of these where `is_transaction`. Rows are objects by column.
    ///
    /// # Errors
    /// `Mapping` for parameters that cannot be sent, `Remote` for what the database refuses, `Limit` for too many bytes,
    /// `Unreachable` and `Timeout`. The text says whether something may have been changed where that is not known.
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
    /// All of them are queries.
    reads_only: bool,
    timeout: Duration,
}

impl Batch {
    /// How a statement is named in messages.
    fn name(&self, index: usize) -> String {
        if self.statements.len() == 1 { "the statement".to_owned() } else { format!("statement {}", index + 1) }
    }
}

/// What the statements gave, within a bound.
pub(super) struct Results {
    rows_and_counts: Vec<Value>,
    bytes: usize,
    max_bytes: usize,
}

impl Results {
    /// Counts a row in, before it is kept.
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

/// The bytes that an object stands for: `{ base64 }`, as columns of bytes are read, also with the other members of what `.body` is of a
/// body of unknown type. `None`: it is something else.
fn bytes_of(value: &Value) -> Option<Result<Vec<u8>, String>> {
    let base64 = value.get("base64")?.as_str()?;
    let is_known = |(name, _): (&str, &Value)| ["base64", "contentType", "size"].contains(&name);
    if !value.entries()?.all(is_known) {
        return None;
    }
    let bytes = BASE64.decode(base64.as_bytes());
    Some(bytes.map_err(|error| format!("the text in `base64` is no Base64 (RFC 4648, with padding): {error}")))
}

/// Rows are objects: of two columns with the same name one would be lost.
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

/// How far a step has come, for what is said when it ends early: what a transaction did is undone until its commit is sent.
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
