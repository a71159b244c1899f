//! The `sql` step: runs statements on one database.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::{Fields, Read, all_of};
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// SQL statements on one connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SqlCall {
    /// The connection.
    pub connection: Name,
    /// The statements, at least one. Several, or one in `transaction`, run in one transaction.
    pub statements: Vec<SqlStatement>,
    /// True if the output is a list with an entry for each statement.
    pub is_transaction: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlStatement {
    /// The text; `$1` (PostgreSQL) or `?` (MySQL) stand for parameters.
    pub text: String,
    /// The mapping that returns the list of parameters.
    pub params: Option<String>,
    /// `query` only reads, and may be repeated; `execute` changes something.
    pub reads_only: bool,
}

impl StepKind for SqlCall {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("sql")?;
        let connection = fields.name("connection");
        let single = statement(&fields);
        let transaction = fields.list("transaction").and_then(|items| items.map(|items| transaction(&fields, items)).transpose());
        let statements = match (single, transaction) {
            (Err(reported), _) | (_, Err(reported)) => Err(reported),
            (Ok(Some(statement)), Ok(None)) => Ok((vec![statement], false)),
            (Ok(None), Ok(Some(statements))) => Ok((statements, true)),
            (Ok(Some(_)), Ok(Some(_))) => Err(fields.problem("transaction", "holds all statements: move query or execute into it")),
            (Ok(None), Ok(None)) => Err(fields.problem_here("needs query (reads), execute (changes) or transaction (a list of both)")),
        };
        fields.finish();
        let (statements, is_transaction) = statements?;
        Ok(Self { connection: connection?, statements, is_transaction })
    }

    fn schema() -> KindSchema {
        let sql =
            |about: &str| json!({ "description": format!("{about} $1 (PostgreSQL) or ? (MySQL) stand for parameters."), "type": "string" });
        KindSchema::new(
            json!({ "$ref": "#/$defs/sql" }),
            json!({
                "sql": {
                    "description": "Runs SQL; output { rows, affected }, or a list of these for a transaction.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "connection": described::name("The connection."),
                        "query": sql("Reads only, and may be repeated."),
                        "execute": sql("Changes something."),
                        "params": described::mapping("Gives the list of parameters."),
                        "transaction": {
                            "description": "Statements in one transaction.",
                            "type": "array",
                            "minItems": 1,
                            "items": { "$ref": "#/$defs/statement" }
                        }
                    },
                    "required": ["connection"],
                    "oneOf": [{ "required": ["query"] }, { "required": ["execute"] }, { "required": ["transaction"] }]
                },
                "statement": {
                    "description": "One statement.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "query": sql("Reads only, and may be repeated."),
                        "execute": sql("Changes something."),
                        "params": described::mapping("Gives the list of parameters.")
                    },
                    "oneOf": [{ "required": ["query"] }, { "required": ["execute"] }]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        let first = self.statements.first().map(|statement| statement.text.trim()).unwrap_or_default();
        format!("{}: {}", self.connection, first.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }
}

fn transaction(fields: &Fields<'_>, items: Vec<Fields<'_>>) -> Read<Vec<SqlStatement>> {
    if items.is_empty() {
        return Err(fields.problem("transaction", "is empty: give a list of query and execute"));
    }
    all_of(items.into_iter().map(inner_statement))
}

fn inner_statement(fields: Fields<'_>) -> Read<SqlStatement> {
    let statement = statement(&fields).and_then(|found| found.ok_or_else(|| fields.problem_here("needs query or execute")));
    fields.finish();
    statement
}

fn statement(fields: &Fields<'_>) -> Read<Option<SqlStatement>> {
    let (params, query, execute) = (fields.mapping("params"), fields.text("query"), fields.text("execute"));
    match (query?, execute?, params?) {
        (Some(text), None, params) => Ok(Some(SqlStatement { text, params, reads_only: true })),
        (None, Some(text), params) => Ok(Some(SqlStatement { text, params, reads_only: false })),
        (Some(_), Some(_), _) => Err(fields.problem("execute", "stands beside query: use transaction with a list of both")),
        // `params` beside `transaction`, whose statements have their own.
        (None, None, Some(_)) if !fields.is_stored() => {
            Err(fields.problem("params", "belongs to query or execute: write it beside the statement that it is for"))
        }
        (None, None, _) => Ok(None),
    }
}
