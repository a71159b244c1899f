//! The variables of a run as diagnostics record them: each value once, and for each name its number before and after each step.

use forebay_contract::{StepVariables, VariableLog};
use forebay_mapping::Value;
use forebay_mapping::weight::spend;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum depth of a recorded value: readers of stored JSON accept 128 levels, of which the record takes a few.
pub(crate) const MAX_RECORDED_DEPTH: usize = 100;

/// Maximum memory of the values that are recorded of one execution.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The values recorded so far.
pub(crate) struct Variables {
    values: Vec<Json>,
    pub(crate) steps: Vec<StepVariables>,
    /// Memory that further values may take.
    remaining_bytes: usize,
    /// The number of the text that replaces values beyond the limit.
    limit_text: Option<u32>,
}

impl Default for Variables {
    fn default() -> Self {
        Self { values: Vec::new(), steps: Vec::new(), remaining_bytes: MAX_BYTES, limit_text: None }
    }
}

impl Variables {
    pub(crate) fn number(&mut self, value: &Value) -> u32 {
        if is_deeper(value, MAX_RECORDED_DEPTH) {
            return self.push(format!("(not recorded: the value nests deeper than {MAX_RECORDED_DEPTH} levels)").into());
        }
        match spend(value, self.remaining_bytes) {
            Some(remaining) => {
                self.remaining_bytes = remaining;
                self.push(Json::from(value))
            }
            None => {
                let limit = MAX_BYTES / (1024 * 1024);
                let text = format!("(not recorded: the variables of this execution take more than {limit} MiB)");
                let number = self.limit_text.unwrap_or_else(|| self.push(text.into()));
                self.limit_text = Some(number);
                number
            }
        }
    }

    fn push(&mut self, value: Json) -> u32 {
        self.values.push(value);
        u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn into_log(self) -> VariableLog {
        VariableLog { values: self.values, steps: self.steps }
    }
}

/// The number of each variable's value in one context. Empty if variables are not recorded.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Vec<(Arc<str>, u32)>);

impl Numbers {
    pub(crate) fn set(&mut self, name: &str, number: u32) {
        match self.0.iter_mut().find(|(existing, _)| **existing == *name) {
            Some((_, existing)) => *existing = number,
            None => self.0.push((name.into(), number)),
        }
    }

    /// Adds the variables that a branch has set.
    pub(crate) fn join(&mut self, branch: &Self) {
        for (name, number) in &branch.0 {
            self.set(name, *number);
        }
    }

    pub(crate) fn named(&self) -> BTreeMap<String, u32> {
        self.0.iter().map(|(name, number)| (name.to_string(), *number)).collect()
    }
}

pub(crate) fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.as_array().is_some() || value.entries().is_some() };
    match (value.as_array(), value.entries()) {
        (Some(items), _) => items.iter().any(|item| is_deeper(item, below)),
        (_, Some(mut members)) => members.any(|(_, member)| is_deeper(member, below)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_told_once_and_costs_nothing_more() {
        let mut variables = Variables::default();
        let large = Value::string("x".repeat(MAX_BYTES));
        assert_eq!(variables.number(&Value::from(1_i64)), 0);
        assert_eq!((variables.number(&large), variables.number(&large)), (1, 1));
        assert_eq!(variables.number(&Value::from(2_i64)), 2);
        let log = variables.into_log();
        assert!(log.values[1].as_str().unwrap().contains("more than 4 MiB"));
        assert_eq!((&log.values[0], &log.values[2]), (&Json::from(1), &Json::from(2)));
    }
}
