//! The variables of an execution, step by step: what diagnostics record while they are switched on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The variables before and after each step. Each value stands there once, since most of them go through the whole workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VariableLog {
    /// Every value that a variable had.
    #[serde(deserialize_with = "crate::json::values")]
    pub values: Vec<Value>,
    /// Of each step record, in the same order.
    pub steps: Vec<StepVariables>,
}

/// The variables around one step: `input`, `item` and `index` inside a loop, `steps.<id>`; each with the place of its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepVariables {
    /// When it began.
    pub before: BTreeMap<String, u32>,
    /// When it had ended.
    pub after: BTreeMap<String, u32>,
}

impl VariableLog {
    /// The variables before the step record at this place.
    #[must_use]
    pub fn before(&self, step: usize) -> Option<Map<String, Value>> {
        self.steps.get(step).map(|step| self.named(&step.before))
    }

    /// The variables after the step record at this place.
    #[must_use]
    pub fn after(&self, step: usize) -> Option<Map<String, Value>> {
        self.steps.get(step).map(|step| self.named(&step.after))
    }

    fn named(&self, places: &BTreeMap<String, u32>) -> Map<String, Value> {
        let value = |place: u32| usize::try_from(place).ok().and_then(|place| self.values.get(place)).cloned();
        places.iter().map(|(name, place)| (name.clone(), value(*place).unwrap_or_default())).collect()
    }
}
