//! Small labels of states.

use forebay_contract::outcome::{ExecutionStatus, StepStatus};
use maud::{Markup, html};

/// The meaning of a colour. A word beside it always says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A success.
    Good,
    /// A failure.
    Bad,
    /// Something that needs a person, or waits.
    Warn,
    /// Something under way.
    Busy,
    /// No meaning.
    Idle,
    /// The colour of the product.
    Accent,
}

impl Tone {
    /// Returns the class in the stylesheet.
    #[must_use]
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Accent => "accent",
        }
    }
}

/// Draws a word in a colour.
#[must_use]
pub(crate) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (word) } }
}

/// Draws a word without the dot of a state.
#[must_use]
pub(crate) fn tag(word: &str) -> Markup {
    html! { span.badge.plain { (word) } }
}

/// Returns the tone of an execution's status.
#[must_use]
pub(crate) fn tone_of(status: ExecutionStatus) -> Tone {
    match status {
        ExecutionStatus::Queued => Tone::Idle,
        ExecutionStatus::Running => Tone::Busy,
        ExecutionStatus::Succeeded => Tone::Good,
        ExecutionStatus::Failed => Tone::Bad,
        ExecutionStatus::Expired => Tone::Warn,
    }
}

/// Draws the status of an execution.
#[must_use]
pub(crate) fn execution(status: ExecutionStatus) -> Markup {
    badge(tone_of(status), status.as_str())
}

/// Draws the status of a step.
#[must_use]
pub(crate) fn step(status: StepStatus) -> Markup {
    let (tone, word) = match status {
        StepStatus::Succeeded => (Tone::Good, "succeeded"),
        StepStatus::Failed => (Tone::Bad, "failed"),
        StepStatus::Skipped => (Tone::Idle, "skipped"),
        StepStatus::Waiting => (Tone::Warn, "waiting"),
    };
    badge(tone, word)
}
