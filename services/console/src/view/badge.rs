//! Small labelled states.

use forebay_contract::outcome::{ExecutionStatus, StepStatus};
use maud::{Markup, html};

/// What a colour says. It never says it alone: a word stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Went well.
    Good,
    /// Failed.
    Bad,
    /// Needs somebody, or waits.
    Warn,
    /// Is under way.
    Busy,
    /// Nothing to say.
    Idle,
    /// Of the product itself.
    Accent,
}

impl Tone {
    /// The class of the stylesheet.
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

/// A word in a colour.
#[must_use]
pub(crate) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (word) } }
}

/// A word without a state's dot.
#[must_use]
pub(crate) fn tag(word: &str) -> Markup {
    html! { span.badge.plain { (word) } }
}

/// The tone of an execution's state.
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

/// An execution's state.
#[must_use]
pub(crate) fn execution(status: ExecutionStatus) -> Markup {
    badge(tone_of(status), status.as_str())
}

/// A step's state.
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
