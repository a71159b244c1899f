//! The labels by which an execution is found. If their mapping fails, the execution has no labels, but it does not fail.

use crate::context::Context;
use crate::execution::Execution;
use crate::in_step::InStep;
use forebay_contract::Label;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::weight;
use forebay_mapping::{Mapping, Paced};
use serde_json::Value as Json;

/// Maximum memory of the mapping's output, in bytes.
const MAX_BYTES: usize = 64 * 1024;

impl Execution<'_> {
    /// Evaluates the mapping of the definition's `label`, if it has one, and stores the labels in the state that outlives the run.
    pub(crate) async fn label(&self, mapping: Option<&Paced<Mapping>>, context: &Context) {
        match self.labels_of(mapping, context).await {
            Ok(labels) => self.state().labels = labels,
            Err(error) => {
                let (tenant, integration, id) = (&self.envelope.tenant, &self.envelope.integration, &self.envelope.execution_id);
                tracing::warn!(
                    forebay.tenant = %tenant,
                    forebay.integration = %integration,
                    forebay.execution.id = %id,
                    %error,
                    "an execution gets no labels: its mapping failed"
                );
            }
        }
    }

    async fn labels_of(&self, mapping: Option<&Paced<Mapping>>, context: &Context) -> Result<Vec<Label>, ExecutionError> {
        let Some(mapping) = mapping else { return Ok(Vec::new()) };
        let output = mapping.output("", context.value(), &self.budget).await.in_step("label")?;
        let refused = |message: String| ExecutionError::permanent(ErrorCode::Mapping, message).in_step("label");
        if weight::spend(&output, MAX_BYTES).is_none() {
            return Err(refused(format!("the labels take more than {} KiB together", MAX_BYTES / 1024)));
        }
        Label::all_of(&Json::from(&output)).map_err(|error| refused(error.to_string()))
    }
}
