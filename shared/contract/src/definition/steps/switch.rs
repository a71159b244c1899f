//! The `switch` step: runs one of several lists of steps.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use super::{InnerSteps, Step};
use crate::fields::{Fields, Read, all_of};
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// A choice.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Switch {
    /// The cases in the order of evaluation, at least one.
    pub cases: Vec<Case>,
    /// The steps that run if no case is true.
    pub default: Vec<Step>,
}

/// A case of a choice.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Case {
    /// The condition, a mapping.
    pub when: String,
    /// The steps of the case.
    pub steps: Vec<Step>,
}

impl Switch {
    /// Returns the nested lists of steps; their places are relative to the field `switch`.
    pub(super) fn inner(&self) -> Vec<InnerSteps<'_>> {
        let cases = self.cases.iter().enumerate().map(|(index, case)| InnerSteps {
            place: format!("cases[{index}].steps"),
            label: Some(case.when.clone()),
            steps: &case.steps,
        });
        let default = InnerSteps { place: "default".to_owned(), label: Some("else".to_owned()), steps: &self.default };
        cases.chain([default]).collect()
    }
}

impl StepKind for Switch {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("switch")?;
        let cases = match fields.required("cases", fields.list("cases"), "a list of { when, steps }") {
            Ok(cases) if cases.is_empty() => Err(fields.problem("cases", "is empty: give a list of { when, steps }")),
            Ok(cases) => all_of(cases.into_iter().map(|fields| case(fields, step))),
            Err(reported) => Err(reported),
        };
        let default = step.optional_steps(&fields, "default");
        fields.finish();
        Ok(Self { cases: cases?, default: default?.unwrap_or_default() })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/switch" }),
            json!({
                "switch": {
                    "description": "Runs the steps of the first case that holds.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "cases": {
                            "description": "In the order in which they are tried.",
                            "type": "array",
                            "minItems": 1,
                            "items": { "$ref": "#/$defs/case" }
                        },
                        "default": { "description": "When no case holds.", "type": "array", "items": { "$ref": "#/$defs/step" } }
                    },
                    "required": ["cases"]
                },
                "case": {
                    "description": "One case.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "when": described::mapping("Whether it holds."),
                        "steps": { "description": "What runs then.", "type": "array", "items": { "$ref": "#/$defs/step" } }
                    },
                    "required": ["when", "steps"]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        "the first that holds".to_owned()
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}

fn case(fields: Fields<'_>, step: &StepFields<'_>) -> Read<Case> {
    let when = fields.required("when", fields.mapping("when"), "a mapping");
    let steps = step.required_steps(&fields, "steps");
    fields.finish();
    Ok(Case { when: when?, steps: steps? })
}
