//! The `sql` step: parameters by mappings, statements as written.

use super::{Caller, wrong_kind};
use forebay_connectors::{Statement, StatementText};
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{Mapping, Value};
use std::sync::Arc;
use std::time::Duration;

/// A `sql` step, compiled.
pub(crate) struct SqlStep {
    pub connection: Name,
    pub statements: Vec<SqlText>,
    pub is_transaction: bool,
}

/// One statement.
pub(crate) struct SqlText {
    pub text: Arc<StatementText>,
    pub params: Option<Paced<Mapping>>,
    pub reads_only: bool,
}

impl SqlStep {
    pub(crate) fn has_effect(&self) -> bool {
        self.statements.iter().any(|statement| !statement.reads_only)
    }

    pub(crate) async fn run(
        &self,
        caller: Caller<'_>,
        timeout: Option<Duration>,
        context: &Value,
        budget: &Budget,
    ) -> Result<Value, ExecutionError> {
        let connection = caller.host.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Postgres(_) | ConnectionKind::Mysql(_)) {
            return Err(wrong_kind(&connection, "postgres or mysql"));
        }
        let mut statements = Vec::with_capacity(self.statements.len());
        for statement in &self.statements {
            let params = match &statement.params {
                None => Vec::new(),
                Some(mapping) => {
                    let output = mapping.output("params", context, budget).await?;
                    let list = output.as_array().map(<[Value]>::to_vec);
                    list.ok_or_else(|| {
                        let message = format!("params: the mapping must give a list, one value a parameter, and gave {}", output.kind());
                        ExecutionError::permanent(ErrorCode::Mapping, message)
                    })?
                }
            };
            statements.push(Statement { text: Arc::clone(&statement.text), params, reads_only: statement.reads_only });
        }
        caller.engine.connectors().sql(&connection, statements, self.is_transaction, caller.bounds(timeout)).await
    }
}
