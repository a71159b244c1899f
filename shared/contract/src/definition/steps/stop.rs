//! The `stop` step: ends the workflow.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// The end of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stop {
    /// The template of the error; absent: it succeeds, with `respond`.
    pub error: Option<String>,
}

impl StepKind for Stop {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object_or_empty("stop")?;
        let error = fields.text("error");
        fields.finish();
        Ok(Self { error: error? })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/stop" }),
            json!({
                "stop": {
                    "description": "Ends the workflow.",
                    "type": ["object", "null"],
                    "additionalProperties": false,
                    "properties": {
                        "error": described::template("Why it fails; absent: it ends well, with `respond`.")
                    }
                }
            }),
        )
    }

    fn summary(&self) -> String {
        self.error.clone().map_or_else(|| "ends well".to_owned(), |error| format!("fails: {error}"))
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
