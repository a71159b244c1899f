//! What an execution has done so far, so that no step with an effect is done twice.

use forebay_contract::outcome::KeptStep;
use forebay_mapping::{Value, parse_json, to_json};
use std::collections::{BTreeSet, HashMap};

/// Stands after the path of a step that was asked for and whose answer did not come. No id of a step has it.
const IN_DOUBT: char = '?';

/// Outputs of steps that reach out, by path. Pure steps are computed again.
pub(crate) struct Journal {
    done: HashMap<String, Vec<u8>>,
    unkept: Vec<KeptStep>,
    /// Steps that were begun and may have been done.
    in_doubt: BTreeSet<String>,
    /// Whether something among the unkept changed the world: only then is keeping worth a write.
    is_urgent: bool,
}

impl Journal {
    /// What earlier attempts and deliveries did: `kept` is durable, `unkept` is not yet.
    pub(crate) fn new(kept: Vec<KeptStep>, unkept: Vec<KeptStep>) -> Self {
        let in_doubt = kept.iter().chain(&unkept).filter_map(|step| Some(step.path.strip_suffix(IN_DOUBT)?.to_owned())).collect();
        let is_output = |step: &KeptStep| !step.path.ends_with(IN_DOUBT);
        let unkept: Vec<KeptStep> = unkept.into_iter().filter(is_output).collect();
        let done = kept.into_iter().filter(is_output).chain(unkept.iter().cloned()).map(|step| (step.path, step.output)).collect();
        Self { done, in_doubt, is_urgent: !unkept.is_empty(), unkept }
    }

    /// Whether an earlier attempt of the step may have done it.
    pub(crate) fn is_in_doubt(&self, path: &str) -> bool {
        self.in_doubt.contains(path)
    }

    /// Until its output is there, or it is known not to be done.
    pub(crate) fn doubt(&mut self, path: &str, is_in_doubt: bool) {
        if is_in_doubt {
            self.in_doubt.insert(path.to_owned());
        } else {
            self.in_doubt.remove(path);
        }
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
        self.in_doubt.remove(path);
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
    pub(crate) fn into_unkept(mut self) -> Vec<KeptStep> {
        let in_doubt = self.in_doubt.into_iter().map(|path| KeptStep { path: format!("{path}{IN_DOUBT}"), output: b"null".to_vec() });
        self.unkept.extend(in_doubt);
        self.unkept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stays_in_doubt_over_attempts_until_it_is_done_or_known_not_to_be() {
        let mut first = Journal::new(Vec::new(), Vec::new());
        for path in ["gone", "refused", "done"] {
            first.doubt(path, true);
        }
        first.doubt("refused", false);
        first.add("done", &Value::NULL, true);
        let unkept = first.into_unkept();
        let paths: Vec<&str> = unkept.iter().map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["done", "gone?"]);
        for (kept, unkept) in [(unkept.clone(), Vec::new()), (Vec::new(), unkept)] {
            let mut second = Journal::new(kept, unkept);
            assert!(second.is_in_doubt("gone") && !second.is_in_doubt("refused") && !second.is_in_doubt("done"));
            assert!(second.output("gone").is_none() && second.output("gone?").is_none() && second.output("done").is_some());
            second.doubt("gone", false);
            assert!(second.into_unkept().iter().all(|step| step.path == "done"));
        }
    }

    #[test]
    fn what_is_in_doubt_alone_is_no_reason_to_write_before_an_effect() {
        let mut journal = Journal::new(Vec::new(), vec![KeptStep { path: "gone?".to_owned(), output: b"null".to_vec() }]);
        assert!(journal.take_urgent().is_none());
    }
}
