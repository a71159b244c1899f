//! The `sftp` step: renders paths and contents, and works on files.

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, wrong_kind};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Rendering, Trial};
use forebay_connectors::{Earlier, FileAction, RemotePath, type_of};
use forebay_contract::Name;
use forebay_contract::body::BodyRule;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::definition::{SftpCall, SftpOperation};
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::payload;
use forebay_mapping::{Encoding, Mapping, Paced, Template, Value};
use serde_json::Map;

/// The media type of unknown files: text and bytes are written unchanged, other values as JSON.
const UNKNOWN: &str = "application/octet-stream";

/// A compiled `sftp` step.
struct SftpStep {
    connection: Name,
    operation: Operation,
}

/// The operation, see [`forebay_contract::definition::SftpOperation`].
enum Operation {
    List { path: Paced<Template>, pattern: Option<Paced<Template>> },
    Get { path: Paced<Template>, rule: BodyRule },
    Put { path: Paced<Template>, body: Paced<Mapping>, content_type: Option<String>, overwrite: bool, rename: bool },
    Move { path: Paced<Template>, to: Paced<Template>, overwrite: bool },
    Delete { path: Paced<Template> },
}

impl StepKind for SftpCall {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        compiler.needs_earlier_attempts |= !matches!(self.operation, SftpOperation::List { .. } | SftpOperation::Get { .. });
        let mut text = |field: &str, source: &String| compiler.template(&format!("{path}.{field}"), source, Encoding::Scalar);
        let operation = match &self.operation {
            SftpOperation::List { path: folder, pattern } => {
                let folder = text("list", folder);
                let pattern = match pattern {
                    Some(pattern) => Some(text("pattern", pattern)?),
                    None => None,
                };
                Operation::List { path: folder?, pattern }
            }
            SftpOperation::Get { path: file, rule } => Operation::Get { path: text("get", file)?, rule: rule.clone() },
            SftpOperation::Put { path: file, body, content_type, overwrite, rename } => {
                let file = text("put", file);
                let body = compiler.mapping(&format!("{path}.body"), body);
                Operation::Put { path: file?, body: body?, content_type: content_type.clone(), overwrite: *overwrite, rename: *rename }
            }
            SftpOperation::Move { path: file, to, overwrite } => {
                let (file, to) = (text("move", file), text("to", to));
                Operation::Move { path: file?, to: to?, overwrite: *overwrite }
            }
            SftpOperation::Delete { path: file } => Operation::Delete { path: text("delete", file)? },
        };
        Some(Box::new(SftpStep { connection: self.connection.clone(), operation }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let render = Rendering { part: step.part, scope };
        let mut request = Map::new();
        let mut put = |field: &str, source: &str| -> Result<(), Fault> {
            request.insert(field.to_owned(), render.text(field, source)?.into());
            Ok(())
        };
        match &self.operation {
            SftpOperation::List { path, pattern } => {
                put("list", path)?;
                pattern.iter().try_for_each(|pattern| put("pattern", pattern))?;
            }
            SftpOperation::Get { path, .. } => put("get", path)?,
            SftpOperation::Put { path, body, .. } => {
                put("put", path)?;
                request.insert("body".to_owned(), render.optional("body", Some(body))?);
            }
            SftpOperation::Move { path, to, .. } => {
                put("move", path)?;
                put("to", to)?;
            }
            SftpOperation::Delete { path } => put("delete", path)?,
        }
        Ok(trial::Done::request_by(&self.connection, request))
    }
}

impl CompiledKind for SftpStep {
    fn effect(&self) -> Effect {
        match self.operation {
            Operation::List { .. } | Operation::Get { .. } => Effect::Reads,
            Operation::Put { .. } | Operation::Move { .. } | Operation::Delete { .. } => Effect::Writes,
        }
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move { self.work(step, scope).await.map(Done::Output) })
    }
}

impl SftpStep {
    async fn work(&self, step: StepRun<'_>, scope: &Scope) -> Result<Value, ExecutionError> {
        let connection = step.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Sftp(_)) {
            return Err(wrong_kind(&connection, "sftp"));
        }
        let path_of = async |part: &str, template: &Paced<Template>| {
            let text = step.template(part, template, scope).await?;
            Ok::<_, ExecutionError>(RemotePath { text, is_inserted: template.program().starts_with_expression() })
        };
        let action = match &self.operation {
            Operation::List { path, pattern } => {
                let pattern = match pattern {
                    Some(pattern) => Some(step.template("pattern", pattern, scope).await?),
                    None => None,
                };
                FileAction::List { path: path_of("path", path).await?, pattern }
            }
            Operation::Get { path, rule } => FileAction::Get { path: path_of("path", path).await?, rule: rule.clone() },
            Operation::Put { path, body, content_type, overwrite, rename } => {
                let path = path_of("path", path).await?;
                let content_type = content_type.as_deref().or_else(|| type_of(&path.text)).unwrap_or(UNKNOWN);
                let bytes = payload::of_mapping(body, Some(content_type), scope.context.value(), step.budget()).await?.bytes;
                FileAction::Put { path, bytes, id: step.idempotency_key(), overwrite: *overwrite, rename: *rename }
            }
            Operation::Move { path, to, overwrite } => {
                FileAction::Move { path: path_of("path", path).await?, to: path_of("to", to).await?, overwrite: *overwrite }
            }
            Operation::Delete { path } => FileAction::Delete { path: path_of("path", path).await? },
        };
        let state = || step.execution.state();
        let may_have_done_it = step.execution.execution.is_redelivered || state().journal.is_in_doubt(step.path);
        let earlier = Earlier { may_have_done_it, in_doubt: &|is_in_doubt| state().journal.doubt(step.path, is_in_doubt) };
        step.engine().connectors().sftp(&connection, action, earlier, step.bounds()).await
    }
}
