//! The ends of steps and of lists of steps.

use forebay_contract::UnixMillis;
use forebay_mapping::Value;

/// The end of a list of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// All steps have run.
    Next,
    /// A `stop` ended the workflow successfully.
    Stop,
    /// The execution is deferred until this time.
    Wait(UnixMillis),
}

impl Flow {
    /// Combines the ends of two lists that ran in parallel: a `stop` ends the workflow in any case; of two waits the earlier one counts.
    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stop, _) | (_, Self::Stop) => Self::Stop,
            (Self::Wait(one), Self::Wait(other)) => Self::Wait(one.min(other)),
            (Self::Next, other) => other,
            (one, Self::Next) => one,
        }
    }
}

/// The result of one attempt of a step.
pub(crate) enum Done {
    Output(Value),
    Ends(Flow),
}

impl Done {
    /// Returns the result of a step with nested steps: its output once all of them have run.
    pub(crate) fn of(flow: Flow, output: impl FnOnce() -> Value) -> Self {
        match flow {
            Flow::Next => Self::Output(output()),
            ends => Self::Ends(ends),
        }
    }
}
