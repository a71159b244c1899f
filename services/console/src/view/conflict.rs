//! A text that was not saved, because another user has saved a change of the same text: both texts, and the merged one.

use super::badge::Tone;
use super::diff::texts;
use super::notice::notice;
use maud::{Markup, html};

/// Two changes of one text.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    /// The change of the other user, such as `ada saved version 4 of t1/Orders`.
    pub(crate) other_change: String,
    /// The name of the other text, such as `version 4`.
    pub(crate) theirs_name: String,
    /// The common version; empty: there is none.
    pub(crate) base: String,
    /// The stored text.
    pub(crate) theirs: String,
    /// The text that was not saved.
    pub(crate) mine: String,
    /// The number of the stored text, which the next save replaces.
    pub(crate) over: i32,
    /// The merged text.
    pub(crate) merge: Merge,
}

/// The result of merging both changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Merge {
    /// They were merged.
    Done {
        /// The text, with both versions between marks where a person must choose.
        text: String,
        /// The number of such places.
        conflicts: usize,
    },
    /// The texts are too long to compare.
    TooLong,
    /// There is no common version.
    NoBase,
}

/// Draws the conflict, within the form whose text was refused: its buttons send that form.
#[must_use]
pub(crate) fn conflict(conflict: &Conflict) -> Markup {
    let name = &conflict.theirs_name;
    html! {
        input type="hidden" name="over" value=(conflict.over);
        (notice(Tone::Bad, "Could not save", html! {
            (conflict.other_change) " after you opened this page. Your text is below. It is not stored."
        }))
        section.card id="conflict" {
            header { h2 { "Resolve the conflict" } }
            div.body.stack {
                @match &conflict.merge {
                    Merge::Done { text, conflicts } => {
                        div.stack.tight {
                            h3 { "Merge: both changes" }
                            @match conflicts {
                                0 => p.muted { "The changes are in different lines. These are your changes to " (name) "." },
                                1 => p.muted { "Both texts changed the same lines in one place. Resolve the marked conflict before you save." },
                                many => p.muted { "Both texts changed the same lines in " (many) " places. Resolve the marked conflicts before you save." },
                            }
                            (texts(&conflict.theirs, text))
                            div.actions { button.button.main type="submit" name="action" value="use-merge" { "Use the merge" } }
                        }
                    }
                    Merge::TooLong => p.muted { "The texts are too long to merge." },
                    Merge::NoBase => {}
                }
                div.halves {
                    div.stack.tight {
                        h3 { "Mine" }
                        (texts(base_or_theirs(conflict), &conflict.mine))
                        div.actions { button.button type="submit" name="action" value="use-mine" { "Use mine, discard theirs" } }
                    }
                    div.stack.tight {
                        h3 { "Theirs: " (name) }
                        (texts(&conflict.base, &conflict.theirs))
                        div.actions { button.button type="submit" name="action" value="use-theirs" { "Use theirs, discard mine" } }
                    }
                }
                p.muted.small { "Each button puts its text into the editor. Save stores it." }
            }
        }
    }
}

/// Returns the common version; without one, the change is shown from the stored text.
fn base_or_theirs(conflict: &Conflict) -> &str {
    if conflict.base.is_empty() { &conflict.theirs } else { &conflict.base }
}
