//! The journal of an execution: the outputs of its steps so far, so that no step with an effect is repeated.

use forebay_contract::outcome::Checkpoint;
use forebay_mapping::{Value, parse_json, to_json};
use std::collections::{BTreeSet, HashMap};

/// The suffix of the path of a step that has begun and whose result is unknown. No id of a step contains it.
const IN_DOUBT: char = '?';

/// Outputs of steps that use remote systems, by path. Pure steps are computed again.
pub(crate) struct Journal {
    done: HashMap<String, Vec<u8>>,
    unstored: Vec<Checkpoint>,
    /// Steps that have begun and may have been done.
    in_doubt: BTreeSet<String>,
    /// True if an unstored step has an effect: only then the checkpoints are written.
    is_urgent: bool,
}

impl Journal {
    /// Takes the checkpoints of earlier attempts and deliveries: `stored` are durable, `unstored` are not yet.
    pub(crate) fn new(stored: Vec<Checkpoint>, unstored: Vec<Checkpoint>) -> Self {
        let in_doubt = stored.iter().chain(&unstored).filter_map(|step| Some(step.path.strip_suffix(IN_DOUBT)?.to_owned())).collect();
        let is_output = |step: &Checkpoint| !step.path.ends_with(IN_DOUBT);
        let unstored: Vec<Checkpoint> = unstored.into_iter().filter(is_output).collect();
        let done = stored.into_iter().filter(is_output).chain(unstored.iter().cloned()).map(|step| (step.path, step.output)).collect();
        Self { done, in_doubt, is_urgent: !unstored.is_empty(), unstored }
    }

    /// Returns true if an earlier attempt of the step may have done it.
    pub(crate) fn is_in_doubt(&self, path: &str) -> bool {
        self.in_doubt.contains(path)
    }

    /// Marks a step whose result is unknown, until its output is known, or it is known not to be done.
    pub(crate) fn doubt(&mut self, path: &str, is_in_doubt: bool) {
        if is_in_doubt {
            self.in_doubt.insert(path.to_owned());
        } else {
            self.in_doubt.remove(path);
        }
    }

    /// Returns the output of the step in an earlier attempt; `None`: it has none.
    pub(crate) fn output(&self, path: &str) -> Option<Value> {
        if self.done.is_empty() {
            return None;
        }
        parse_json(self.done.get(path)?).ok()
    }

    pub(crate) fn add(&mut self, path: &str, output: &Value, has_effect: bool) {
        self.is_urgent |= has_effect;
        self.in_doubt.remove(path);
        self.unstored.push(Checkpoint { path: path.to_owned(), output: to_json(output) });
    }

    /// Takes the checkpoints that must be stored before the next effect; `None`: there are none.
    pub(crate) fn take_urgent(&mut self) -> Option<Vec<Checkpoint>> {
        if !self.is_urgent {
            return None;
        }
        self.is_urgent = false;
        Some(std::mem::take(&mut self.unstored))
    }

    /// Takes back checkpoints that could not be stored.
    pub(crate) fn put_back(&mut self, mut steps: Vec<Checkpoint>) {
        steps.append(&mut self.unstored);
        self.unstored = steps;
        self.is_urgent = true;
    }

    /// Returns the checkpoints that are not stored at the end of the run.
    pub(crate) fn into_unstored(mut self) -> Vec<Checkpoint> {
        let in_doubt = self.in_doubt.into_iter().map(|path| Checkpoint { path: format!("{path}{IN_DOUBT}"), output: b"null".to_vec() });
        self.unstored.extend(in_doubt);
        self.unstored
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
        let unstored = first.into_unstored();
        let paths: Vec<&str> = unstored.iter().map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["done", "gone?"]);
        for (stored, unstored) in [(unstored.clone(), Vec::new()), (Vec::new(), unstored)] {
            let mut second = Journal::new(stored, unstored);
            assert!(second.is_in_doubt("gone") && !second.is_in_doubt("refused") && !second.is_in_doubt("done"));
            assert!(second.output("gone").is_none() && second.output("gone?").is_none() && second.output("done").is_some());
            second.doubt("gone", false);
            assert!(second.into_unstored().iter().all(|step| step.path == "done"));
        }
    }

    #[test]
    fn a_step_in_doubt_alone_is_not_stored_before_an_effect() {
        let mut journal = Journal::new(Vec::new(), vec![Checkpoint { path: "gone?".to_owned(), output: b"null".to_vec() }]);
        assert!(journal.take_urgent().is_none());
    }
}
