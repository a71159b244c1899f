//! The `assert` step: a condition that must hold.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::{Value, json};

/// A condition that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assertion {
    /// A mapping.
    pub that: String,
    /// The template of the message if it does not hold.
    pub message: Option<String>,
}

impl StepKind for Assertion {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.fields();
        if !matches!(fields.take("assert")?, Some(Value::Object(_))) {
            let that = fields.required("assert", fields.mapping("assert"), "a mapping that must be true")?;
            return Ok(Self { that, message: None });
        }
        let fields = fields.required("assert", fields.object("assert"), "")?;
        let that = fields.required("that", fields.mapping("that"), "a mapping that must be true");
        let message = fields.text("message");
        fields.finish();
        Ok(Self { that: that?, message: message? })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({
                "description": "Fails for good unless a jq program gives true.",
                "oneOf": [{ "type": "string" }, { "$ref": "#/$defs/assert" }]
            }),
            json!({
                "assert": {
                    "description": "A condition that must hold.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "that": described::mapping("The condition."),
                        "message": described::template("What is said when it does not hold.")
                    },
                    "required": ["that"]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        self.that.clone()
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
