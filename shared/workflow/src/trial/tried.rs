//! The result of a trial.

use super::fault::Fault;
use forebay_contract::Label;
use serde_json::Value as Json;

/// The result of a trial.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Tried {
    /// `.input`; absent if the trial ended before it.
    pub input: Option<Json>,
    /// The labels; absent if the trial ended before them.
    pub labels: Option<Vec<Label>>,
    /// The steps that were reached and have a result, in order; steps of loops once for each item.
    pub steps: Vec<TriedStep>,
    /// `{ status, headers, body }`; absent if the trial ended at a step.
    pub answer: Option<Json>,
    /// The reason for which it ended early; absent if there was no fault.
    pub fault: Option<Fault>,
}

/// A step of a trial.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TriedStep {
    /// Its id; in a loop the item is before it: `lines[3]/price`.
    pub path: String,
    /// Such as `http`.
    pub kind: &'static str,
    /// The result.
    pub outcome: StepOutcome,
    /// `.steps.<id>` for the steps after it.
    pub output: Json,
    /// The request that it would send; absent for a step that sends nothing.
    pub request: Option<Json>,
}

/// The result of a step of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It ran.
    Ran,
    /// Its `when` was false.
    Skipped,
    /// It uses a remote system; its output was given with the example.
    Given,
    /// It uses a remote system and was not run; its output is null.
    NotRun,
}

impl StepOutcome {
    /// Returns the result as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Skipped => "skipped",
            Self::Given => "given",
            Self::NotRun => "not run",
        }
    }
}
