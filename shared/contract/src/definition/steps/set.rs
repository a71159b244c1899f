//! The `set` step: computes a value.

use super::step_fields::StepFields;
use super::step_kind::StepKind;
use crate::fields::Read;
use crate::name::Name;
use crate::published::{KindSchema, described};
use serde_json::json;

/// A value to compute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Set {
    /// The mapping that returns it.
    pub source: String,
}

impl StepKind for Set {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.fields();
        Ok(Self { source: fields.required("set", fields.mapping("set"), "a mapping")? })
    }

    fn schema() -> KindSchema {
        KindSchema::new(json!(described::mapping("Computes a value, which is the output.")), json!({}))
    }

    fn summary(&self) -> String {
        self.source.clone()
    }

    fn connection(&self) -> Option<&Name> {
        None
    }
}
