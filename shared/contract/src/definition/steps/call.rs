//! The `call` step: calls another integration of the tenant.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// A call of another integration of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrationCall {
    /// Its name.
    pub integration: Name,
    /// True if the step waits for its outcome; otherwise the step ends once the call is accepted.
    pub wait: bool,
    /// The mapping of its body, as JSON; absent: `.input`.
    pub body: Option<String>,
    /// The mapping of its declared query parameters, an object; absent: none.
    pub query: Option<String>,
}

impl StepKind for IntegrationCall {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object("call")?;
        let integration = fields.name("integration");
        let wait = fields.boolean("wait");
        let (body, query) = (fields.mapping("body"), fields.mapping("query"));
        fields.finish();
        Ok(Self { integration: integration?, wait: wait?.unwrap_or(true), body: body?, query: query? })
    }

    fn schema() -> KindSchema {
        KindSchema::new(
            json!({ "$ref": "#/$defs/call" }),
            json!({
                "call": {
                    "description": "Calls another integration of the tenant.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "integration": described::name("Its name."),
                        "wait": {
                            "description": "Whether the step ends with its outcome, or once it is accepted.",
                            "type": "boolean",
                            "default": true
                        },
                        "body": described::mapping("Its body, as JSON; absent: .input."),
                        "query": described::mapping("Its declared query parameters, an object.")
                    },
                    "required": ["integration"]
                }
            }),
        )
    }

    fn summary(&self) -> String {
        format!("{}{}", self.integration, if self.wait { "" } else { ", without waiting" })
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
