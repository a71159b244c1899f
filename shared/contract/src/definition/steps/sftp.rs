//! The `sftp` step: performs one operation on a file server.

use super::super::read::body_rule_of;
use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::body::BodyRule;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// An operation on an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SftpCall {
    /// The connection.
    pub connection: Name,
    /// The operation.
    pub operation: SftpOperation,
}

/// An operation. Paths are templates; a relative path is below the connection's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SftpOperation {
    /// Lists a folder: `[{ name, path, size, modifiedAt, isFolder }]`, sorted by name; with `nameBase64` if the name is not UTF-8.
    List {
        /// The folder.
        path: String,
        /// The template of a pattern of names with `*` and `?`.
        pattern: Option<String>,
    },
    /// Reads a file: `{ name, path, size, body }`; the body is read as its type.
    Get {
        /// The file.
        path: String,
        /// The rule of reading; it takes precedence over the media type of the file name's extension.
        rule: BodyRule,
    },
    /// Writes a file: `{ path, size }`. By default it is written under a temporary name and then renamed.
    Put {
        /// The file.
        path: String,
        /// The mapping of the content.
        body: String,
        /// The media type; absent: that of the file name's extension.
        content_type: Option<String>,
        /// True if an existing file is replaced; default: true.
        overwrite: bool,
        /// True if it is written under a temporary name first; default: true.
        rename: bool,
    },
    /// Renames a file: `{ path }`.
    Move {
        /// The file.
        path: String,
        /// Its new path.
        to: String,
        /// True if an existing file is replaced; default: true.
        overwrite: bool,
    },
    /// Deletes a file: `{ deleted }`, false if it did not exist.
    Delete {
        /// The file.
        path: String,
    },
}

impl StepKind for SftpCall {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        #[derive(Clone, Copy, PartialEq)]
        enum Kind {
            List,
            Get,
            Put,
            Move,
            Delete,
        }
        let fields = step.object("sftp")?;
        let kinds = [("list", Kind::List), ("get", Kind::Get), ("put", Kind::Put), ("move", Kind::Move), ("delete", Kind::Delete)];
        let connection = fields.name("connection");
        let kind = fields.exactly_one_of(&kinds, "make a step of each");
        let only_with = |field: &'static str, allowed: &[Kind], operation: &str| {
            if let Ok(kind) = kind
                && fields.has_key(field)
                && !allowed.contains(&kind)
            {
                fields.problem(field, format!("belongs to {operation}"));
            }
        };
        only_with("pattern", &[Kind::List], "list");
        only_with("to", &[Kind::Move], "move");
        only_with("body", &[Kind::Put], "put");
        only_with("content_type", &[Kind::Put, Kind::Get], "get and put");
        only_with("overwrite", &[Kind::Put, Kind::Move], "put and move");
        only_with("rename", &[Kind::Put], "put");
        only_with("charset", &[Kind::Get], "get; for put it is a part of content_type");
        only_with("separator", &[Kind::Get], "get");
        let (pattern, to, content_type, body) =
            (fields.text("pattern"), fields.text("to"), fields.text("content_type"), fields.mapping("body"));
        let get_type = content_type.as_ref().ok().and_then(Option::as_deref).filter(|_| matches!(kind, Ok(Kind::Get)));
        let rule = body_rule_of(&fields, get_type);
        let is_on = |field| fields.boolean(field).map(|value| value.unwrap_or(true));
        let (overwrite, rename) = (is_on("overwrite"), is_on("rename"));
        let path = |field| fields.required(field, fields.text(field), "a path");
        let operation = kind.and_then(|kind| match kind {
            Kind::List => Ok(SftpOperation::List {
                path: fields.required("list", fields.text_or_blank("list"), "a folder; '' is the connection's own")?,
                pattern: pattern?,
            }),
            Kind::Get => Ok(SftpOperation::Get { path: path("get")?, rule: content_type.and(rule)? }),
            Kind::Put => Ok(SftpOperation::Put {
                path: path("put")?,
                body: fields.required("body", body, "a mapping of the content")?,
                content_type: content_type?,
                overwrite: overwrite?,
                rename: rename?,
            }),
            Kind::Move => {
                Ok(SftpOperation::Move { path: path("move")?, to: fields.required("to", to, "the new path")?, overwrite: overwrite? })
            }
            Kind::Delete => Ok(SftpOperation::Delete { path: path("delete")? }),
        });
        fields.finish();
        Ok(Self { connection: connection?, operation: operation? })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/sftp" }),
            json!({
                "sftp": {
                    "description": "Works on files of an SFTP server.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "connection": described::name("The connection."),
                        "list": described::template("Lists this folder."),
                        "pattern": described::template("Of `list`: names with * and ?."),
                        "get": described::template("Reads this file."),
                        "put": described::template("Writes this file, first under a name of its own."),
                        "body": described::mapping("Of `put`: the content."),
                        "content_type": {
                            "description": "Of `get` and `put`: the media type; absent: by the name's ending.",
                            "type": "string"
                        },
                        "overwrite": {
                            "description": "Of `put` and `move`: whether a file that is there is replaced; default: true. With false the step fails then.",
                            "type": "boolean"
                        },
                        "rename": {
                            "description": "Of `put`: whether the file is written under another name first, so that nobody sees a part of it; default: true. False is for servers that let nobody rename.",
                            "type": "boolean"
                        },
                        "charset": { "description": "Of `get`: the charset of the file, such as windows-1252.", "type": "string" },
                        "separator": {
                            "description": "Of `get`: what stands between the fields of CSV: one ASCII character. Default: as the text says or looks.",
                            "type": "string",
                            "pattern": "^[^\"\\r\\n]$"
                        },
                        "move": described::template("Renames this file."),
                        "to": described::template("Of `move`: the new path."),
                        "delete": described::template("Removes this file.")
                    },
                    "required": ["connection"],
                    "oneOf": [
                        { "required": ["list"] },
                        { "required": ["get"] },
                        { "required": ["put"] },
                        { "required": ["move"] },
                        { "required": ["delete"] }
                    ],
                    "dependentRequired": {
                        "put": ["body"],
                        "move": ["to"],
                        "body": ["put"],
                        "to": ["move"],
                        "pattern": ["list"],
                        "rename": ["put"]
                    }
                }
            }),
        )
    }

    fn summary(&self) -> String {
        match &self.operation {
            SftpOperation::List { path, .. } => format!("list {path}"),
            SftpOperation::Get { path, .. } => format!("get {path}"),
            SftpOperation::Put { path, .. } => format!("put {path}"),
            SftpOperation::Move { path, to, .. } => format!("move {path} to {to}"),
            SftpOperation::Delete { path } => format!("delete {path}"),
        }
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }
}
