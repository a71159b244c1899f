//! Places in values that cannot be written in a format.

use std::fmt;

/// Maximum steps of a path in a message.
const SHOWN_STEPS: usize = 20;

/// A value that cannot be written in a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Misfit {
    /// The place, such as `Order.Line[3].@id`; empty: the value itself.
    pub place: String,
    /// The problem.
    pub problem: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() { f.write_str(&self.problem) } else { write!(f, "at {}: {}", self.place, self.problem) }
    }
}

/// The path from a value to the part that is being written.
#[derive(Debug, Default)]
pub(super) struct Place<'v>(Vec<Step<'v>>);

#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'v> {
    Name(&'v str),
    Index(usize),
}

impl<'v> Place<'v> {
    pub(super) fn enter(&mut self, step: Step<'v>) {
        self.0.push(step);
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    pub(super) fn misfit(&self, problem: impl Into<String>) -> Misfit {
        let mut place = String::new();
        for step in self.0.iter().take(SHOWN_STEPS) {
            match step {
                Step::Name(name) => {
                    if !place.is_empty() {
                        place.push('.');
                    }
                    place.extend(name.chars().take(60));
                }
                Step::Index(index) => place.push_str(&format!("[{index}]")),
            }
        }
        if self.0.len() > SHOWN_STEPS {
            place.push_str("...");
        }
        Misfit { place, problem: problem.into() }
    }
}
