//! The `sql` step: parameters are mappings, statements are literal.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, wrong_kind};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Rendering, Trial};
use forebay_connectors::{Statement, StatementText};
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::definition::SqlCall;
use forebay_contract::json::object_of;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::Paced;
use forebay_mapping::{Mapping, Value};
use std::sync::Arc;

/// A compiled `sql` step.
struct SqlStep {
    connection: Name,
    statements: Vec<SqlText>,
    is_transaction: bool,
}

/// A statement.
struct SqlText {
    text: Arc<StatementText>,
    params: Option<Paced<Mapping>>,
    reads_only: bool,
}

impl StepKind for SqlCall {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let mut statements = Vec::with_capacity(self.statements.len());
        for (index, statement) in self.statements.iter().enumerate() {
            let place = if self.is_transaction { format!("{path}.transaction[{index}].params") } else { format!("{path}.params") };
            let params = compiler.optional_mapping(&place, statement.params.as_ref());
            let (text, reads_only) = (StatementText::new(&statement.text), statement.reads_only);
            statements.extend(params.map(|params| SqlText { text, params, reads_only }));
        }
        Some(Box::new(SqlStep { connection: self.connection.clone(), statements, is_transaction: self.is_transaction }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let render = Rendering { part: step.part, scope };
        let mut statements = Vec::with_capacity(self.statements.len());
        for (index, statement) in self.statements.iter().enumerate() {
            let field = if self.is_transaction { format!("transaction[{index}].params") } else { "params".to_owned() };
            let params = match &statement.params {
                Some(source) => render.list(&field, source, "a list, one value a parameter")?,
                None => serde_json::Value::Null,
            };
            let kind = if statement.reads_only { "query" } else { "execute" };
            statements.push(object_of([(kind, statement.text.as_str().into()), ("params", params)]));
        }
        let request = serde_json::Map::from_iter([("statements".to_owned(), statements.into())]);
        Ok(trial::Done::request_by(&self.connection, request))
    }
}

impl CompiledKind for SqlStep {
    fn effect(&self) -> Effect {
        if self.statements.iter().all(|statement| statement.reads_only) { Effect::Reads } else { Effect::Writes }
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move { self.execute(step, scope).await.map(Done::Output) })
    }
}

impl SqlStep {
    async fn execute(&self, step: StepRun<'_>, scope: &Scope) -> Result<Value, ExecutionError> {
        let connection = step.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Postgres(_) | ConnectionKind::Mysql(_)) {
            return Err(wrong_kind(&connection, "postgres or mysql"));
        }
        let mut statements = Vec::with_capacity(self.statements.len());
        for statement in &self.statements {
            let params = match &statement.params {
                None => Vec::new(),
                Some(mapping) => {
                    let output = step.mapping("params", mapping, scope).await?;
                    let list = output.as_array().map(<[Value]>::to_vec);
                    list.ok_or_else(|| {
                        let message = format!("params: the mapping must give a list, one value a parameter, and gave {}", output.kind());
                        ExecutionError::permanent(ErrorCode::Mapping, message)
                    })?
                }
            };
            statements.push(Statement { text: Arc::clone(&statement.text), params, reads_only: statement.reads_only });
        }
        step.engine().connectors().sql(&connection, statements, self.is_transaction, step.bounds()).await
    }
}
