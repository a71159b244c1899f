//! The `respond` step: sends the response to the caller while the workflow continues.

use super::super::read::respond;
use super::super::{Respond, Status};
use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::KindSchema;
use serde_json::json;

impl StepKind for Respond {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        respond(step.object_or_empty("respond")?)
    }

    fn schema() -> KindSchema {
        KindSchema::new(json!({ "$ref": "#/$defs/respond", "description": "Answers the caller while the workflow goes on." }), json!({}))
    }

    fn summary(&self) -> String {
        match &self.status {
            Status::Fixed(status) => format!("answers {status} and goes on"),
            Status::Mapping(source) => format!("answers {source} and goes on"),
        }
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
