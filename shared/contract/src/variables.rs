//! The variables of an execution before and after each step, which diagnostics record.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The variables before and after each step. Each value is stored once, since most variables do not change during the workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VariableLog {
    /// All values of variables.
    #[serde(deserialize_with = "crate::json::values")]
    pub values: Vec<Value>,
    /// The variables of each step record, in the same order.
    pub steps: Vec<StepVariables>,
}

/// The variables around one step: `input`, `item` and `index` in a loop, `steps.<id>`; each with the index of its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepVariables {
    /// At its begin.
    pub before: BTreeMap<String, u32>,
    /// At its end.
    pub after: BTreeMap<String, u32>,
}

impl VariableLog {
    /// Returns the variables before the step record at this index.
    #[must_use]
    pub fn before(&self, step: usize) -> Option<Map<String, Value>> {
        self.steps.get(step).map(|step| self.named(&step.before))
    }

    /// Returns the variables after the step record at this index.
    #[must_use]
    pub fn after(&self, step: usize) -> Option<Map<String, Value>> {
        self.steps.get(step).map(|step| self.named(&step.after))
    }

    fn named(&self, places: &BTreeMap<String, u32>) -> Map<String, Value> {
        let value = |place: u32| usize::try_from(place).ok().and_then(|place| self.values.get(place)).cloned();
        places.iter().map(|(name, place)| (name.clone(), value(*place).unwrap_or_default())).collect()
    }
}
