//! The `each` step: a loop.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use super::{InnerSteps, Step};
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

const MAX_ITEMS_AT_ONCE: u64 = 64;

/// A loop. Its steps see `.item` and `.index`; their outputs are visible only within the item.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Each {
    /// The mapping that returns the list.
    pub items: String,
    /// Number of items that run in parallel.
    pub parallel: usize,
    /// The steps of each item.
    pub steps: Vec<Step>,
    /// The mapping of the result of an item; absent: the last output.
    pub output: Option<String>,
}

impl Each {
    /// Returns the nested lists of steps; their places are relative to the field `each`.
    pub(super) fn inner(&self) -> Vec<InnerSteps<'_>> {
        vec![InnerSteps { place: "steps".to_owned(), label: None, steps: &self.steps }]
    }
}

impl StepKind for Each {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("each")?;
        let items = fields.required("in", fields.mapping("in"), "a mapping that gives the list");
        let parallel = fields.whole("parallel", 1, MAX_ITEMS_AT_ONCE);
        let steps = step.required_steps(&fields, "steps");
        let output = fields.mapping("output");
        fields.finish();
        Ok(Self { items: items?, parallel: parallel?.unwrap_or(1) as usize, steps: steps?, output: output? })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/each" }),
            json!({
                "each": {
                    "description": "Runs steps for each item of a list; they see .item and .index.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "in": described::mapping("Gives the list."),
                        "parallel": {
                            "description": "Items at once.",
                            "type": "integer",
                            "minimum": 1,
                            "maximum": 64,
                            "default": 1
                        },
                        "steps": { "description": "What runs for each.", "type": "array", "items": { "$ref": "#/$defs/step" } },
                        "output": described::mapping("What is collected of each; absent: the last output.")
                    },
                    "required": ["in", "steps"]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        format!("in {}{}", self.items, if self.parallel > 1 { format!(" · {} at once", self.parallel) } else { String::new() })
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
