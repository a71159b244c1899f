//! The `log` step: writes to the log.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::{Value, json};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The template of the message.
    pub message: String,
    /// The level.
    pub level: LogLevel,
}

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Information.
    Info,
    /// A warning.
    Warn,
    /// An error.
    Error,
}

impl StepKind for LogLine {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.fields();
        if !matches!(fields.take("log")?, Some(Value::Object(_))) {
            return Ok(Self { message: fields.required("log", fields.text("log"), "a message")?, level: LogLevel::Info });
        }
        let fields = fields.required("log", fields.object("log"), "")?;
        let message = fields.required("message", fields.text("message"), "");
        let level = fields.word("level", &[("info", LogLevel::Info), ("warn", LogLevel::Warn), ("error", LogLevel::Error)]);
        fields.finish();
        Ok(Self { message: message?, level: level?.unwrap_or(LogLevel::Info) })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({
                "description": "Writes to the log: a template, or one with a level.",
                "oneOf": [{ "type": "string" }, { "$ref": "#/$defs/log" }]
            }),
            json!({
                "log": {
                    "description": "A line in the log.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "message": described::template("What is written."),
                        "level": { "description": "How loud.", "enum": ["info", "warn", "error"], "default": "info" }
                    },
                    "required": ["message"]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        self.message.clone()
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
