//! The `sftp` step: renders paths and contents, and works on files.

use super::{Caller, wrong_kind};
use forebay_connectors::{Earlier, FileAction, RemotePath, type_of};
use forebay_contract::Name;
use forebay_contract::body::BodyRule;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::outcome::ExecutionError;
use forebay_mapping::payload;
use forebay_mapping::{Budget, Paced};
use forebay_mapping::{Mapping, Template, Value};
use std::time::Duration;

/// Text and bytes as they are, everything else as JSON.
const UNKNOWN: &str = "application/octet-stream";

/// An `sftp` step, compiled.
pub(crate) struct SftpStep {
    pub connection: Name,
    pub operation: Operation,
}

/// As [`forebay_contract::definition::SftpOperation`].
pub(crate) enum Operation {
    List { path: Paced<Template>, pattern: Option<Paced<Template>> },
    Get { path: Paced<Template>, rule: BodyRule },
    Put { path: Paced<Template>, body: Paced<Mapping>, content_type: Option<String>, overwrite: bool, rename: bool },
    Move { path: Paced<Template>, to: Paced<Template>, overwrite: bool },
    Delete { path: Paced<Template> },
}

impl SftpStep {
    pub(crate) fn has_effect(&self) -> bool {
        !matches!(self.operation, Operation::List { .. } | Operation::Get { .. })
    }

    pub(crate) async fn run(
        &self,
        caller: Caller<'_>,
        earlier: Earlier<'_>,
        timeout: Option<Duration>,
        context: &Value,
        budget: &Budget,
    ) -> Result<Value, ExecutionError> {
        let connection = caller.host.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Sftp(_)) {
            return Err(wrong_kind(&connection, "sftp"));
        }
        let path_of = async |part: &str, template: &Paced<Template>| {
            let text = template.text(part, context, budget).await?;
            Ok::<_, ExecutionError>(RemotePath { text, is_inserted: template.program().starts_with_expression() })
        };
        let action = match &self.operation {
            Operation::List { path, pattern } => {
                let pattern = match pattern {
                    Some(pattern) => Some(pattern.text("pattern", context, budget).await?),
                    None => None,
                };
                FileAction::List { path: path_of("path", path).await?, pattern }
            }
            Operation::Get { path, rule } => FileAction::Get { path: path_of("path", path).await?, rule: rule.clone() },
            Operation::Put { path, body, content_type, overwrite, rename } => {
                let path = path_of("path", path).await?;
                let content_type = content_type.as_deref().or_else(|| type_of(&path.text)).unwrap_or(UNKNOWN);
                let bytes = payload::of_mapping(body, Some(content_type), context, budget).await?.bytes;
                FileAction::Put { path, bytes, id: caller.idempotency_key(), overwrite: *overwrite, rename: *rename }
            }
            Operation::Move { path, to, overwrite } => {
                FileAction::Move { path: path_of("path", path).await?, to: path_of("to", to).await?, overwrite: *overwrite }
            }
            Operation::Delete { path } => FileAction::Delete { path: path_of("path", path).await? },
        };
        caller.engine.connectors().sftp(&connection, action, earlier, caller.bounds(timeout)).await
    }
}
