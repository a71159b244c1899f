//! What an execution has done so far, so that no step with an effect is done twice.

use crate::mapping::{Value, parse_json, to_json};
use forebay_contract::outcome::KeptStep;
use std::collections::HashMap;

/// Outputs of steps that reach out, by path. Pure steps are computed again.
pub(crate) struct Journal {
    done: HashMap<String, Vec<u8>>,
    unkept: Vec<KeptStep>,
    /// Whether something among the unkept changed the world: only then is keeping worth a write.
    is_urgent: bool,
}

impl Journal {
    /// What earlier attempts and deliveries did: `kept` is durable, `unkept` is not yet.
    pub(crate) fn new(kept: Vec<KeptStep>, unkept: Vec<KeptStep>) -> Self {
        let done = kept.into_iter().chain(unkept.iter().cloned()).map(|step| (step.path, step.output)).collect();
        Self { done, is_urgent: !unkept.is_empty(), unkept }
    }

    /// What the step gave before, if it did.
    pub(crate) fn output(&self, path: &str) -> Option<Value> {
        if self.done.is_empty() {
            return None;
        }
        parse_json(self.done.get(path)?).ok()
    }

    pub(crate) fn add(&mut self, path: &str, output: &Value, has_effect: bool) {
        self.is_urgent |= has_effect;
        self.unkept.push(KeptStep { path: path.to_owned(), output: to_json(output) });
    }

    /// What must be durable before the next effect.
    pub(crate) fn take_urgent(&mut self) -> Option<Vec<KeptStep>> {
        if !self.is_urgent {
            return None;
        }
        self.is_urgent = false;
        Some(std::mem::take(&mut self.unkept))
    }

    /// Keeping failed.
    pub(crate) fn put_back(&mut self, mut steps: Vec<KeptStep>) {
        steps.append(&mut self.unkept);
        self.unkept = steps;
        self.is_urgent = true;
    }

    /// What is not durable at the end of the run.
    pub(crate) fn into_unkept(self) -> Vec<KeptStep> {
        self.unkept
    }
}
