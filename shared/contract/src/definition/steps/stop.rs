//! The `stop` step: the end of a workflow.

use super::{InnerSteps, StepFields, StepKind};
use crate::fields::Read;

/// The end of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stop {
    /// Template of why it fails; absent: it ends well, with `respond`.
    pub error: Option<String>,
}

impl StepKind for Stop {
    fn read(step: &StepFields<'_>) -> Read<Self> {
        let fields = step.object_or_empty("stop")?;
        let error = fields.text("error");
        fields.finish();
        Ok(Self { error: error? })
    }

    fn inner(&self) -> Vec<InnerSteps<'_>> {
        Vec::new()
    }

    fn summary(&self) -> String {
        self.error.clone().map_or_else(|| "ends well".to_owned(), |error| format!("fails: {error}"))
    }
}
